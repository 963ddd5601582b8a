"""The chart's gRPC route: what a GRPCRoute cannot say, callers of the gateway and of the mesh have by other routes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, Response, eventually

MeasuredBy = Callable[[str, str], None]
Told = dict[str, dict[str, Any]]

PROGRAM = str(Path(sys.executable).parent / "mlmesh")
SERVICE = "feast.serving.ServingService"
METHOD = "GetOnlineFeatures"
DEADLINE_EXCEEDED, UNAVAILABLE = 4, 14  # the gRPC status of what Envoy gives up, too: the server's, and the caller's

at_gateway = pytest.mark.proves("httproutes", "features", part="/spec/rules/0/timeouts")
in_mesh = pytest.mark.proves("virtualservices", "feature-store-grpc", part="/spec/http/0/retries")


@pytest.fixture(scope="module")
def told(mesh: Mesh) -> Told:
    """What `mlmesh routes` says of the features' rule by way: the worst case by the gateway, and by a sidecar."""
    release = ("ml-mesh", "chart/", "--namespace", "ml-mesh", "--values", "values/demo.yaml")
    stream = mesh.helm.run("template", *release, "--skip-tests").stdout
    command = [PROGRAM, "routes", "-", "--format", "json"]
    done = subprocess.run(command, input=stream, capture_output=True, text=True, check=True)
    rules = {(rule["name"], rule["pointer"]): rule["worstCases"] for rule in json.loads(done.stdout)["routes"]}
    return {
        "gateway": next(case for case in rules["features", "/spec/rules/0"] if case["through"] == ["gateway"]),
        "sidecar": rules["feature-store-grpc", "/spec/http/0"][0],
    }


@pytest.fixture
def ask(gateway: Pod, outsider: Pod, frontend: Pod) -> Callable[..., Response]:
    """`ask(way, do, host=...)`: a gRPC call that the feature store answers so."""

    def send(way: str, do: str, host: str = "features.ml.example.com") -> Response:
        flags = ("--grpc", f"/{SERVICE}/{METHOD}", "--header", f"x-do: {do}")
        if way == "sidecar":
            return frontend.call("http://feature-store.ml-serving:6566", *flags)
        return outsider.call(f"http://{gateway.address}:8081", *flags, "--header", f"Host: {host}")

    return send


@pytest.fixture
def server(mesh: Mesh) -> Pod:
    """The feature store, which has seen nothing yet."""
    pod = mesh.pod("ml-serving", app="feature-store")
    pod.forget()
    return pod


@pytest.mark.parametrize("way", [pytest.param("gateway", marks=at_gateway), pytest.param("sidecar", marks=in_mesh)])
def test_a_slow_call_ends_when_routes_says(
    server: Pod, told: Told, ask: Callable[..., Response], measured: MeasuredBy, way: str
) -> None:
    """Features that take five seconds: an error by the moment that `mlmesh routes` names, after at most as many tries.

    Envoy tells the server how long it has (grpc-timeout), and the server's own sidecar gives up at the same moment.
    Whose answer comes first is luck: the server's is no 504, which retryOn would repeat.
    """
    answer = ask(way, "delay=5")
    assert answer.grpc_status in (DEADLINE_EXCEEDED, UNAVAILABLE)
    assert told[way]["unanswered"] == 2
    assert (0.95 if way == "sidecar" else 1.95) < answer.seconds < 2.5
    most = told[way]["tries"]
    assert 1 <= len(server.requests()) <= most
    measured(f"gRPC, {way}: features that take 5 s", f"an error after at most 2 s, and at most {most} tries")


def test_what_no_http_route_can_switch_off_is_told(
    server: Pod, told: Told, ask: Callable[..., Response], measured: MeasuredBy
) -> None:
    """Istio's own retries repeat a call that a server answers with UNAVAILABLE; the block of mesh callers does not."""
    assert ask("gateway", "grpc=14").grpc_status == UNAVAILABLE
    assert len(server.requests()) == told["gateway"]["runs"] == 3
    server.forget()
    assert ask("sidecar", "grpc=14").grpc_status == UNAVAILABLE
    assert len(server.requests()) == 1
    measured("gRPC, gateway: a server that answers UNAVAILABLE", "asked 3 times, as told; by a sidecar once")


def route(kind: str, match: str) -> str:
    """A route of the gateway's gRPC listener to the feature store; an HTTPRoute ends a call after 300 ms."""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: {kind}
metadata: {{name: both-{kind.lower()}, namespace: ml-serving}}
spec:
  parentRefs: [{{name: ml-gateway, sectionName: grpc}}]
  hostnames: [both.ml.example.com]
  rules:
    - matches: [{match}]
      {"timeouts: {request: 300ms}" if kind == "HTTPRoute" else ""}
      backendRefs: [{{name: feature-store, port: 6566}}]
"""


PREFIX = f"{{path: {{type: PathPrefix, value: /{SERVICE}}}}}"
EXACT = f"{{path: {{type: Exact, value: /{SERVICE}/{METHOD}}}}}"
WHOLE = f"{{method: {{service: {SERVICE}}}}}"
ONE = f"{{method: {{service: {SERVICE}, method: {METHOD}}}}}"


@pytest.mark.parametrize(
    ("matches", "winner"),
    [
        pytest.param((PREFIX, WHOLE), "GRPCRoute", id="a service in both"),
        pytest.param((EXACT, WHOLE), "HTTPRoute", id="a method in the HTTPRoute alone"),
        pytest.param((EXACT, ONE), "the older", id="a method in both"),
    ],
)
@pytest.mark.parametrize("first", ["HTTPRoute", "GRPCRoute"])
def test_an_http_route_beside_a_grpc_route(
    mesh: Mesh, ask: Callable[..., Response], matches: tuple[str, str], winner: str, first: str
) -> None:
    """Both are accepted for one host, and the GRPCRoute may win, which has no timeout: so one must go for the other."""
    routes = {kind: route(kind, match) for kind, match in zip(("HTTPRoute", "GRPCRoute"), matches, strict=True)}

    def name(kind: str) -> tuple[str, ...]:
        return kind, f"both-{kind.lower()}", "--namespace", "ml-serving"

    def winning() -> str:
        return "GRPCRoute" if ask("gateway", "delay=0.8", "both.ml.example.com").grpc_status == 0 else "HTTPRoute"

    def accepted(kind: str) -> bool:
        found = json.loads(mesh.cluster.kubectl("get", *name(kind), "--output", "json"))
        conditions = [each for parent in found["status"].get("parents", ()) for each in parent["conditions"]]
        return [each["status"] for each in conditions if each["type"] == "Accepted"] == ["True"]

    try:
        mesh.apply(routes[first])
        assert eventually(lambda: ask("gateway", "", "both.ml.example.com").grpc_status == 0)
        assert winning() == first
        time.sleep(1.1)  # ages are told in seconds
        mesh.apply("---".join(routes.values()))
        assert all(eventually(partial(accepted, kind)) for kind in routes)
        wins = first if winner == "the older" else winner
        assert eventually(lambda: winning() == wins, 5)
        assert winning() == wins
    finally:
        for kind in routes:
            mesh.cluster.kubectl("delete", *name(kind), "--ignore-not-found")
