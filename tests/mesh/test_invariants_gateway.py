"""The starred rules about gateways, their listeners and their routes, by a client outside of the mesh."""

import json

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod
from tests.mesh.starred import Case, told

TOPIC = "gateway"
METHOD = ("--grpc", "/feast.serving.ServingService/GetOnlineFeatures")


def to(host: str) -> tuple[str, str]:
    """The flag that asks for a host."""
    return "--header", f"Host: {host}"


@pytest.fixture
def address(mesh: Mesh) -> str:
    """The gateway `gw`, which stays."""
    return "http://" + mesh.pod("rules-gateway", **{"gateway.networking.k8s.io/gateway-name": "gw"}).address


def conditions(mesh: Mesh, name: str, namespace: str) -> dict[str, str]:
    """The reasons that istiod gives of an HTTPRoute, by condition."""
    found = json.loads(mesh.cluster.kubectl("get", "httproute", name, "-n", namespace, "-o", "json"))
    parents = found.get("status", {}).get("parents", [])
    return {each["type"]: each["reason"] for parent in parents for each in parent["conditions"]}


@pytest.mark.starred("MLM206")
def test_backend_request_without_retry_cuts_the_whole_request(case: Case, outsider: Pod, address: str) -> None:
    """An answer of 2 s, where `request` is 6s: bad, `backendRequest: 1s` ends it with 504 after 1 s. Good: 200."""

    def look() -> str:
        answer = outsider.call(address, *to("slow.ml.example.com"), "--header", "x-do: delay=2")
        return f"{answer.status} after {answer.seconds:.0f} s"

    case.shows(look, bad="504 after 1 s", good="200 after 2 s")


@pytest.mark.starred("MLM308")
def test_grpc_to_a_port_of_http_1_fails(case: Case, mesh: Mesh, outsider: Pod, address: str) -> None:
    """Ten calls by a GRPCRoute: bad, the Service's port is named http, and all fail; good, it is named grpc."""

    def look() -> str:
        calls = [outsider.call(address, *METHOD, *to("features.ml.example.com")) for _ in range(10)]
        return f"gRPC status 0 for {sum(call.grpc_status == 0 for call in calls)} of 10"

    case.shows(look, bad="gRPC status 0 for 0 of 10", good="gRPC status 0 for 10 of 10")


@pytest.mark.starred("MLM402")
def test_a_policy_that_leaves_the_gateway_out_refuses_its_routes(case: Case, outsider: Pod, address: str) -> None:
    """A route to pods whose policy names frontend-sa: bad, 403. Good, it names the gateway's identity too: 200."""
    host = to("guarded.ml.example.com")
    case.shows(lambda: told(outsider, address, *host), bad="5 of 5: 403", good="5 of 5: 200")


@pytest.mark.starred("MLM405")
def test_a_route_for_every_path_hands_admin_paths_on(case: Case, outsider: Pod, address: str) -> None:
    """POST /flush_cache to SGLang: bad, by a route for `/`, it arrives. Good, by one for chat: 404, and chat works."""

    def look() -> str:
        flags = (*to("sglang.ml.example.com"), "--body", "{}")
        asked = (("POST /flush_cache", "/flush_cache"), ("chat", "/v1/chat/completions"))
        return "; ".join(f"{name} {told(outsider, address + path, *flags)}" for name, path in asked)

    case.shows(
        look,
        bad="POST /flush_cache 5 of 5: 200; chat 5 of 5: 200",
        good="POST /flush_cache 5 of 5: 404; chat 5 of 5: 200",
    )


@pytest.mark.starred("MLM701")
def test_a_listener_of_an_unknown_protocol_is_left_out(case: Case, mesh: Mesh, outsider: Pod) -> None:
    """gRPC at a listener: bad, `protocol: GRPC`, nothing listens, and the other listener does. Good, HTTP: answered."""

    def look() -> str:
        pods = mesh.pods("rules-gateway", **{"gateway.networking.k8s.io/gateway-name": "odd"})
        at = f"http://{pods[0].address}" if pods else ""
        grpc = outsider.call(f"{at}:8081", *METHOD, *to("odd.ml.example.com"), timeout=3)
        other = outsider.call(f"{at}:80", *METHOD, *to("odd.ml.example.com"), timeout=3)
        words = {0: "answered", -1: "no connection" if "refused" in grpc.error else grpc.error}
        return f"gRPC at 8081: {words.get(grpc.grpc_status)}, at 80: {words.get(other.grpc_status)}"

    case.shows(look, bad="gRPC at 8081: no connection, at 80: answered", good="gRPC at 8081: answered, at 80: answered")


@pytest.mark.starred("MLM702")
def test_a_route_that_no_listener_takes_is_not_there(case: Case, mesh: Mesh, outsider: Pod, address: str) -> None:
    """A route of another namespace: bad, by a listener for its own one, 404; good, by one that takes it, 200."""

    def look() -> str:
        got = told(outsider, address, *to("attached.team.example.com"))
        return f"{got}, {conditions(mesh, 'attached', 'rules-team').get('Accepted')}"

    case.shows(look, bad="5 of 5: 404, NotAllowedByListeners", good="5 of 5: 200, Accepted")


@pytest.mark.starred("MLM704")
def test_a_backend_elsewhere_needs_a_grant(case: Case, mesh: Mesh, outsider: Pod, address: str) -> None:
    """A route to a Service of another namespace: bad, 500; good, with a ReferenceGrant there, 200."""

    def look() -> str:
        got = told(outsider, address, *to("granted.ml.example.com"))
        return f"{got}, {conditions(mesh, 'granted', 'rules-gateway').get('ResolvedRefs')}"

    case.shows(look, bad="5 of 5: 500, RefNotPermitted", good="5 of 5: 200, ResolvedRefs")
