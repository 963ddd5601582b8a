"""What is derived into routes, and what findings say to put in their place, is taken by an API server."""

import yaml

from tests.plugin.test_endpoints_write import INFER, STREAM, grpc, http_route, messages, path
from tests.support.clusters import TestCluster
from tests.support.streams import rendered

PATHS = ("/v1/chat/completions", "/v1/embeddings", "/v1/realtime", "/v1/responses", "/v1/files")


def refusal(cluster: TestCluster, text: str) -> str:
    """What a server-side dry run says against a manifest, put into a namespace that is always there."""
    item = yaml.safe_load(text)
    item["metadata"]["namespace"] = "default"
    done = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(item))
    assert bool(done.returncode) == bool(done.stderr)
    return done.stderr


def test_derived_http_routes_are_taken(cluster: TestCluster) -> None:
    """Durations, and timeouts of 0s, in Gateway API's own format, which has no fractions."""
    text = http_route(*(path(one) for one in PATHS))
    derived = b"".join(rendered(text).output).decode()
    assert derived.count("timeouts:") == len(PATHS)
    assert refusal(cluster, derived) == ""
    assert "timeouts.request" in refusal(cluster, derived.replace("120s", "1.5s"))


def test_what_goes_in_a_grpc_routes_place_is_taken(cluster: TestCluster) -> None:
    """An HTTPRoute at a gateway, a VirtualService for sidecars, as the finding has them."""
    for parent in ("Gateway", "Service"):
        (said,) = messages(http_route(grpc(STREAM), grpc(INFER), kind="GRPCRoute", parent=parent), "MLM204")
        assert refusal(cluster, said.partition("in its place: ")[2]) == ""
