"""Retry budgets: asked for by the policy, they stand in the rules of the hosts whose routes retry."""

import json
from typing import Any

import pytest
import yaml

from tests.plugin.test_endpoints_write import STREAM, grpc, http_route, path
from tests.support.streams import codes, documents, policy, rendered, route

BUDGET = {"percent": 20, "minRetryConcurrency": 3}
ASKED = policy(endpoints={"retryBudget": BUDGET})


def rule(host: str, **spec: Any) -> dict[str, Any]:
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule"}
    traffic = {"outlierDetection": {"consecutive5xxErrors": 5}}
    return {
        **kind,
        "metadata": {"name": "dr", "namespace": "ml"},
        "spec": {"host": host, "trafficPolicy": traffic, **spec},
    }


def after(item: dict[str, Any], *policies: str, to: str = "/v1/chat/completions") -> dict[str, Any]:
    """The rule as it leaves, beside a route to `llm`, which stands behind it in the stream."""
    found = documents(rendered(f"{yaml.safe_dump(item)}---\n{route(to)}", *policies))
    return next(each for each in found if each["kind"] == "DestinationRule")


def policy_of(item: dict[str, Any], *policies: str) -> dict[str, Any]:
    found: dict[str, Any] = after(item, *policies)["spec"]["trafficPolicy"]
    return found


def test_a_host_whose_route_retries_gets_the_budget() -> None:
    """In the host's policy alone, from which subsets have it; a second run changes nothing."""
    subsets = [
        {"name": "a", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}},
        {"name": "b", "labels": {"v": "b"}},
    ]
    found = after(rule("llm", subsets=subsets), ASKED)
    assert found["spec"]["trafficPolicy"] == {"outlierDetection": {"consecutive5xxErrors": 5}, "retryBudget": BUDGET}
    assert found["spec"]["subsets"] == subsets
    assert after(found, ASKED) == found


def test_a_rule_without_a_policy_gets_one_and_loses_it_whole() -> None:
    """istiod refuses a trafficPolicy without any field, so none is left behind."""
    bare = rule("llm", subsets=[{"name": "b", "labels": {"v": "b"}}])
    del bare["spec"]["trafficPolicy"]
    once = after(bare, ASKED)
    assert once["spec"]["trafficPolicy"] == {"retryBudget": BUDGET}
    assert "trafficPolicy" not in after(once)["spec"]


@pytest.mark.parametrize("policy", [["x"], "x", 7, [{"retryBudget": {}}]])
def test_a_traffic_policy_that_is_no_map_is_left_to_the_api_server(policy: Any) -> None:
    """It passes as it came: no budget has a place in it."""
    assert policy_of(rule("llm", trafficPolicy=policy), ASKED) == policy


@pytest.mark.parametrize("host", ["llm", "llm.ml.svc.cluster.local", "*.ml.svc.cluster.local", "*.svc.cluster.local"])
def test_the_rule_that_istio_takes_for_the_host_gets_it(host: str) -> None:
    """By its short or full name, or as the longest wildcard that covers it."""
    assert policy_of(rule(host), ASKED)["retryBudget"] == BUDGET


def test_a_wildcard_is_left_alone_where_the_host_has_a_rule_of_its_own() -> None:
    """Istio takes the most specific one."""
    wild = rule("*.ml.svc.cluster.local")
    wild["metadata"]["name"] = "wild"
    stream = "---\n".join((yaml.safe_dump(wild), yaml.safe_dump(rule("llm")), route()))
    first, second, _ = documents(rendered(stream, ASKED))
    assert "retryBudget" not in first["spec"]["trafficPolicy"]
    assert second["spec"]["trafficPolicy"]["retryBudget"] == BUDGET


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_istios_own_retries_count(kind: str) -> None:
    """A route that cannot say retries has Istio's two, on every proxy that follows it."""
    one = grpc(STREAM) if kind == "GRPCRoute" else path("/v1/embeddings")
    (found, *_) = documents(rendered(f"{yaml.safe_dump(rule('llm'))}---\n{http_route(one, kind=kind)}", ASKED))
    assert found["spec"]["trafficPolicy"]["retryBudget"] == BUDGET


