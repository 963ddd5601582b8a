"""Pools and body routing: what is rendered of them, and that all of it knows of them."""

import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import yaml

from dev.toolchain import ROOT
from tests.chart.charts import Render, find, kinds

OVERLAY = ("-f", "values/inference-extension.yaml")
Written = Callable[[dict[str, Any]], tuple[str, str]]


@pytest.mark.parametrize(("file", "path"), [
    ("pools", ("pools", "llm-pool")), ("body-routing", ("gateways", "ml-gateway", "bodyRouting")),
])  # fmt: skip
def test_other_items_have_the_defaults_of_the_first(values: dict[str, Any], file: str, path: tuple[str, ...]) -> None:
    """What the templates take for left out is what values.yaml says of the item that it describes."""
    described: Any = values
    for part in path:
        described = described[part]
    own = {key: value for key, value in described.items() if key not in ("enabled", "component")}
    assert yaml.safe_load((ROOT / "chart" / "files" / f"{file}.yaml").read_text()) == own


@pytest.mark.parametrize("name", ["llm", "l" * 51, "l" * 63])
def test_the_shadow_host_is_that_of_istiod(render_once: Render, written: Written, name: str) -> None:
    """A pool's policy is for the Service that istiod makes of it: its name, cut to 51 characters, and a hash."""
    pool = {"component": "model-registry", "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 9}}}}
    rules = kinds(render_once(*written({"pools": {name: pool}})), "DestinationRule")
    hosts = [rule["spec"]["host"] for rule in rules if "-ip-" in rule["spec"]["host"]]
    made = f"{name[:51]}-ip-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    assert hosts == [f"{made}.ml-serving.svc.cluster.local"]


def test_long_names_stay_two(render_once: Render, written: Written) -> None:
    """Of two pools whose names are long and alike, no object has the name of another's, nor one that is too long."""
    pools = {f"{'l' * 62}{end}": {"component": "model-registry"} for end in "ab"}
    objects = render_once(*written({"pools": pools}))
    keys = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
    assert len(keys) == len(set(keys))
    assert max(len(name) for _, _, name in keys) <= 63


def test_each_part_of_a_split_is_a_rule(render: Render) -> None:
    """Each pool has a rule; the EnvoyFilter names the rules as istiod does, and its shares add up."""
    objects = render(*OVERLAY, "-f", "tests/mesh/pool.yaml")
    rules = find(objects, "HTTPRoute", "split", "pool")["spec"]["rules"]
    assert [[ref["name"] for ref in rule["backendRefs"]] for rule in rules] == [
        ["large-pool"], ["small-next-pool"], ["small-pool"],
    ]  # fmt: skip
    assert ["matches" in rule for rule in rules] == [True, True, False]
    patches = find(objects, "EnvoyFilter", "split-split", "pool")["spec"]["configPatches"]
    named = [patch["match"]["routeConfiguration"]["vhost"]["route"]["name"] for patch in patches]
    assert named == ["pool.split.0", "pool.split.1"]
    values = [patch["patch"]["value"]["match"]["runtime_fraction"]["default_value"] for patch in patches]
    assert values == [{"numerator": 200000, "denominator": "MILLION"}, {"numerator": 500000, "denominator": "MILLION"}]


@pytest.mark.parametrize("weights", [(1, 1, 1), (7, 0, 3), (1, 999, 1)])
def test_shares_rise_to_the_whole(render_once: Render, written: Written, weights: tuple[int, ...]) -> None:
    """Of weights that do not divide a million the shares rise, and a backend of weight 0 has no rule."""
    backends = {
        f"p{place}": {"kind": "InferencePool", "weight": weight} for place, weight in enumerate(weights)
    }  # fmt: skip
    route = {
        "kind": "HTTPRoute",
        "namespace": "serving",
        "gateway": "ml-gateway",
        "rules": {"all": {"backends": backends}},
    }
    pools = {name: {"component": "model-registry"} for name in backends}
    objects = render_once(*written({"pools": pools, "routes": {"split": route}}))
    patches = find(objects, "EnvoyFilter", "split-split")["spec"]["configPatches"]
    shares = [patch["patch"]["value"]["match"]["runtime_fraction"]["default_value"]["numerator"] for patch in patches]
    parts = [after - before for before, after in pairwise([0, *shares, 1_000_000])]
    assert parts == pytest.approx([weight * 1e6 / sum(weights) for weight in weights if weight], abs=1)


def test_the_stall_guard_counts_the_rules_of_a_split(render_once: Render, written: Written) -> None:
    """A guarded rule that is split is guarded in each of its parts, and the rules behind it under their own places."""
    backends = {name: {"kind": "InferencePool"} for name in ("p1", "p2")}
    plain = {"backends": {"kserve-predictor": {"port": 80}}, "matches": [{"path": {"type": "Exact", "value": "/x"}}]}
    guard = {"enabled": True, "idle": "60s", "rules": {"a": True, "b": True}}
    route = {"kind": "HTTPRoute", "namespace": "serving", "gateway": "ml-gateway", "stallGuard": guard}
    route["rules"] = {"a": {"backends": backends}, "b": plain}
    pools = {name: {"component": "model-registry"} for name in backends}
    objects = render_once(*written({"pools": pools, "routes": {"r": route}}))
    patches = find(objects, "EnvoyFilter", "r-stall-guard")["spec"]["configPatches"]
    named = [patch["match"]["routeConfiguration"]["vhost"]["route"]["name"] for patch in patches]
    assert named == ["ml-serving.r.0", "ml-serving.r.1", "ml-serving.r.2"]


def test_the_picker_is_let_in(render: Render) -> None:
    """With a sidecar the picker is a caller like others: by its principal, for GET of metrics on the pool's port."""
    objects = render(*OVERLAY)
    rules = find(objects, "AuthorizationPolicy", "small-access")["spec"]["rules"]
    assert rules[1:] == [
        {
            "from": [{"source": {"principals": ["cluster.local/ns/ml-serving/sa/small-pool-picker"]}}],
            "to": [{"operation": {"methods": ["GET"], "paths": ["/metrics"], "ports": ["8000"]}}],
        }
    ]
    # In plain text it has no identity, and the component's own exception is all that it needs.
    (other,) = find(objects, "AuthorizationPolicy", "large-access")["spec"]["rules"][1:]
    assert "from" not in other
    assert find(objects, "PeerAuthentication", "large-ports")["spec"]["portLevelMtls"] == {
        "8000": {"mode": "PERMISSIVE"}
    }
    assert not [each for each in kinds(objects, "PeerAuthentication") if each["metadata"]["name"].startswith("small")]


def test_default_deny_lets_the_picker_in(render_once: Render, written: Written) -> None:
    """A component without rules, in a namespace that refuses whom no policy lets in, has a policy for its picker."""
    values = {
        "authorization": {"defaultDeny": {"serving": True}},
        "pools": {"p": {"component": "model-registry"}},
    }
    (rule,) = find(render_once(*written(values)), "AuthorizationPolicy", "model-registry-access")["spec"]["rules"]
    assert rule["from"][0]["source"]["principals"] == ["cluster.local/ns/ml-serving/sa/p-picker"]


def test_the_network_lets_pickers_and_gateways_in(render_once: Render, written: Written) -> None:
    """Servers take their picker's connections, pickers those of the gateways whose routes lead to their pool."""
    values = {"networkPolicies": {"enabled": True, "egress": {"enabled": True}}}
    objects = render_once(*OVERLAY, *written(values))
    (asked,) = [
        rule["ports"] for rule in find(objects, "NetworkPolicy", "small")["spec"]["ingress"]
        if json.dumps({"app": "small-pool-picker"}) in json.dumps(rule.get("from"))
    ]  # fmt: skip
    assert asked == [{"port": 8000, "protocol": "TCP"}]
    for name, port in (("small-pool-picker", 9002), ("ml-gateway-body-router", 9004)):
        spec = find(objects, "NetworkPolicy", name)["spec"]
        (entry,) = [rule for rule in spec["ingress"] if "from" in rule]
        assert entry["ports"] == [{"port": port, "protocol": "TCP"}]
        assert "ml-gateway" in json.dumps(entry["from"])
        assert {"port": 6443, "protocol": "TCP"} in [port for rule in spec["egress"] for port in rule.get("ports", [])]


def test_a_scoped_picker_knows_its_servers(render_once: Render, written: Written) -> None:
    """With scopes, a picker's sidecar knows the addresses that it asks, and no others of the namespace."""
    objects = render_once(*OVERLAY, *written({"scopes": {"enabled": True}}))
    (egress,) = find(objects, "Sidecar", "small-pool-picker")["spec"]["egress"]
    assert egress["hosts"] == [
        "./small-pool-scraped.ml-serving.svc.cluster.local",
        "default/kubernetes.default.svc.cluster.local",
        "istio-system/*",
    ]


def test_an_existing_picker_is_named_alone(render_once: Render, written: Written) -> None:
    """With picker.create false nothing of it is deployed, and the post-renderer knows that it exists elsewhere."""
    picker = {"create": False, "name": "theirs", "serviceAccount": "theirs", "port": 9010, "destinationRule": False}
    objects = render_once(*written({"pools": {"p": {"component": "model-registry", "picker": picker}}}), "--skip-tests")
    assert not kinds(objects, "Deployment")
    assert not kinds(objects, "Role")
    ref = find(objects, "InferencePool", "p")["spec"]["endpointPickerRef"]
    assert (ref["name"], ref["port"]) == ("theirs", {"number": 9010})
    external = find(objects, "MeshPolicy", "ml-mesh-mesh-policy", "ml-mesh")["spec"]["external"]
    assert "theirs.ml-serving.svc.cluster.local" in external["hosts"]
    assert not [rule for rule in kinds(objects, "DestinationRule") if "theirs" in rule["spec"]["host"]]


def test_several_pickers_elect_one(render_once: Render, written: Written) -> None:
    """Several pickers have the flag and the rights for it, and no rollout in which the old must outlive the new."""
    pool = {"component": "model-registry", "picker": {"replicas": 2}}
    objects = render_once(*written({"pools": {"p": pool}}))
    spec = find(objects, "Deployment", "p-picker")["spec"]
    assert spec["strategy"] == {"type": "Recreate"}
    assert "--ha-enable-leader-election" in spec["template"]["spec"]["containers"][0]["args"]
    granted = {resource for rule in find(objects, "Role", "p-picker")["rules"] for resource in rule["resources"]}
    assert {"leases", "events"} <= granted


def test_body_routing_comes_before_the_picker(render_once: Render, written: Written) -> None:
    """The filter stands before the pools' own; on a gateway without pools, where theirs would be."""

    def anchor(*arguments: str) -> str:
        spec = find(render_once(*arguments), "EnvoyFilter", "ml-gateway-body-router")["spec"]
        (patch,) = spec["configPatches"]
        assert patch["patch"]["operation"] == "INSERT_BEFORE"
        return str(patch["match"]["listener"]["filterChain"]["filter"]["subFilter"]["name"])

    assert anchor(*OVERLAY) == "envoy.filters.http.ext_proc"
    alone = {"gateways": {"ml-gateway": {"bodyRouting": {"enabled": True}}}}
    assert anchor(*written(alone)) == "envoy.filters.http.grpc_stats"
