"""Models: the split by one number, mirrored versions, affinity, and the traffic policy of every host sent to."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from dev.toolchain import ROOT
from tests.chart.charts import Render, find, kinds

SNIPPETS = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "models.md").read_text(), re.MULTILINE | re.DOTALL)

Written = Callable[[dict[str, Any]], tuple[str, str]]

V3 = {"host": "inference-v3", "port": 8080}


def split(objects: list[dict[str, Any]], name: str = "inference-routing") -> dict[str, Any]:
    """The rule for requests that name no version."""
    rule: dict[str, Any] = find(objects, "VirtualService", name)["spec"]["http"][-1]
    assert rule["name"] == "split"
    return rule


def shares(rule: dict[str, Any]) -> dict[str, int]:
    """Weights by host."""
    return {each["destination"]["host"]: each["weight"] for each in rule["route"]}


def policies(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Traffic policies by host."""
    return {rule["spec"]["host"]: rule["spec"]["trafficPolicy"] for rule in kinds(objects, "DestinationRule")}


@pytest.mark.parametrize("weight", [0, 10, 50, 100])
def test_a_canary_moves_by_one_number(render: Render, weight: int) -> None:
    """`canary.weight` is the candidate's percent, the other version has the rest, and nothing else changes."""
    moved = render("--set", f"models.inference-service.canary.weight={weight}")
    assert shares(split(moved)) == {"inference-v1": 100 - weight, "inference-v2": weight}
    changed = [document for document in moved if document not in render()]
    assert changed == ([] if weight == 10 else [find(moved, "VirtualService", "inference-routing")])


def test_a_canary_may_go_any_way_and_leave_what_it_has_left(render: Render, written: Written) -> None:
    """From v2 to v1, past a third version; and with 100 the old version may be off."""
    back = {"canary": {"from": "v2", "to": "v1", "weight": 30}, "versions": {"v3": V3}}
    assert shares(split(render(*written({"models": {"inference-service": back}})))) == {
        "inference-v1": 30,
        "inference-v2": 70,
    }
    done = {"canary": {"weight": 100}, "versions": {"v1": {"enabled": False}}}
    assert shares(split(render(*written({"models": {"inference-service": done}})))) == {"inference-v2": 100}


def test_weights_of_ones_own(render: Render, written: Written) -> None:
    """Without a canary each version says its share; the only one that answers need not."""
    versions = {"v1": {"weight": 60}, "v2": {"weight": 30}, "v3": {**V3, "weight": 10}}
    values = {"models": {"inference-service": {"canary": {"enabled": False}, "versions": versions}}}
    assert list(shares(split(render(*written(values)))).values()) == [60, 30, 10]
    single = {"canary": None, "versions": {"v2": {"pinned": None, "mirror": 5}}}
    assert shares(split(render(*written({"models": {"inference-service": single}})))) == {"inference-v1": 100}


def test_a_mirrored_version_answers_nobody(render: Render, written: Written) -> None:
    """It stands in `mirrors` of the split alone, with its percent; with 0 nothing is mirrored; it has the breaker."""
    for percent, mirrors in ((5, 1), (0.5, 1), (0, 0)):
        values = {"models": {"inference-service": {"versions": {"v3": {**V3, "mirror": percent}}}}}
        objects = render(*written(values))
        pinned, rest = find(objects, "VirtualService", "inference-routing")["spec"]["http"]
        assert shares(rest) == {"inference-v1": 90, "inference-v2": 10}
        assert "mirrors" not in pinned
        expected = {
            "destination": {"host": "inference-v3", "port": {"number": 8080}},
            "percentage": {"value": percent},
        }
        assert rest.get("mirrors", []) == [expected] * mirrors
        assert policies(objects)["inference-v3"] == policies(objects)["inference-v1"]


@pytest.mark.parametrize(
    "affinity",
    [
        {"httpHeaderName": "x-session-id"},
        {"httpQueryParameterName": "user"},
        {"httpCookie": {"name": "session", "ttl": "3600s"}},
        {"useSourceIp": True},
        {"httpHeaderName": "x-prefix-key", "maglev": {"tableSize": 65537}},
    ],
    ids="-".join,
)
def test_affinity_is_on_every_host_that_is_sent_to(render: Render, written: Written, affinity: dict[str, Any]) -> None:
    """Istio's block is in each rule of a model and of an LLM service, in place of `simple`; breaker or not."""
    values = {
        "models": {"inference-service": {"affinity": affinity}},
        "llm": {"llm-service": {"affinity": affinity}},
    }
    found = policies(render(*written(values)))
    assert found.keys() == {"inference-service", "inference-v1", "inference-v2", "llm-service"}
    assert {str(policy["loadBalancer"]) for policy in found.values()} == {str({"consistentHash": affinity})}
    assert found["llm-service"] == {"loadBalancer": {"consistentHash": affinity}}
    values["models"]["inference-service"]["circuitBreaker"] = {"enabled": False}
    found = policies(render(*written(values)))
    assert {str(policy) for policy in found.values()} == {str({"loadBalancer": {"consistentHash": affinity}})}


def test_the_breaker_of_an_llm_service(render: Render) -> None:
    """Off by default; on, it counts what servers answer apart from what Envoy itself saw."""
    assert "llm-service" not in policies(render())
    objects = render("--set", "llm.llm-service.circuitBreaker.enabled=true")
    rule = find(objects, "DestinationRule", "llm-destination")
    assert rule["spec"]["host"] == "llm-service"
    detection = rule["spec"]["trafficPolicy"]["outlierDetection"]
    assert detection["splitExternalLocalOriginErrors"] is True
    assert detection["consecutive5xxErrors"] == 0


def test_an_llm_service_of_ones_own_needs_no_breaker(render: Render, written: Written) -> None:
    """With affinity alone its rule has the service's name."""
    own = {"namespace": "serving", "route": {"name": "own"}, "endpoints": {}, "affinity": {"useSourceIp": True}}
    assert find(render(*written({"llm": {"own": own}})), "DestinationRule", "own")["spec"]["host"] == "own"


@pytest.mark.parametrize(("locality", "said"), [("mesh", None), ("local-first", True), ("anywhere", False)])
def test_locality_is_a_choice(render: Render, locality: str, said: bool | None) -> None:
    """`mesh` says nothing, as in the reference design; the others say it in every rule."""
    found = policies(render("--set", f"models.inference-service.circuitBreaker.locality={locality}"))
    expected = None if said is None else {"enabled": said}
    assert [policy["loadBalancer"].get("localityLbSetting") for policy in found.values()] == [expected] * 3
    assert all(policy["loadBalancer"]["simple"] == "LEAST_REQUEST" for policy in found.values())


def test_the_docs_have_every_field() -> None:
    """What the schema takes for a model beyond its hosts and names is shown in docs/models.md."""
    told = "".join(SNIPPETS)
    assert len(SNIPPETS) >= 7
    for field in ("canary:", "weight:", "mirror:", "affinity:", "warmup:", "circuitBreaker:", "locality:"):
        assert field in told
