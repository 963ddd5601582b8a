"""What docs/troubleshooting.md says stands in access logs, seen there."""

import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually
from dev.toolchain import ROOT
from tests.mesh.test_telemetry import LINE

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
# A Service whose pods do not listen, one without pods, one whose rule leads nowhere, and one that takes one at a time.
BROKEN = """\
apiVersion: v1
kind: Service
metadata: {name: symptom-deaf, namespace: ml-serving}
spec: {selector: {app: kserve-predictor}, ports: [{name: http, port: 8080, targetPort: 9999}]}
---
apiVersion: v1
kind: Service
metadata: {name: symptom-empty, namespace: ml-serving}
spec: {selector: {app: nobody}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: symptom-lost, namespace: ml-serving}
spec: {selector: {app: kserve-predictor}, ports: [{name: http, port: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: symptom-lost, namespace: ml-serving}
spec:
  hosts: [symptom-lost]
  http: [{route: [{destination: {host: symptom-nowhere}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: symptom-full, namespace: ml-serving}
spec: {selector: {app: kserve-predictor}, ports: [{name: http, port: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: symptom-full, namespace: ml-serving}
spec:
  host: symptom-full
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1, http2MaxRequests: 1}}}
"""
Ending = Callable[[Pod, str], set[str]]


@pytest.fixture(scope="module")
def broken(mesh: Mesh, frontend: Pod) -> Iterator[None]:
    """The Services, known to the caller's proxy."""
    mesh.cluster.kubectl("apply", "-f", "-", stdin=BROKEN)
    try:
        assert eventually(lambda: "symptom-full" in frontend.envoy("clusters"))
        time.sleep(2)
        yield
    finally:
        mesh.cluster.kubectl("delete", "--wait=false", "-f", "-", stdin=BROKEN)


def endings(pod: Pod, mark: str) -> set[str]:
    """`STATUS FLAGS DETAILS` of each request with `mark` in its path, as the access log of the pod's proxy has them."""
    lines = eventually(lambda: [line for line in pod.proxy_log() if mark in line], 15)
    found = [match for line in lines if (match := LINE.match(line))]
    return {f"{each['code']} {each['flags']} {each['details'].partition('{')[0]}" for each in found}


@pytest.mark.ends_connections
@pytest.mark.usefixtures("broken")
def test_a_service_that_cannot_answer(mesh: Mesh, frontend: Pod) -> None:
    """No pod, no such destination, too many at once; a pod that does not listen, or hangs up, by its own sidecar."""
    mark = uuid4().hex
    for name in ("empty", "lost", "deaf"):
        frontend.call(f"http://symptom-{name}.ml-serving:8080/{name}-{mark}")
    frontend.calls(f"http://symptom-full.ml-serving:8080/full-{mark}", 8, "--header", "x-do: delay=2", concurrency=8)
    frontend.call(f"http://llm-service.ml-serving:8080/v1/embeddings?hangs-{mark}", "--header", "x-do: reset=before")
    predictor, llm = (mesh.pod("ml-serving", app=app) for app in ("kserve-predictor", "llm-service"))
    told = {
        "no pod": endings(frontend, f"empty-{mark}"),
        "no such destination": endings(frontend, f"lost-{mark}"),
        "too many": endings(frontend, f"full-{mark}") - {"200 - via_upstream"},
        "does not listen, at its sidecar": endings(predictor, f"deaf-{mark}"),
        "hangs up, at its sidecar": endings(llm, f"hangs-{mark}"),
    }
    assert not [each for each in set().union(*told.values()) if f"`{each}`" not in PAGE], told
    assert all(told.values()), told


@pytest.mark.ends_connections
def test_a_request_that_is_refused(mesh: Mesh, frontend: Pod, stranger: Pod, outsider: Pod, gateway: Pod) -> None:
    """By the policy of the server, at its sidecar and at the caller's; and by a gateway that has no route for it."""
    mark = uuid4().hex
    stranger.call(f"http://inference-service.ml-serving:8080/v1/models/{mark}")
    outsider.call(f"http://{gateway.address}/nowhere-{mark}")
    servers = [mesh.pod("ml-serving", app="inference-service", version=version) for version in ("v1", "v2")]
    told = {
        "the server": set().union(*(endings(server, mark) for server in servers)),
        "the caller": endings(stranger, mark),
        "the gateway": endings(gateway, f"nowhere-{mark}"),
    }
    assert not [each for each in set().union(*told.values()) if f"`{each}`" not in PAGE], told
    assert all(told.values()), told


@pytest.mark.ends_connections
def test_a_request_that_takes_too_long(frontend: Pod) -> None:
    """A try that ran out, a stream that its timeout cuts, and tries that are used up."""
    mark = uuid4().hex
    url = "http://llm-service.ml-serving:8080/v1"
    frontend.call(f"{url}/embeddings?slow-{mark}", "--body", "{}", "--header", "x-do: delay=12")
    frontend.call(f"{url}/chat/completions?often-{mark}", "--body", "{}", "--header", "x-do: status=503")
    frontend.call(f"{url}/embeddings?cut-{mark}", "--body", "{}", "--header", "x-do: tokens=40,interval=1", timeout=60)
    told = {name: endings(frontend, f"{name}-{mark}") for name in ("slow", "often", "cut")}
    assert not [each for each in set().union(*told.values()) if f"`{each}`" not in PAGE], told
    assert all(told.values()), told
