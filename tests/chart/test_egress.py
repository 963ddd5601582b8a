"""Hosts outside: packs of them, TLS that sidecars originate for them, and what becomes of calls that nobody listed."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from dev.egress_docs import packs
from mlmesh.invariants.egress import MORE, STORES
from tests.chart.charts import Render, find, key, kinds
from tests.support.streams import documents, rendered

Written = Callable[[dict[str, Any]], tuple[str, str]]


def calls(component: str = "model-registry", /, **own: Any) -> dict[str, Any]:
    """Values by which one component calls."""
    return {"components": {component: {"calls": own}}}


def entered(objects: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The hosts of the ServiceEntries by namespace."""
    found: dict[str, set[str]] = {}
    for entry in kinds(objects, "ServiceEntry"):
        found.setdefault(entry["metadata"]["namespace"], set()).update(entry["spec"]["hosts"])
    return found


def asked(pack: dict[str, Any]) -> Any:
    """What a component says of a pack to have it."""
    return {name: "x" for name, default in (pack.get("parameters") or {}).items() if not default} or True


@pytest.mark.parametrize("name", sorted(packs()))
def test_a_pack_is_its_hosts(render_once: Render, written: Written, name: str) -> None:
    """Each host of a pack has one entry, called by TLS on port 443; its parameters stand where they belong."""
    pack = packs()[name]
    objects = render_once(*written(calls(packs={name: asked(pack)})))
    given = {parameter: default or "x" for parameter, default in (pack.get("parameters") or {}).items()}
    wanted = {re.sub("<([a-z]+)>", lambda found: str(given[found[1]]), host) for host in pack["hosts"]}
    assert entered(objects) == {"ml-serving": wanted}
    ports = [{"number": 443, "name": "tls-443", "protocol": "TLS"}]
    for entry in kinds(objects, "ServiceEntry"):
        (host,) = entry["spec"]["hosts"]
        assert entry["spec"]["resolution"] == ("NONE" if host.startswith("*") else "DNS")
        assert (entry["spec"]["ports"], entry["spec"]["exportTo"]) == (ports, ["."])


def test_a_parameter_with_a_default_can_be_given(render: Render, written: Written) -> None:
    """The account of a storage stands in place of the wildcard."""
    objects = render(*written(calls(packs={"azure-blob": {"account": "models"}})))
    assert "models.blob.core.windows.net" in entered(objects)["ml-serving"]


def test_the_hubs_pack_covers_what_the_rule_asks(stream: Callable[..., str], written: Written) -> None:
    """With the pack a download of the hub does not stop halfway: MLM802 has nothing to say, as of its main host."""
    text = stream(*written(calls(packs={"huggingface": True})))
    assert "MLM802" not in {each.code for each in rendered(text).findings}
    alone = stream(*written(calls(hosts={"huggingface.co": {}})))
    assert "MLM802" in {each.code for each in rendered(alone).findings}
    suffixes = [host[1:] for host in packs()["huggingface"]["hosts"] if host.startswith("*")]
    assert all(host.endswith(tuple(suffixes)) for host in (*MORE, *(each for region in STORES for each in region)))


def test_no_entry_twice(render: Render, written: Written) -> None:
    """A host of two packs, two components and of `hosts` has one entry in a namespace; a pack that is off has none."""
    own = {"calls": {"packs": {"gcs": True, "kaggle": True, "openai": False, "groq": {"enabled": False}}}}
    too = {"calls": {**own["calls"], "hosts": {"storage.googleapis.com": {}}}}
    values = {"components": {"model-registry": own, "feature-store": too, "training-jobs": own}}
    objects = render(*written(values))
    names = [key(entry) for entry in kinds(objects, "ServiceEntry")]
    assert len(names) == len(set(names))
    assert set(entered(objects)) == {"ml-serving", "ml-training"}
    assert not {"api.openai.com", "api.groq.com"} & entered(objects)["ml-serving"]


