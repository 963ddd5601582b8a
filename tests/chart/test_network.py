"""NetworkPolicies of the components: whose pods reach theirs, and what theirs reach."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.charts import Render, find, key, kinds
from tests.support.streams import rendered

Written = Callable[[dict[str, Any]], tuple[str, str]]
INGRESS = {"networkPolicies": {"enabled": True}}
BOTH = {"networkPolicies": {"enabled": True, "egress": {"enabled": True, "always": []}}}


def namespace(name: str) -> dict[str, Any]:
    """The selector of a namespace by its name."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def pods(where: str, **labels: str) -> dict[str, Any]:
    """A peer: pods of a namespace by labels, whose names have _ for what is no letter."""
    names = {"gateway": "gateway.networking.k8s.io/gateway-name"}
    return {
        **namespace(where),
        "podSelector": {"matchLabels": {names.get(name, name): value for name, value in labels.items()}},
    }


def ports(*numbers: int) -> list[dict[str, Any]]:
    """TCP ports of a rule."""
    return [{"port": number, "protocol": "TCP"} for number in numbers]


def own(app: str) -> list[dict[str, Any]]:
    """The peer that is the component itself."""
    return [{"podSelector": {"matchLabels": {"app": app}}}]


def test_none_unless_asked_for(render: Render, written: Written) -> None:
    """Neither alone: what leaves is restricted only where what comes in is."""
    off = {"networkPolicies": {"egress": {"enabled": True}}}
    assert kinds(render(*written(off)), "NetworkPolicy") == []


def test_a_host_of_another_namespace_is_reached_by_its_full_name(render: Render, written: Written) -> None:
    """A version's host may be anywhere in the cluster; one outside it says no namespace."""
    versions = {
        "a": {"host": "a.elsewhere.svc.cluster.local", "weight": 50},
        "b": {"host": "b.example.com", "weight": 50},
    }
    model = {"namespace": "serving", "versions": {name: {"port": 80, **own_} for name, own_ in versions.items()}}
    calls = {"model-registry": {"calls": {"models": {"m": True}}}}
    objects = render(*written({**BOTH, "components": calls, "models": {"m": model}}))
    egress = find(objects, "NetworkPolicy", "model-registry")["spec"]["egress"]
    assert egress[3:] == [{"to": [namespace("ml-serving")]}, {"to": [namespace("elsewhere")]}]


def test_a_rule_is_for_the_protocol_of_its_ports(render: Render, written: Written) -> None:
    """A port of UDP is let in as such."""
    ports_ = {"udp-stats": {"port": 8125, "protocol": "UDP"}, "http": {"port": 8080}}
    accepts = {"all": {"components": {"training-jobs": True}, "ports": ["udp-stats", "http", 9000]}}
    component = {"ports": ports_, "accepts": accepts}
    policy = find(
        render(*written({**INGRESS, "components": {"feature-store": component}})), "NetworkPolicy", "feature-store"
    )
    assert policy["spec"]["ingress"][-1]["ports"] == [{"port": 8125, "protocol": "UDP"}, *ports(8080, 9000, 15008)]


def test_who_is_accepted_reaches_the_pods(render: Render, written: Written) -> None:
    """Callers by namespace, gateways and components by their pods, on the rule's ports; the sidecar's stay open."""
    accepts = {
        "models": {"components": {"training-jobs": True, "model-registry": False}},
        "sync": {"components": {"model-registry": True}, "methods": [], "ports": ["http"]},
        "off": {"enabled": False, "components": {"feature-store": True}},
    }
    service = {"ports": {"http": {"port": 80, "targetPort": 8080}}, "accepts": accepts}
    values = {**INGRESS, "components": {"inference-service": {**service, "metrics": {"port": 9000, "direct": True}}}}
    (policy,) = kinds(render(*written(values)), "NetworkPolicy")
    assert key(policy)[1:] == ("ml-serving", "inference-service")
    assert policy["spec"] == {
        "podSelector": {"matchLabels": {"app": "inference-service"}},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"ports": ports(15020, 15021, 15090, 9000)},
            {"from": own("inference-service")},
            {
                "from": [
                    namespace("ml-frontend"),
                    pods("ml-serving", gateway="ml-gateway"),
                    pods("ml-training", app="training-jobs"),
                ]
            },
            {"from": [pods("ml-serving", app="model-registry")], "ports": ports(8080, 15008)},
        ],
    }


BASE = [
    {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
    {"to": [namespace("istio-system")], "ports": ports(15012)},
]
OUTSIDE = [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]


@pytest.mark.parametrize(
    ("calls", "rules"),
    [
        ({}, []),
        ({"components": {"feature-store": True}}, [{"to": [pods("ml-serving", app="feature-store")]}]),
        # Its versions are nobody's here: of them only the namespace is known.
        (
            {"models": {"inference-service": True}},
            [{"to": [pods("ml-serving", app="inference-service")]}, {"to": [namespace("ml-serving")]}],
        ),
        ({"llm": {"llm-service": True}}, [{"to": [namespace("ml-serving")]}]),
        ({"hosts": {"hub.example.com": {"port": 8443}}}, [{"to": OUTSIDE, "ports": ports(8443)}]),
    ],
)
def test_a_component_reaches_what_it_calls(
    render: Render, written: Written, calls: dict[str, Any], rules: list[dict[str, Any]]
) -> None:
    """DNS, istiod and its own pods always; then the pods of whom it calls, and the ports of hosts outside."""
    objects = render(*written({**BOTH, "components": {"training-jobs": {"calls": calls}}}))
    spec = find(objects, "NetworkPolicy", "training-jobs", "ml-training")["spec"]
    assert spec["policyTypes"] == ["Egress"]
    assert spec["egress"] == [*BASE, {"to": own("training-jobs")}, *rules]


def test_who_scrapes_reaches_every_pod(render: Render, written: Written) -> None:
    """The monitoring stack asks pods in all namespaces; further rules hold for every component."""
    api = [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}]
    values = {"networkPolicies": {"enabled": True, "egress": {"enabled": True, "always": api}}}
    objects = render(*written(values))
    rules = find(objects, "NetworkPolicy", "monitoring-stack")["spec"]["egress"]
    assert rules[2:] == [{"to": own("monitoring-stack")}, {"to": [{"namespaceSelector": {}}]}, *api]
    assert {len(kinds(objects, "NetworkPolicy"))} == {6}
    assert all(policy["spec"]["egress"][-1:] == api for policy in kinds(objects, "NetworkPolicy"))


def test_collectors_namespace_is_reached_by_default(render: Render) -> None:
    """The default rules hold the namespace to which the default telemetry sends spans."""
    on = ("--set", "networkPolicies.enabled=true,networkPolicies.egress.enabled=true")
    spec = find(render(*on), "NetworkPolicy", "feature-store")["spec"]
    assert spec["egress"][-1] == {"to": [namespace("observability")]}


def test_policies_of_the_demo_cut_no_proxy(stream: Callable[..., str], written: Written) -> None:
    """No error, and no sidecar cut off from istiod or DNS; without those rules MLM316 says so."""
    text = stream("-f", "values/demo.yaml", *written(BOTH))
    found = rendered(text).findings
    assert [each for each in found if each.severity == "error" or each.code == "MLM316"] == []
    assert "MLM316" in {each.code for each in rendered(text.replace("15012", "15010")).findings}
