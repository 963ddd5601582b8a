"""The way of docs/adopting.md from values/adopt.yaml to a strict mesh, as the chart renders it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.charts import Render, documents, find, kinds
from tests.chart.conftest import laid_over
from tests.support import adoption
from tests.support.streams import rendered

Written = Callable[[dict[str, Any]], tuple[str, str]]

STEPS = adoption.steps()


def values_after(count: int) -> dict[str, Any]:
    """The values after so many steps."""
    found = adoption.platform()
    for step in STEPS[:count]:
        found = laid_over(found, step.values)
    return found


def _leaves(values: Any) -> int:
    return sum(map(_leaves, values.values())) if isinstance(values, dict) else 1


def test_the_overlay_is_soft(render: Render) -> None:
    """It refuses nothing, reroutes nothing and takes no namespace into its hands."""
    objects = render("-f", "values/adopt.yaml")
    assert {each["spec"]["mtls"]["mode"] for each in kinds(objects, "PeerAuthentication")} == {"PERMISSIVE"}
    policies = kinds(objects, "AuthorizationPolicy")
    assert policies
    assert all(each["metadata"]["annotations"]["istio.io/dry-run"] == "true" for each in policies)
    changing = ("Namespace", "VirtualService", "DestinationRule", "Sidecar", "NetworkPolicy", "EnvoyFilter")
    assert [each for each in objects if each["kind"] in changing] == []


@pytest.mark.parametrize("count", range(len(STEPS) + 1), ids=["adopt", *(step.title for step in STEPS)])
def test_each_step_is_one_value_and_breaks_no_invariant(
    stream: Callable[..., str], written: Written, count: int
) -> None:
    """After each step the post-renderer has no error to tell, and the step's one value has changed what is rendered."""
    text = stream(*written(values_after(count)))
    assert [each for each in rendered(text).findings if each.severity == "error"] == []
    if count:
        assert _leaves(STEPS[count - 1].values) == 1
        before = stream(*written(values_after(count - 1)))
        assert documents(text) != documents(before)


def test_the_way_ends_strict(render: Render, written: Written) -> None:
    """At its end nothing is soft any more."""
    objects = render(*written(values_after(len(STEPS))))
    modes = {
        (each["metadata"]["namespace"], each["spec"]["mtls"]["mode"]) for each in kinds(objects, "PeerAuthentication")
    }
    assert modes == {("ml-serving", "STRICT"), ("ml-training", "STRICT")}
    policies = kinds(objects, "AuthorizationPolicy")
    assert not any("istio.io/dry-run" in (each["metadata"].get("annotations") or {}) for each in policies)
    assert find(objects, "AuthorizationPolicy", "default-deny")["spec"] == {}
    assert {"Sidecar", "NetworkPolicy", "VirtualService", "DestinationRule"} <= {each["kind"] for each in objects}
