"""Retry budgets: asked for by the policy, they stand in the rules of the hosts whose routes retry."""

from typing import Any

import pytest
import yaml

from tests.support.streams import documents, policy, rendered, route

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


def after(item: dict[str, Any], *policies: str, path: str = "/v1/chat/completions") -> dict[str, Any]:
    """The rule as it leaves, beside a route to `llm`, which stands behind it in the stream."""
    found = documents(rendered(f"{yaml.safe_dump(item)}---\n{route(path)}", *policies))
    return next(each for each in found if each["kind"] == "DestinationRule")


def test_a_host_whose_route_retries_gets_the_budget() -> None:
    """In the host's policy and in those of subsets, which replace it; a second run changes nothing."""
    subsets = [
        {"name": "a", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}},
        {"name": "b", "labels": {"v": "b"}},
    ]
    found = after(rule("llm", subsets=subsets), ASKED)
    assert found["spec"]["trafficPolicy"]["retryBudget"] == BUDGET
    assert found["spec"]["subsets"][0]["trafficPolicy"]["retryBudget"] == BUDGET
    assert "trafficPolicy" not in found["spec"]["subsets"][1]
    assert after(found, ASKED) == found


@pytest.mark.parametrize(
    ("item", "policies", "path"),
    [
        (rule("llm"), (), "/v1/chat/completions"),
        (rule("other"), (ASKED,), "/v1/chat/completions"),
        (rule("llm"), (ASKED,), "/unheard-of"),
        (rule("llm"), (ASKED,), "/v1/realtime"),
    ],
)
def test_nothing_is_written_where_nothing_is_asked_or_retried(
    item: dict[str, Any], policies: tuple[str, ...], path: str
) -> None:
    """No policy, another host, a route of unknown type, and one that is never repeated."""
    assert after(item, *policies, path=path) == item


def test_the_users_own_stays_and_an_earlier_one_follows_the_policy() -> None:
    """A budget that somebody wrote is theirs; one that was derived changes with the policy, and goes with it."""
    own = rule("llm", trafficPolicy={"retryBudget": {"percent": 50}})
    assert after(own, ASKED) == own
    once = after(rule("llm"), ASKED)
    half = after(once, policy(endpoints={"retryBudget": {"percent": 50}}))
    assert half["spec"]["trafficPolicy"]["retryBudget"] == {"percent": 50}
    assert "retryBudget" not in after(once)["spec"]["trafficPolicy"]


@pytest.mark.parametrize("bad", [{"percent": 101}, {"percent": "20"}, {"minRetryConcurrency": -1}, {"percents": 1}, 20])
def test_a_wrong_budget_is_refused_at_its_line(bad: Any) -> None:
    """Out of range, of the wrong type, misspelt: the policy's field is named."""
    from mlmesh.model.errors import InputError

    with pytest.raises(InputError, match=r"spec\.endpoints\.retryBudget"):
        rendered(route(), policy(endpoints={"retryBudget": bad}))