def maximum(place: str) -> dict[str, Any]:
    """A rule whose user limits retries by number: for the host, a port, or a subset."""
    pool = {"connectionPool": {"http": {"maxRetries": 3}}}
    port = {"portLevelSettings": [{"port": {"number": 80}, **pool}]}
    if place == "subset":
        return rule("llm", subsets=[{"name": "a", "trafficPolicy": pool}])
    return rule("llm", trafficPolicy=pool if place == "host" else port)


@pytest.mark.parametrize("place", ["host", "port", "subset"])
def test_a_users_limit_by_number_stays_the_limit(place: str) -> None:
    """A budget would take maxRetries' place."""
    item = maximum(place)
    assert after(item, ASKED) == item
    assert told(item) == []


def told(*items: dict[str, Any], policies: tuple[str, ...] = (ASKED,)) -> list[str]:
    """What MLM218 says, with the remedy, of these objects beside the route."""
    stream = "---\n".join((*map(yaml.safe_dump, items), route()))
    found = rendered(stream, *policies, namespace="ml").findings
    return [f"{each.message} | {each.remedy}" for each in found if each.code == "MLM218"]


def test_a_host_without_a_rule_is_told_with_the_one_to_add() -> None:
    """What is asked for is written nowhere: the finding carries the manifest, and with it there is none."""
    (message,) = told()
    assert "requests to llm.ml.svc.cluster.local" in message
    added = json.loads(message.partition("add: ")[2])
    assert told(added) == []
    assert policy_of(added, ASKED)["retryBudget"] == BUDGET
    assert told(policies=()) == []
    assert told(rule("other")) == [message]


def test_a_port_with_settings_of_its_own_is_told() -> None:
    """Istio takes them in place of the host's, and they have no field for a budget."""
    ports = {"portLevelSettings": [{"port": {"number": 80}, "loadBalancer": {"simple": "RANDOM"}}]}
    to_port = yaml.safe_load(route())
    for port, expected in ((80, True), (81, False)):
        to_port["spec"]["http"][0]["route"][0]["destination"]["port"] = {"number": port}
        stream = "---\n".join(map(yaml.safe_dump, (rule("llm", trafficPolicy=ports), to_port)))
        result = rendered(stream, ASKED)
        assert documents(result)[0]["spec"]["trafficPolicy"]["retryBudget"] == BUDGET
        assert ("MLM218" in dict(codes(result))) == expected


@pytest.mark.parametrize(
    ("item", "policies", "to"),
    [
        (rule("llm"), (), "/v1/chat/completions"),
        (rule("other"), (ASKED,), "/v1/chat/completions"),
        (rule("llm"), (ASKED,), "/unheard-of"),
        (rule("llm"), (ASKED,), "/v1/realtime"),
    ],
)
def test_nothing_is_written_where_nothing_is_asked_or_retried(
    item: dict[str, Any], policies: tuple[str, ...], to: str
) -> None:
    """No policy, another host, a route of unknown type, and one that is never repeated."""
    assert after(item, *policies, to=to) == item


def test_the_users_own_stays_and_an_earlier_one_follows_the_policy() -> None:
    """A budget that somebody wrote is theirs; one that was derived changes with the policy, and goes with it."""
    own = rule("llm", trafficPolicy={"retryBudget": {"percent": 50}})
    assert after(own, ASKED) == own
    once = after(rule("llm"), ASKED)
    half = after(once, policy(endpoints={"retryBudget": {"percent": 50}}))
    assert half["spec"]["trafficPolicy"]["retryBudget"] == {"percent": 50}
    assert "retryBudget" not in after(once)["spec"]["trafficPolicy"]


@pytest.mark.parametrize("bad", [{"percent": 101}, {"percent": "20"}, {"minRetryConcurrency": 0}, {"percents": 1}, 20])
def test_a_wrong_budget_is_refused_at_its_line(bad: Any) -> None:
    """Out of range (Istio takes 0 for its default of 3), of the wrong type, misspelt: the policy's field is named."""
    from mlmesh.model.errors import InputError

    with pytest.raises(InputError, match=r"spec\.endpoints\.retryBudget"):
        rendered(route(), policy(endpoints={"retryBudget": bad}))