def test_tls_is_originated(render: Render, written: Written) -> None:
    """Plain HTTP on port 80 leaves as TLS to 443, and the certificate must be for the host; limits stand beside it."""
    limits = {"outlierDetection": {"consecutive5xxErrors": 5}}
    objects = render(*written(calls(packs={"openai": {"tls": {"mode": "SIMPLE"}, "trafficPolicy": limits}})))
    (entry,) = kinds(objects, "ServiceEntry")
    assert entry["spec"]["ports"] == [{"number": 80, "name": "http-80", "protocol": "HTTP", "targetPort": 443}]
    host = "api.openai.com"
    assert find(objects, "DestinationRule", host)["spec"] == {
        "host": host,
        "exportTo": ["."],
        "trafficPolicy": {
            "portLevelSettings": [
                {
                    "port": {"number": 80},
                    "tls": {"mode": "SIMPLE", "sni": host, "subjectAltNames": [host], "caCertificates": "system"},
                    **limits,
                }
            ]
        },
    }


def test_what_is_said_of_tls_stands(render: Render, written: Written) -> None:
    """Names, ports and protocols of one's own; who trusts everybody is asked for no name, nor is a wildcard."""
    hosts: dict[str, Any] = {
        "a.example.com": {"port": 8080, "protocol": "GRPC", "targetPort": 9443, "tls": {"mode": "SIMPLE", "sni": "b"}},
        "c.example.com": {"tls": {"mode": "SIMPLE", "insecureSkipVerify": True}},
        "*.d.example.com": {"resolution": "DYNAMIC_DNS", "tls": {"mode": "SIMPLE"}},
    }
    objects = render(*written(calls(hosts=hosts)))
    port = {"number": 8080, "name": "grpc-8080", "protocol": "GRPC", "targetPort": 9443}
    assert find(objects, "ServiceEntry", "a.example.com")["spec"]["ports"] == [port]
    told = {
        name: find(objects, "DestinationRule", name)["spec"]["trafficPolicy"]["portLevelSettings"][0]["tls"]
        for name in ("a.example.com", "c.example.com", "wildcard.d.example.com")
    }
    trusted = {"mode": "SIMPLE", "caCertificates": "system"}
    assert told["a.example.com"] == {**trusted, "sni": "b", "subjectAltNames": ["a.example.com"]}
    assert told["c.example.com"] == {"mode": "SIMPLE", "sni": "c.example.com", "insecureSkipVerify": True}
    assert told["wildcard.d.example.com"] == trusted
    assert find(objects, "ServiceEntry", "wildcard.d.example.com")["spec"]["resolution"] == "DYNAMIC_DNS"


def test_a_host_is_called_in_both_ways(render: Render, written: Written) -> None:
    """A pack's port and another one of `hosts` are two ports of one entry; of one port, what `hosts` says counts."""
    both = {"packs": {"openai": True}, "hosts": {"api.openai.com": {"tls": {"mode": "SIMPLE"}}}}
    (entry,) = kinds(render(*written(calls(**both))), "ServiceEntry")
    assert [port["name"] for port in entry["spec"]["ports"]] == ["http-80", "tls-443"]
    both["hosts"] = {"api.openai.com": {"protocol": "HTTPS"}}
    (entry,) = kinds(render(*written(calls(**both))), "ServiceEntry")
    assert [port["name"] for port in entry["spec"]["ports"]] == ["https-443"]


def test_a_secret_is_for_the_pods_that_call(render: Render, written: Written) -> None:
    """Istio reads a Secret for the pods of a selector only: a rule for each component, with the host's other ports."""
    secret = {"hosts": {"a.example.com": {"tls": {"mode": "MUTUAL", "credentialName": "partner"}}}}
    other = {"hosts": {"a.example.com": {"port": 8443, "trafficPolicy": {"connectionPool": {"tcp": {}}}}}}
    components = {"model-registry": {"calls": secret}, "feature-store": {"calls": secret}}
    objects = render(*written({"components": {**components, "monitoring-stack": {"calls": other}}}))
    for name in components:
        spec = find(objects, "DestinationRule", f"a.example.com-{name}")["spec"]
        assert spec["workloadSelector"] == {"matchLabels": {"app": name}}
        assert [each["port"]["number"] for each in spec["trafficPolicy"]["portLevelSettings"]] == [80, 8443]
    spec = find(objects, "DestinationRule", "a.example.com")["spec"]
    assert [each["port"]["number"] for each in spec["trafficPolicy"]["portLevelSettings"]] == [8443]


