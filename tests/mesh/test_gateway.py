"""Section 3 of the reference design: the gateway, its listeners and its route; and an inference pool behind it."""

import json
from collections.abc import Callable

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually

MeasuredBy = Callable[[str, str], None]

HOST = ("--header", "Host: inference.ml.example.com")


@pytest.mark.proves("gateways.gateway.networking.k8s.io", "ml-gateway", part="/spec/listeners/1")
def test_the_gateway_is_programmed_with_both_listeners(mesh: Mesh, measured: MeasuredBy) -> None:
    """istiod accepts the Gateway and each of its listeners, and gives it an address."""

    def programmed() -> bool:
        status = json.loads(mesh.cluster.kubectl("get", GATEWAY, "ml-gateway", "-n", "ml-serving", "-o", "json"))[
            "status"
        ]
        every = [*status["conditions"], *(each for one in status["listeners"] for each in one["conditions"])]
        good = {(each["type"], each["status"]) for each in every}
        names = {each["name"]: each["attachedRoutes"] for each in status["listeners"]}
        wanted = {("Accepted", "True"), ("Programmed", "True"), ("ResolvedRefs", "True")}
        return wanted <= good and names == {"http": 1, "grpc": 2} and bool(status["addresses"])

    assert eventually(programmed)
    measured("§3 ml-gateway", "Programmed; listeners http and grpc accepted, routes attached to each")


GATEWAY = "gateways.gateway.networking.k8s.io"


@pytest.mark.proves("httproutes", "inference-route")
def test_the_route_leads_to_the_predictor_and_nowhere_else(
    mesh: Mesh, outsider: Pod, gateway: Pod, measured: MeasuredBy
) -> None:
    """`/v1/models` of inference.ml.example.com is answered by kserve-predictor; another path or host is 404."""
    url = f"http://{gateway.address}"
    answer = eventually(lambda: (got := outsider.call(f"{url}/v1/models/m", *HOST)).status == 200 and got)
    assert answer, "not answered with 200"
    assert answer.json["name"].startswith("kserve-predictor-")
    assert outsider.call(f"{url}/v1/modelsx", *HOST).status == 404
    assert outsider.call(f"{url}/other", *HOST).status == 404
    assert outsider.call(f"{url}/v1/models/m", "--header", "Host: elsewhere.example.com").status == 404
    measured("§3 inference-route", "200 from kserve-predictor; another path 404, another host 404")


@pytest.mark.proves("httproutes", "inference-route")
def test_the_route_of_the_gateway_has_no_timeout(outsider: Pod, gateway: Pod, measured: MeasuredBy) -> None:
    """An answer of 20 seconds passes: the route names no timeout, and Envoy's default of 15 s does not apply."""
    answer = outsider.call(f"http://{gateway.address}/v1/models/m", *HOST, "--header", "x-do: delay=20", timeout=40)
    assert answer.status == 200
    measured("§3 inference-route: no timeout", f"200 after {answer.seconds:.0f} s")


@pytest.mark.proves("httproutes", "features")
def test_grpc_passes_the_gateway(outsider: Pod, gateway: Pod, measured: MeasuredBy) -> None:
    """A gRPC call to the second listener is answered by the feature store: unary, and a stream message by message."""
    url = f"http://{gateway.address}:8081"
    host = ("--header", "Host: features.ml.example.com")
    method = ("--grpc", "/feast.serving.ServingService/GetOnlineFeatures")
    unary = eventually(lambda: (got := outsider.call(url, *method, *host)).grpc_status == 0 and got)
    assert unary, "no answer with gRPC status 0"
    assert unary.headers["x-app-name"].startswith("feature-store-")
    stream = outsider.call(url, *method, *host, "--messages", "5", "--interval", "0.3")
    gaps = [later - earlier for earlier, later in zip(stream.arrivals, stream.arrivals[1:], strict=False)]
    assert len(stream.arrivals) == 5
    assert min(gaps) > 0.15, gaps
    measured(
        "§3 gRPC through the gateway", f"status 0 from the feature store; 5 messages {min(gaps):.2f} s apart or more"
    )


def test_a_listener_of_protocol_grpc_is_left_out(mesh: Mesh, measured: MeasuredBy) -> None:
    """The design's `protocol: GRPC` does not exist in Gateway API: istiod does not accept the listener."""
    mesh.apply(GRPC_LISTENER)
    try:

        def conditions() -> list[dict[str, str]]:
            found = json.loads(mesh.cluster.kubectl("get", GATEWAY, "as-written", "-n", "outside", "-o", "json"))
            listeners = found.get("status", {}).get("listeners") or [{}]
            return listeners[0].get("conditions") or []

        refused = eventually(lambda: [each for each in conditions() if each["reason"] == "UnsupportedProtocol"])
        assert [each["status"] for each in refused] == ["False"]
        measured("§3 as written: a listener of protocol GRPC", "Accepted=False, UnsupportedProtocol")
    finally:
        mesh.cluster.kubectl("delete", GATEWAY, "as-written", "-n", "outside")
        mesh.wait_for_pods()


GRPC_LISTENER = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: as-written, namespace: outside}
spec:
  gatewayClassName: istio
  listeners: [{name: grpc, port: 8081, protocol: GRPC}]
"""
