"""HTTPRoutes of a gateway with derived timeouts: what `mlmesh routes` says is what a client sees."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually

MeasuredBy = Callable[[str, str], None]

BIN = Path(sys.executable).parent
HOST = ("--header", "Host: derived.ml.example.com")
# The defaults are minutes; the tests have seconds.
POLICY = """
apiVersion: mlmesh.dev/v1alpha1
kind: MeshPolicy
metadata: {name: seconds}
spec:
  endpoints:
    types:
      embeddings: {timeout: 2s, attempts: 0, perTryTimeout: null, retryOn: null}
      chat: {timeout: 3s, attempts: 0, perTryTimeout: null, retryOn: null}
      tokenize: {timeout: 2s}  # which the prefix of chat takes too
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: derived, namespace: ml-serving}
spec:
  parentRefs: [{name: ml-gateway, sectionName: http}]
  hostnames: [derived.ml.example.com]
  rules:
    - matches: [{path: {type: PathPrefix, value: /v1/embeddings}}]
      backendRefs: [{name: llm-service, port: 8080}]
    - matches: [{path: {type: PathPrefix, value: /v1/chat/completions}}]
      backendRefs: [{name: llm-service, port: 8080}]
    - matches: [{path: {type: PathPrefix, value: /v1/realtime}}]
      backendRefs: [{name: llm-service, port: 8080}]
"""


def run(program: str, policy: Path, *arguments: str) -> str:
    """What a program of ours makes of the route."""
    command = [str(BIN / program), *arguments, "--policy", str(policy)]
    return subprocess.run(command, input=ROUTE, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def said(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """The route in force as the post-renderer leaves it, and what `mlmesh routes` says of each rule."""
    policy = tmp_path_factory.mktemp("policy") / "policy.yaml"
    policy.write_text(POLICY)
    mesh.apply(run("mlmesh-post", policy))
    told: list[dict[str, Any]] = json.loads(run("mlmesh", policy, "routes", "-", "--format", "json"))["routes"]
    yield told
    mesh.cluster.kubectl("delete", "httproute", "derived", "-n", "ml-serving")


def worst(rule: dict[str, Any]) -> dict[str, Any]:
    """The worst case of a client without a sidecar: through the gateway alone."""
    found: dict[str, Any] = next(case for case in rule["worstCases"] if case["through"] == ["gateway"])
    return found


@pytest.mark.proves("httproutes", "derived", part="/spec/rules/0/timeouts")
def test_a_slow_answer_ends_when_routes_says(
    mesh: Mesh, outsider: Pod, gateway: Pod, said: list[dict[str, Any]], measured: MeasuredBy
) -> None:
    """An embedding that takes ten seconds: 504 at the moment that `mlmesh routes` names, and one try at the server."""
    url = f"http://{gateway.address}/v1/embeddings"
    assert eventually(lambda: outsider.call(url, *HOST).status == 200)
    server = mesh.pod("ml-serving", app="llm-service")
    mark = ("--header", "x-test: derived", "--header", "x-do: delay=10")
    answer = outsider.call(url, *HOST, *mark)
    assert answer.status == 504
    assert worst(said[0])["answer"] == 2.0
    assert 1.9 < answer.seconds < 2.5
    assert eventually(lambda: sum(each.headers.get("x-test") == "derived" for each in server.requests()) == 1, 3)
    measured("timeouts: an HTTPRoute's derived request timeout", f"504 after {answer.seconds:.1f} s and 1 try, as told")


@pytest.mark.proves("httproutes", "derived", part="/spec/rules/1/timeouts")
def test_a_long_stream_is_cut_when_routes_says(
    outsider: Pod, gateway: Pod, said: list[dict[str, Any]], measured: MeasuredBy
) -> None:
    """A stream of eight seconds is cut at the timeout that bounds the whole of it."""
    url = f"http://{gateway.address}/v1/chat/completions"
    assert eventually(lambda: outsider.call(url, *HOST).status == 200)
    answer = outsider.call(url, *HOST, "--header", "x-do: tokens=40,first=0.2,interval=0.2")
    assert answer.cut
    assert worst(said[1])["answer"] == 3.0
    assert 2.9 < answer.seconds < 4.6  # Envoy closes an HTTP/1.1 client's connection up to a second later
    measured("timeouts: a stream through an HTTPRoute", f"cut after {len(answer.arrivals)} of 40 tokens, as told")


def test_a_websocket_stays_open(outsider: Pod, gateway: Pod, said: list[dict[str, Any]], measured: MeasuredBy) -> None:
    """Realtime gets no timeout: a WebSocket is open for longer than any timeout of the other rules."""
    assert said[2]["fields"]["timeouts.request"]["value"] == "0s"
    url = f"http://{gateway.address}/v1/realtime"
    opened = eventually(
        lambda: (
            (got := outsider.call(url, *HOST, "--websocket", "--messages", "5", "--interval", "1")).status == 101
            and got
        )
    )
    assert opened
    assert len(opened.arrivals) == 5
    measured("timeouts: a WebSocket through an HTTPRoute", f"open for {opened.seconds:.0f} s")