def modes(objects: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """outboundTrafficPolicy by namespace and name of the Sidecar; empty where it has none."""
    return {
        key(each)[1:]: each["spec"].get("outboundTrafficPolicy", {}).get("mode", "")
        for each in kinds(objects, "Sidecar")
    }


@pytest.mark.parametrize("scoped", [False, True])
def test_registry_only_by_namespace(render: Render, written: Written, scoped: bool) -> None:
    """It holds for every pod of the namespace but those that scrape; with scopes each component has it too."""
    values = {"egress": {"outboundTrafficPolicy": {"serving": "REGISTRY_ONLY"}}, "scopes": {"enabled": scoped}}
    found = modes(render(*written(values)))
    serving = {name: mode for (namespace, name), mode in found.items() if namespace == "ml-serving"}
    assert serving["default"] == "REGISTRY_ONLY"
    assert serving["monitoring-stack"] == "ALLOW_ANY"
    components = ("inference-service", "feature-store", "model-registry") if scoped else ()
    assert set(serving) == {"default", "monitoring-stack", *components}
    assert all(serving[name] == "REGISTRY_ONLY" for name in components)
    training = {name: mode for (namespace, name), mode in found.items() if namespace == "ml-training"}
    assert training == (dict.fromkeys(("training-jobs", "pipeline-controller"), "") if scoped else {})


def test_registry_only_by_component(render: Render, written: Written) -> None:
    """One component's proxies alone; without scopes they know the whole mesh. The strictest of a family counts."""
    own = {"calls": {"outboundTrafficPolicy": "REGISTRY_ONLY"}}
    version = {"role": "inference", "namespace": "serving", "selector": {"app": "model-registry", "version": "v1"}}
    objects = render(*written({"components": {"model-registry-v1": {**version, **own}}}))
    assert modes(objects) == {("ml-serving", "model-registry"): "REGISTRY_ONLY"}
    spec = find(objects, "Sidecar", "model-registry")["spec"]
    assert spec["egress"] == [{"hosts": ["*/*"]}]
    assert spec["workloadSelector"] == {"labels": {"app": "model-registry"}}


def test_hosts_outside_are_told_to_the_policy(render: Render, written: Written) -> None:
    """The policy declares them, so that what else names them is no finding."""
    objects = render(*written(calls(packs={"huggingface": True}, hosts={"a.example.com": {}})))
    (policy,) = kinds(objects, "MeshPolicy")
    assert {"a.example.com", *packs()["huggingface"]["hosts"]} <= set(policy["spec"]["external"]["hosts"])


def test_the_ports_of_hosts_outside_are_open(render: Render, written: Written) -> None:
    """A NetworkPolicy sees what leaves the pod: the target port where the sidecar originates TLS, each port once."""
    values = calls(
        packs={"huggingface": True}, hosts={"a.example.com": {"tls": {"mode": "SIMPLE"}, "targetPort": 8443}}
    )
    values |= {"networkPolicies": {"enabled": True, "egress": {"enabled": True, "always": []}}}
    rules = find(render(*written(values)), "NetworkPolicy", "model-registry")["spec"]["egress"]
    (outside,) = [rule["ports"] for rule in rules if "ipBlock" in json.dumps(rule)]
    assert [port["port"] for port in outside] == [443, 8443]


def test_an_outside_llm_service_has_derived_timeouts(stream: Callable[..., str], written: Written) -> None:
    """`llm` routes a host outside like any other: its chat rule gets the block of chat, and nothing is an error."""
    outside = {
        "namespace": "serving",
        "route": {"name": "openai"},
        "endpoints": {"chat": {"prefix": "/v1/chat/completions"}},
    }
    values = {**calls(packs={"openai": {"tls": {"mode": "SIMPLE"}}}), "llm": {"api.openai.com": outside}}
    result = rendered(stream(*written({**values, "scopes": {"enabled": True}})))
    assert [each for each in result.findings if each.severity == "error" or each.code == "MLM803"] == []
    chat = find(documents(result), "VirtualService", "openai")["spec"]["http"][0]
    assert (chat["timeout"], chat["retries"]["perTryTimeout"]) == ("120s", "60s")
