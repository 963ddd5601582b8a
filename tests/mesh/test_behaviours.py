"""What a server can do to a request, by sidecar and by gateway: what `mlmesh routes` says is what happens.

The server has no sidecar, so that the Envoy in front of it sees what it does. Its requests are counted.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, Response, eventually

MeasuredBy = Callable[[str, str], None]

BIN = Path(sys.executable).parent
HOST = ("--header", "Host: behaves.ml.example.com")
# The defaults are minutes; the tests have seconds.
POLICY = """
apiVersion: mlmesh.dev/v1alpha1
kind: MeshPolicy
metadata: {name: seconds}
spec:
  endpoints:
    types:
      chat: {timeout: 5s, attempts: 2, perTryTimeout: 1500ms, retryOn: "connect-failure,refused-stream,503"}
      tokenize: {timeout: 5s, attempts: 2, perTryTimeout: 1500ms, retryOn: "connect-failure,refused-stream,503"}
"""
SERVER = """
apiVersion: v1
kind: Namespace
metadata: {name: behaves}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: behaves, labels: {app: server}}
spec:
  containers: [{name: server, image: server, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: behaves}
spec:
  selector: {app: server}
  ports:
    - {name: http, port: 8080}
    - {name: http-closed, port: 9090}
"""
ROUTES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: behaves}
spec:
  hosts: [server]
  http:
    - match: [{uri: {prefix: /closed/v1/chat/completions}}]
      route: [{destination: {host: server, port: {number: 9090}}}]
    - match: [{uri: {prefix: /v1/chat/completions}}]
      route: [{destination: {host: server, port: {number: 8080}}}]
    - match: [{uri: {prefix: /v1/realtime}}]
      route: [{destination: {host: server, port: {number: 8080}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: server, namespace: behaves}
spec:
  parentRefs: [{name: behaves}]
  hostnames: [behaves.ml.example.com]
  rules:
    - matches: [{path: {type: PathPrefix, value: /closed/v1/chat/completions}}]
      backendRefs: [{name: server, port: 9090}]
    - matches: [{path: {type: PathPrefix, value: /v1/chat/completions}}]
      backendRefs: [{name: server, port: 8080}]
    - matches: [{path: {type: PathPrefix, value: /v1/realtime}}]
      backendRefs: [{name: server, port: 8080}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: behaves, namespace: behaves}
spec:
  gatewayClassName: istio
  listeners: [{name: http, port: 80, protocol: HTTP}]
"""
CHAT, CLOSED, REALTIME = 1, 0, 2  # the rules of both routes, by their place


class Case(NamedTuple):
    """What the server does, and what a client of each way must see: status, requests at the server, seconds."""

    name: str
    do: str
    sidecar: tuple[int, int, float, float]
    gateway: tuple[int, int, float, float]
    path: str = "/v1/chat/completions"
    flags: tuple[str, ...] = ("--body", "{}")


CASES = (
    Case("slow first token", "tokens=3,first=4,interval=0.1", (200, 1, 4.0, 4.9), (200, 1, 4.0, 4.9)),
    Case("slow stream", "tokens=60,first=0.2,interval=0.2", (200, 1, 4.9, 6.6), (200, 1, 4.9, 6.6)),
    Case("slow answer", "delay=8", (504, 1, 1.4, 2.2), (504, 1, 4.9, 5.6)),
    Case("503", "status=503", (503, 3, 0, 1.4), (503, 1, 0, 0.9)),
    Case("reset after some work", "reset=before,delay=0.3", (503, 1, 0.2, 1.2), (503, 1, 0.2, 1.2)),
    Case("reset before any work", "reset=before", (503, 1, 0, 0.9), (503, 1, 0, 0.9)),
    Case("connect failure", "", (503, 0, 0, 1.4), (503, 0, 0, 1.4), path="/closed/v1/chat/completions"),
    Case("body over 1 MiB", "status=503", (503, 1, 0, 1.4), (503, 1, 0, 1.4), flags=("--body-bytes", "1100000")),
    Case("SSE", "tokens=10,first=0.1,interval=0.2", (200, 1, 1.8, 2.9), (200, 1, 1.8, 2.9)),
)
WAYS = ("sidecar", "gateway")


def run(program: str, policy: Path, *arguments: str) -> str:
    """What a program of ours makes of the routes."""
    command = [str(BIN / program), *arguments, "--policy", str(policy)]
    return subprocess.run(command, input=f"{SERVER}---{ROUTES}", capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def said(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """The routes in force as the post-renderer leaves them, and what `mlmesh routes` says of each rule, by way."""
    policy = tmp_path_factory.mktemp("policy") / "policy.yaml"
    policy.write_text(POLICY)
    mesh.apply(run("mlmesh-post", policy))
    mesh.wait_for_pods()
    told: list[dict[str, Any]] = json.loads(run("mlmesh", policy, "routes", "-", "--format", "json"))["routes"]
    kinds = {"sidecar": "VirtualService", "gateway": "HTTPRoute"}
    yield {way: [rule for rule in told if rule["kind"] == kind] for way, kind in kinds.items()}
    mesh.cluster.kubectl("delete", "namespace", "behaves", "--wait=false")


@pytest.fixture(scope="module")
def ask(mesh: Mesh, said: object, frontend: Pod, outsider: Pod) -> Callable[..., Response]:
    """`ask(way, path, *flags)`: a request on one of the ways, once both routes are in force."""
    labels = {"gateway.networking.k8s.io/gateway-name": "behaves"}
    callers = {
        "sidecar": (frontend, "http://server.behaves:8080", ()),
        "gateway": (outsider, f"http://{mesh.pod('behaves', **labels).address}", HOST),
    }

    def send(way: str, path: str, *flags: str) -> Response:
        caller, base, host = callers[way]
        return caller.call(f"{base}{path}", *host, *flags, timeout=15)

    for way in WAYS:
        assert eventually(lambda way=way: send(way, "/v1/chat/completions").status == 200)  # type: ignore[misc]
        assert eventually(lambda way=way: send(way, "/closed/v1/chat/completions").status == 503)  # type: ignore[misc]
    return send


def worst(said: dict[str, list[dict[str, Any]]], way: str, rule: int) -> dict[str, Any]:
    """The worst case of a client on one of the ways."""
    found: dict[str, Any] = next(case for case in said[way][rule]["worstCases"] if case["through"] == [way])
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
@pytest.mark.proves("services", "server", "behaves")
def test_a_request_ends_as_routes_says(
    mesh: Mesh, said: dict[str, list[dict[str, Any]]], ask: Callable[..., Response], case: Case, way: str
) -> None:
    """Status, time and requests at the server are what they must be, and no worse than `mlmesh routes` says."""
    server = mesh.pod("behaves", app="server")
    server.forget()
    server.behave(case.do)
    answer = ask(way, case.path, *case.flags)
    status, requests, low, high = getattr(case, way)
    assert answer.status == status
    assert low <= answer.seconds <= high
    assert eventually(lambda: len(server.requests()) >= requests, 8)
    time.sleep(0.1)
    assert len(server.requests()) == requests
    bound = worst(said, way, CLOSED if case.path.startswith("/closed") else CHAT)
    closing = 1.1 if answer.cut else 0.1  # Envoy closes an HTTP/1.1 client's connection up to a second after a cut
    if case.flags[0] == "--body":
        assert answer.seconds <= bound["answer"] + closing
        assert requests <= bound["runs"]


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_arrives_as_it_is_sent(mesh: Mesh, ask: Callable[..., Response], way: str) -> None:
    """Server-sent events come one by one on both ways."""
    mesh.pod("behaves", app="server").forget()
    answer = ask(way, "/v1/chat/completions", "--header", "x-do: tokens=10,first=0.1,interval=0.2")
    gaps = [later - earlier for earlier, later in zip(answer.arrivals, answer.arrivals[1:], strict=False)]
    assert len(answer.arrivals) == 11
    assert sorted(gaps)[len(gaps) // 2] > 0.1


@pytest.mark.parametrize("way", WAYS)
def test_a_websocket_outlasts_every_timeout(
    said: dict[str, list[dict[str, Any]]], ask: Callable[..., Response], measured: MeasuredBy, way: str
) -> None:
    """Realtime has no timeout on either way; eight seconds of messages are more than any other rule allows."""
    assert worst(said, way, REALTIME)["answer"] is None
    answer = ask(way, "/v1/realtime", "--websocket", "--messages", "8", "--interval", "1")
    assert (answer.status, len(answer.arrivals)) == (101, 8)
    measured(f"timeouts: nine behaviours of a server, by {way}", "status, seconds and tries as `mlmesh routes` says")
