"""gRPC by its path: an HTTPRoute or VirtualService of gRPC requests is treated as what it carries."""

import json
from typing import Any

import pytest
import yaml

from tests.plugin.test_endpoints_write import http_route, path
from tests.support.streams import documents, rendered, run

INFER = "/inference.GRPCInferenceService/ModelInfer"


def worst(stream: str) -> dict[str, Any]:
    """The first worst case that `mlmesh routes` tells of the first rule."""
    done = run("routes", "--format", "json", stdin=stream, command="mlmesh")
    found: dict[str, Any] = json.loads(done.stdout)["routes"][0]["worstCases"][0]
    return found


def virtual_service(**match: Any) -> str:
    """A VirtualService of gRPC requests without a block of its own."""
    rule = {"match": [match], "route": [{"destination": {"host": "llm"}}]}
    spec = {"hosts": ["llm"], "http": [rule]}
    metadata = {"name": "llm", "namespace": "ml"}
    return yaml.safe_dump(
        {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec}
    )


def test_istios_own_retries_repeat_a_grpc_request_of_an_http_route() -> None:
    """UNAVAILABLE is among Istio's own conditions: one request is three. gRPC's own clients try once."""
    case = worst(http_route(path(INFER)))
    assert (case["runs"], case["clientTries"]) == (3, 1)
    case = worst(http_route(path("/v2/models/m/infer")))
    assert (case["runs"], case["clientTries"]) == (1, 3)


def test_a_virtual_service_of_grpc_requests_has_their_conditions() -> None:
    """`unavailable` joins the type's retryOn where the path is a gRPC method's."""
    for match, there in (({"exact": INFER}, True), ({"prefix": "/v2/models/m/infer"}, False)):
        (item,) = documents(rendered(virtual_service(uri=match)))
        words = item["spec"]["http"][0]["retries"]["retryOn"].split(",")
        assert ("unavailable" in words) == there


@pytest.mark.parametrize("other", ["/v1.0/models", "/index.html", "/a..B/C", "/Models", "/v1/chat.Completions"])
def test_a_dot_alone_makes_no_grpc(other: str) -> None:
    """A version, a file and a method of a job are paths like any other."""
    assert worst(http_route(path(other)))["clientTries"] == 3
