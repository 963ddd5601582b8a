"""`calls` of the components become Sidecar scopes and ServiceEntries: what proxies know, and which hosts outside."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.charts import Render, find, key, kinds
from tests.support.streams import rendered

Written = Callable[[dict[str, Any]], tuple[str, str]]
ALWAYS = ["istio-system/*", "observability/*"]
ON = {"scopes": {"enabled": True}}


def known(objects: list[dict[str, Any]], name: str, namespace: str = "ml-serving") -> list[str]:
    """What the Sidecar of a component names, but what every one does."""
    (egress,) = find(objects, "Sidecar", name, namespace)["spec"]["egress"]
    assert set(ALWAYS) <= set(egress["hosts"])
    return [host for host in egress["hosts"] if host not in ALWAYS]


def serving(*names: str) -> list[str]:
    """Hosts of ml-serving as a Sidecar names them, in its order."""
    return sorted(f"ml-serving/{name}.ml-serving.svc.cluster.local" for name in names)


def test_no_scopes_unless_asked_for(render: Render, written: Written) -> None:
    """Calls alone render nothing."""
    calls = {"calls": {"components": {"feature-store": True}}}
    assert render(*written({"components": {"model-registry": calls}})) == render()


@pytest.mark.parametrize(
    ("calls", "hosts"),
    [
        ({}, ["./*"]),
        ({"components": {"feature-store": True, "inference-service": False}}, serving("feature-store")),
        ({"llm": {"llm-service": True}}, serving("llm-service")),
        ({"models": {"inference-service": True}}, serving("inference-service", "inference-v1", "inference-v2")),
        ({"hosts": {"*.example.com": {}, "off.example.com": {"enabled": False}}}, ["*/*.example.com"]),
    ],
)
def test_a_component_knows_what_it_calls(
    render: Render, written: Written, calls: dict[str, Any], hosts: list[str]
) -> None:
    """Its Sidecar, for its pods, names the hosts of the calls; a model's are those of its versions too."""
    objects = render(*written({**ON, "components": {"model-registry": {"calls": calls}}}))
    assert known(objects, "model-registry") == hosts
    selector = find(objects, "Sidecar", "model-registry")["spec"]["workloadSelector"]
    assert selector == {"labels": {"app": "model-registry"}}


def test_who_is_accepted_knows_the_way(render: Render, written: Written) -> None:
    """A component that another's rule names calls it; the host of a component may be a model's, with versions."""
    models = {"accepts": {"models": {"components": {"training-jobs": True}}}}
    objects = render(*written({**ON, "components": {"inference-service": models}}))
    assert known(objects, "training-jobs", "ml-training") == serving(
        "inference-service", "inference-v1", "inference-v2"
    )


def test_a_host_elsewhere(render: Render, written: Written) -> None:
    """The full name of a version's host stands under any namespace; the root namespace follows the mesh's."""
    values = {
        **ON,
        "components": {"model-registry": {"calls": {"models": {"inference-service": True}}}},
        "models": {"inference-service": {"versions": {"v1": {"host": "v1.other.svc.cluster.local"}}}},
        "policy": {"mesh": {"rootNamespace": "istio-config"}},
    }
    (egress,) = find(render(*written(values)), "Sidecar", "model-registry")["spec"]["egress"]
    assert egress["hosts"] == [
        "*/v1.other.svc.cluster.local",
        "istio-config/*",
        *serving("inference-service", "inference-v2"),
        "observability/*",
    ]


def test_one_sidecar_for_pods_that_two_components_name(render: Render, written: Written) -> None:
    """Istio takes one of several: a selector that finds another's pods too has the calls of both."""
    version = {"role": "inference", "namespace": "serving", "calls": {"llm": {"llm-service": True}}}
    components = {
        "inference-service": {"calls": {"components": {"feature-store": True}}},
        "inference-v1": {**version, "selector": {"app": "inference-service", "version": "v1"}},
        "same-labels": {**version, "selector": {"app": "inference-service", "version": "v1"}, "namespace": "training"},
    }
    objects = render(*written({**ON, "components": components}))
    assert known(objects, "inference-service") == serving("feature-store", "llm-service")
    assert known(objects, "same-labels", "ml-training") == serving("llm-service")
    assert "inference-v1" not in {key(sidecar)[2] for sidecar in kinds(objects, "Sidecar")}


def test_who_calls_nobody_keeps_its_namespace_beside_others_of_its_pods(render: Render, written: Written) -> None:
    """What a component does not say that it calls, the calls of another for the same pods do not cut."""
    version = {"role": "inference", "namespace": "serving", "selector": {"app": "inference-service", "version": "v1"}}
    calls = {"calls": {"components": {"training-jobs": True}}}
    everything = ["./*", "istio-system/*", "ml-training/training-jobs.ml-training.svc.cluster.local", "observability/*"]
    for components in (
        {"inference-service": calls, "inference-v1": version},
        {"inference-v1": {**version, **calls}},
    ):
        (egress,) = find(render(*written({**ON, "components": components})), "Sidecar", "inference-service")["spec"][
            "egress"
        ]
        assert egress["hosts"] == everything


def test_hosts_outside(render: Render, written: Written) -> None:
    """Each host is an entry for the namespace that calls it, with every port; a wildcard has no address."""
    hub: dict[str, Any] = {"hub.example.com": {}, "*.cdn.example.com": {}}
    components = {
        "feature-store": {"calls": {"hosts": hub}},
        "model-registry": {"calls": {"hosts": {"hub.example.com": {"port": 80, "protocol": "HTTP"}}}},
        "training-jobs": {"calls": {"hosts": {"hub.example.com": {}, "off.example.com": {"enabled": False}}}},
    }
    objects = render(*written({"components": components}))
    assert {key(entry)[1:] for entry in kinds(objects, "ServiceEntry")} == {
        ("ml-serving", "hub.example.com"),
        ("ml-serving", "wildcard.cdn.example.com"),
        ("ml-training", "hub.example.com"),
    }
    assert find(objects, "ServiceEntry", "hub.example.com")["spec"] == {
        "hosts": ["hub.example.com"],
        "exportTo": ["."],
        "location": "MESH_EXTERNAL",
        "resolution": "DNS",
        "ports": [
            {"number": 80, "name": "http-80", "protocol": "HTTP"},
            {"number": 443, "name": "tls-443", "protocol": "TLS"},
        ],
    }
    assert find(objects, "ServiceEntry", "wildcard.cdn.example.com")["spec"]["resolution"] == "NONE"


def test_long_host_names_are_cut(render: Render, written: Written) -> None:
    """The entry of a host with a long name has a name of at most 63 characters, and two stay two."""
    hosts: dict[str, Any] = {f"{end}.{'a' * 60}.example.com": {} for end in "xy"} | {
        f"{'b' * 60}.{end}.com": {} for end in "xy"
    }
    entries = kinds(render(*written({"components": {"model-registry": {"calls": {"hosts": hosts}}}})), "ServiceEntry")
    assert len({key(entry)[2] for entry in entries}) == 4
    assert max(len(key(entry)[2]) for entry in entries) <= 63


def test_scopes_of_the_demo_cut_nothing(stream: Callable[..., str], written: Written) -> None:
    """With scopes, the demo with calls across namespaces has no errors, nor a route that a scope cuts."""
    calls = {"training-jobs": {"calls": {"components": {"feature-store": True}, "hosts": {"hub.example.com": {}}}}}
    text = stream("-f", "values/demo.yaml", *written({**ON, "components": calls}))
    found = rendered(text).findings
    assert [each for each in found if each.severity == "error" or each.code == "MLM803"] == []
