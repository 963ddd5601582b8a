"""What is derived into routes, and what findings say to put in their place, is taken by an API server."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.plugin.test_bad_input import GATEWAY, ISTIO, ours
from tests.plugin.test_endpoints_write import INFER, STREAM, grpc, http_route, messages, path
from tests.support.clusters import TestCluster
from tests.support.streams import policy, rendered, route

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


def test_a_derived_retry_budget_is_taken_and_so_is_the_rule_to_add(cluster: TestCluster) -> None:
    """Beside what the rule has, in one that has nothing, and as the manifest that the finding carries."""
    asked = policy(endpoints={"retryBudget": {"percent": 12.5, "minRetryConcurrency": 5}})
    (said,) = messages(route(), "MLM218", asked)
    manifest = said.partition("add: ")[2]
    assert refusal(cluster, manifest) == ""
    for traffic in (None, {"outlierDetection": {"consecutive5xxErrors": 5}}):
        item = json.loads(manifest)
        item["spec"] = {"host": "llm", **({"trafficPolicy": traffic} if traffic else {})}
        derived = b"".join(rendered(f"{json.dumps(item)}\n---\n{route()}", asked).output).decode().partition("---")[0]
        assert "minRetryConcurrency" in derived
        assert refusal(cluster, derived) == ""
        assert "spec.trafficPolicy.retryBudget.percent" in refusal(cluster, derived.replace("12.5", "112.5"))


def test_the_api_server_refuses_what_is_told_to_be_refused_and_nothing_else(cluster: TestCluster) -> None:
    """Every duration of MLM219, in a VirtualService and in an HTTPRoute; istiod's webhook is not here."""
    for fields, said in ISTIO:
        if not said.startswith("MLM205"):
            assert bool(refusal(cluster, ours(**fields))) == bool(said), fields
    for timeouts, said in GATEWAY:
        text = http_route({**path("/v1/embeddings"), "timeouts": timeouts})
        assert bool(refusal(cluster, text)) == bool(said), timeouts


@pytest.fixture
def experimental(cluster: TestCluster, tool: Callable[[str], str]) -> Iterator[TestCluster]:
    """The cluster with HTTPRoutes of Gateway API's experimental channel, for a while."""

    def apply(folder: str) -> None:
        place = str(Path(tool(folder)) / "gateway-api")
        done = cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", place)
        assert done.returncode == 0, done.stderr

    # Gateway API's own guard against what this test does.
    guard = "validatingadmissionpolicybinding/safe-upgrades.gateway.networking.k8s.io"
    assert cluster.kubectl("delete", guard).returncode == 0
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            apply("crds-experimental")
            break
        except AssertionError:
            time.sleep(0.5)
    yield cluster
    apply("crds")


def test_derived_retries_are_taken_by_the_experimental_channel(experimental: TestCluster) -> None:
    """`retry` with attempts and codes, of types whose blocks have them."""
    codes = {"attempts": 2, "retryOn": "connect-failure,503,429"}
    settings = policy(
        mesh={"gatewayApiChannel": "experimental"},
        endpoints={"types": {"chat": codes, "embeddings": {"retryOn": "5xx"}}},
    )
    text = http_route(*(path(one) for one in PATHS))
    derived = b"".join(rendered(text, settings).output).decode()
    found = [rule.get("retry") for rule in yaml.safe_load(derived)["spec"]["rules"]]
    assert found[0] == {"attempts": 2, "codes": [429, 503]}
    assert found[1] == {"attempts": 3, "codes": [500, 502, 503, 504]}
    assert found[2] is None
    deadline = time.monotonic() + 20
    while refusal(experimental, derived) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert refusal(experimental, derived) == ""


def test_the_standard_channel_refuses_retries(cluster: TestCluster) -> None:
    """So nothing of it is derived where the policy does not speak of the experimental one."""
    text = http_route(path("/v1/chat/completions"))
    assert "retry" not in b"".join(rendered(text).output).decode()
    derived = b"".join(rendered(text, policy(mesh={"gatewayApiChannel": "experimental"})).output).decode()
    assert "retry:" in derived
    deadline = time.monotonic() + 20
    while not refusal(cluster, derived) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert 'unknown field "spec.rules[0].retry"' in refusal(cluster, derived)
