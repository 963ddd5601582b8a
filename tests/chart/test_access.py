"""`accepts` and `refuses` of the components become AuthorizationPolicies: who is named, for what, and how they hold."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.charts import Render, find, key, kinds
from tests.support.streams import rendered

TRUST = "cluster.local/ns"
POLICY = ("AuthorizationPolicy", "features-access")
FEATURES = {"role": "feature-store", "namespace": "serving", "selector": {"app": "features"}}


def features(**more: Any) -> dict[str, Any]:
    """Values with a component `features` of these fields."""
    return {"components": {"features": {**FEATURES, **more}}}


def test_everybody_who_is_named(render: Render, written: Callable[..., tuple[str, str]]) -> None:
    """A rule names callers, gateways and components, each by the identity that it runs as, and nobody who is off."""
    named = {
        "callers": {"frontend": True, "off": True},
        "gateways": {"ml-gateway": True, "own": True},
        "components": {"training-jobs": True, "model-registry": False, "pipeline-controller": True},
    }
    values = features(accepts={"all": named})
    values["components"]["pipeline-controller"] = {"serviceAccount": {"name": "pipelines"}}
    values["callers"] = {"off": {"enabled": False, "namespace": "frontend", "serviceAccount": "x"}}
    values["gateways"] = {
        "own": {
            "namespace": "training",
            "gatewayClassName": "istio",
            "listeners": {"a": {"port": 80, "protocol": "HTTP"}},
        }
    }
    spec = find(render(*written(values)), *POLICY)["spec"]
    assert spec == {
        "selector": {"matchLabels": {"app": "features"}},
        "action": "ALLOW",
        "rules": [
            {
                "from": [
                    {
                        "source": {
                            "principals": [
                                f"{TRUST}/ml-frontend/sa/frontend-sa",
                                f"{TRUST}/ml-serving/sa/gateway-sa",
                                f"{TRUST}/ml-training/sa/own-istio",
                                f"{TRUST}/ml-training/sa/pipelines",
                                f"{TRUST}/ml-training/sa/training-jobs",
                            ]
                        }
                    }
                ]
            }
        ],
    }


@pytest.mark.parametrize(
    ("rule", "operations"),
    [
        ({"methods": ["GET"]}, [{"methods": ["GET"]}]),
        ({"grpc": ["a.B/C", "a.D/*"]}, [{"methods": ["POST"], "paths": ["/a.B/C", "/a.D/*"]}]),
        (
            {"paths": ["/x"], "grpc": ["a.B/*"], "ports": ["http"]},
            [{"paths": ["/x"], "ports": ["8080"]}, {"methods": ["POST"], "paths": ["/a.B/*"], "ports": ["8080"]}],
        ),
        # Policies of pods see the containers' ports, not those of the Service.
        ({"ports": ["http", "tcp-sync"]}, [{"ports": ["8080", "9000"]}]),
    ],
)
def test_operations(
    render_once: Render, written: Callable[..., tuple[str, str]], rule: dict[str, Any], operations: list[dict[str, Any]]
) -> None:
    """Methods, paths and ports are one operation, methods of gRPC another."""
    ports = {"http": {"port": 80, "targetPort": 8080}, "tcp-sync": {"port": 9000}}
    values = features(ports=ports, accepts={"all": {"gateways": {"ml-gateway": True}, **rule}})
    (found,) = find(render_once(*written(values)), *POLICY)["spec"]["rules"]
    assert found["to"] == [{"operation": operation} for operation in operations]


def test_refusals_are_a_policy_of_their_own(render: Render, written: Callable[..., tuple[str, str]]) -> None:
    """`refuses` is a DENY of the same form; an item that is off is no rule."""
    gateway = {"gateways": {"ml-gateway": True}}
    values = features(refuses={"writes": {**gateway, "methods": ["POST"]}, "off": {**gateway, "enabled": False}})
    objects = render(*written(values))
    spec = find(objects, "AuthorizationPolicy", "features-refuse")["spec"]
    assert spec["action"] == "DENY"
    assert [rule["to"] for rule in spec["rules"]] == [[{"operation": {"methods": ["POST"]}}]]
    assert "features-access" not in {name for _, _, name in map(key, objects)}
    values["components"]["features"]["metrics"] = {"port": 9000, "direct": True}
    # Metrics that are let in are nothing to refuse.
    assert find(render(*written(values)), "AuthorizationPolicy", "features-refuse")["spec"] == spec


def _held(objects: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    return {
        key(policy)[1:]: policy["metadata"].get("annotations", {}).get("istio.io/dry-run", "")
        for policy in kinds(objects, "AuthorizationPolicy")
    }


@pytest.mark.parametrize(
    ("mode", "serving", "training"),
    [
        ({"mode": "enforce"}, "", ""),
        ({"mode": "dry-run"}, "true", "true"),
        ({"mode": "enforce", "namespaces": {"training": "dry-run"}}, "", "true"),
        ({"mode": "dry-run", "namespaces": {"serving": "enforce"}}, "", "true"),
        ({"mode": "off"}, None, None),
        ({"mode": False}, None, None),
        ({"mode": "off", "namespaces": {"training": "enforce"}}, None, ""),
        ({"mode": "enforce", "namespaces": {"serving": False}}, None, ""),
    ],
)
def test_how_policies_hold(
    render: Render,
    written: Callable[..., tuple[str, str]],
    mode: dict[str, Any],
    serving: str | None,
    training: str | None,
) -> None:
    """For every policy of a namespace: enforced, in Istio's dry-run, or not there; YAML's bare off is off."""
    start = {"start": {"gateways": {"ml-gateway": True}}}
    values = {"components": {"pipeline-controller": {"accepts": start}, "inference-service": {"server": "vllm"}}}
    expected = {
        ("ml-serving", "inference-access"): serving,
        ("ml-serving", "inference-service-admin"): serving,
        ("ml-training", "pipeline-controller-access"): training,
    }
    held = _held(render(*written({**values, "authorization": mode})))
    assert held == {place: dry for place, dry in expected.items() if dry is not None}


def test_default_deny(render: Render, written: Callable[..., tuple[str, str]]) -> None:
    """Where asked for, all pods of a namespace refuse whom no policy lets in; gateways stay open, and metrics."""
    metrics = {"model-registry": {"metrics": {"port": 9000, "direct": True}}}
    values: dict[str, Any] = {
        "authorization": {"defaultDeny": {"serving": True, "training": False}},
        "components": metrics,
    }
    objects = render(*written(values))
    assert {key(policy)[1:] for policy in kinds(objects, "AuthorizationPolicy")} == {
        ("ml-serving", "default-deny"),
        ("ml-serving", "inference-access"),
        ("ml-serving", "ml-gateway-open"),
        ("ml-serving", "model-registry-access"),
    }
    assert find(objects, "AuthorizationPolicy", "default-deny")["spec"] == {}
    assert find(objects, "AuthorizationPolicy", "ml-gateway-open")["spec"] == {
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "ml-gateway"}],
        "action": "ALLOW",
        "rules": [{}],
    }
    assert find(objects, "AuthorizationPolicy", "model-registry-access")["spec"]["rules"] == [
        {"to": [{"operation": {"methods": ["GET"], "paths": ["/metrics"], "ports": ["9000"]}}]}
    ]
    dry = {"authorization": {**values["authorization"], "mode": "dry-run"}}
    assert set(_held(render(*written({**values, **dry}))).values()) == {"true"}
    off = {"authorization": {**values["authorization"], "mode": "off"}}
    assert _held(render(*written({**values, **off}))) == {}


def test_default_deny_of_the_demo_has_no_errors(stream: Callable[..., str]) -> None:
    """Its routes lead to pods that then refuse: with rules for these no finding is left, and without them MLM402 is."""
    deny = "authorization.defaultDeny.serving=true"
    told = {
        each.code
        for each in rendered(stream("-f", "values/demo.yaml", "--set", deny)).findings
        if each.severity == "error"
    }
    rules = ",".join(
        f"components.{name}.accepts.all.gateways.ml-gateway=true" for name in ("kserve-predictor", "feature-store")
    )
    found = rendered(stream("-f", "values/demo.yaml", "--set", f"{deny},{rules}")).findings
    assert (told, [each.code for each in found if each.severity == "error"]) == ({"MLM402"}, [])


def test_long_names_are_cut_and_stay_two(render: Render, written: Callable[..., tuple[str, str]]) -> None:
    """A name of 63 characters gives policies of at most 63; two that differ at the end only stay two."""
    rules = {"all": {"gateways": {"ml-gateway": True}}}
    long = ["a" * 62 + end for end in "xy"]
    components = {
        name: {**FEATURES, "selector": {"app": name[-1]}, "accepts": rules, "refuses": rules, "server": "vllm"}
        for name in long
    }
    names = [key(policy)[2] for policy in kinds(render(*written({"components": components})), "AuthorizationPolicy")]
    assert len(names) == len(set(names)) == 7
    assert max(map(len, names)) == 63


def test_an_identity_that_nobody_here_has_is_declared(
    stream: Callable[..., str], written: Callable[..., tuple[str, str]]
) -> None:
    """A component that others deploy is a caller without an error; one whose workload is here need not be declared."""
    container = {"containers": [{"name": "a", "image": "a"}]}
    workload = {"kind": "Deployment", "spec": {"template": {"spec": container}}}
    values = features(accepts={"all": {"components": {"model-registry": True, "feature-store": True}}})
    values["components"]["model-registry"] = {"workload": workload}
    result = rendered(stream(*written(values)))
    assert [finding.code for finding in result.findings if finding.severity == "error"] == []
    assert f"{TRUST}/ml-serving/sa/feature-store" in b"".join(result.output).decode()
    assert f'"{TRUST}/ml-serving/sa/model-registry"' not in b"".join(result.output).decode()


def test_metrics_are_let_in_past_the_rules_of_a_wider_selector(
    render: Render, written: Callable[..., tuple[str, str]]
) -> None:
    """Its policy holds for the pods of the narrower one, too, and names neither Prometheus nor a picker."""
    narrow = {"role": "inference", "namespace": "serving", "selector": {"app": "inference-service", "version": "v1"}}
    direct = {"narrow": {**narrow, "metrics": {"port": 8080, "direct": True}}}
    gateway = {"inference-service": {"accepts": {"models": {"gateways": {"ml-gateway": True}}}}}
    policies = {"networkPolicies": {"enabled": True}}
    where = {"methods": ["GET"], "paths": ["/metrics"], "ports": ["8080"]}
    objects = render(*written({"components": direct, **policies}))
    assert find(objects, "AuthorizationPolicy", "narrow-access")["spec"]["rules"] == [{"to": [{"operation": where}]}]
    ports = find(objects, "NetworkPolicy", "narrow")["spec"]["ingress"][0]["ports"]
    assert {"port": 8080, "protocol": "TCP"} in ports
    objects = render(
        *written({"components": {"narrow": narrow, **gateway}, "pools": {"p": {"component": "narrow"}}, **policies})
    )
    source = {"principals": [f"{TRUST}/ml-serving/sa/p-picker"]}
    assert find(objects, "AuthorizationPolicy", "narrow-access")["spec"]["rules"] == [
        {"from": [{"source": source}], "to": [{"operation": where}]}
    ]
    peers = [
        peer for rule in find(objects, "NetworkPolicy", "narrow")["spec"]["ingress"] for peer in rule.get("from", [])
    ]
    assert {"app": "p-picker"} in [peer["podSelector"]["matchLabels"] for peer in peers]
    # Where no wider selector has rules, nobody is refused, and none is needed.
    open_ = {
        "components": {"narrow": narrow, "inference-service": {"accepts": None}},
        "pools": {"p": {"component": "narrow"}},
    }
    assert [key(each)[2] for each in kinds(render(*written(open_)), "AuthorizationPolicy")] == []
