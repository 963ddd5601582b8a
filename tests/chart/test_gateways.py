"""Gateways and routes across namespaces: who is let in, what is granted; gateways that exist; settings."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.chart.charts import Render, find, key, kinds
from tests.support.streams import rendered

Written = Callable[[dict[str, Any]], tuple[str, str]]

SECRET = {"name": "certificate", "namespace": "ml-training"}
PASSED = {"mode": "Passthrough"}
HTTPS = {"port": 443, "protocol": "HTTPS", "tls": {"mode": "Terminate", "certificateRefs": [SECRET, {"name": "own"}]}}


def route(**changes: Any) -> dict[str, Any]:
    """Values of the default route with changes."""
    return {"routes": {"inference-route": changes}}


def listeners(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The gateway's listeners by name."""
    return {each["name"]: each for each in find(objects, "Gateway", "ml-gateway")["spec"]["listeners"]}


@pytest.mark.parametrize("named", [True, False])
def test_a_listener_takes_routes_of_their_namespaces(render: Render, written: Written, named: bool) -> None:
    """Where a route is of another namespace, its listener takes that one and the gateway's own; or all of them do."""
    objects = render(*written(route(namespace="training", listener="http" if named else "")))
    found = listeners(objects)
    names = ["ml-serving", "ml-training"]
    selector = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": names}]}
    allowed = {"namespaces": {"from": "Selector", "selector": selector}}
    assert found["http"]["allowedRoutes"] == allowed
    assert found["grpc"].get("allowedRoutes") == (None if named else allowed)


def test_what_a_listener_says_of_namespaces_stands(render: Render, written: Written) -> None:
    """An allowedRoutes of one's own is not touched; kinds alone are joined with the namespaces."""
    values = route(namespace="training")
    own = {"namespaces": {"from": "All"}}
    kinds_alone = {"kinds": [{"kind": "HTTPRoute"}]}
    said = {"http": {"allowedRoutes": own}, "grpc": {"allowedRoutes": kinds_alone}}
    found = listeners(render(*written({**values, "gateways": {"ml-gateway": {"listeners": said}}})))
    assert found["http"]["allowedRoutes"] == own
    assert found["grpc"]["allowedRoutes"]["kinds"] == kinds_alone["kinds"]
    assert found["grpc"]["allowedRoutes"]["namespaces"]["from"] == "Selector"


def test_a_secret_elsewhere_is_granted(render: Render, written: Written) -> None:
    """A certificate in another namespace of the values has its grant there; the gateway's own or a stranger's none."""
    other = {**HTTPS, "port": 8443, "tls": {"certificateRefs": [{"name": "x", "namespace": "of-others"}, SECRET]}}
    values = {"gateways": {"ml-gateway": {"listeners": {"https": HTTPS, "more": other}}}}
    (grant,) = kinds(render(*written(values)), "ReferenceGrant")
    assert key(grant)[1:] == ("ml-training", "ml-gateway-certificates")
    assert grant["spec"] == {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "ml-serving"}],
        "to": [{"group": "", "kind": "Secret", "name": "certificate"}],
    }


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "HTTPRoute"),
        ({"kind": "GRPCRoute", "rules": {"models": {"matches": []}}}, "HTTPRoute"),
        ({"kind": "GRPCRoute", "timeouts": False, "rules": {"models": {"matches": []}}}, "GRPCRoute"),
        ({"kind": "TLSRoute", "rules": {"models": {"matches": []}}}, "TLSRoute"),
    ],
)
def test_a_backend_elsewhere_is_granted(
    render: Render, written: Written, stream: Callable[..., str], changes: dict[str, Any], kind: str
) -> None:
    """The route names the backend's namespace, which lets routes of that kind in; nothing is left for MLM704 to say."""
    rules = {"models": {**changes.get("rules", {}).get("models", {})}}
    rules["models"]["backends"] = {"kserve-predictor": {"namespace": "training"}, "other": {"port": 80}}
    passing = {"gateways": {"ml-gateway": {"listeners": {"tls": {"port": 8443, "protocol": "TLS", "tls": PASSED}}}}}
    arguments = written({**route(**{**changes, "rules": rules}), **passing})
    objects = render(*arguments)
    backends = find(objects, kind, "inference-route")["spec"]["rules"][0]["backendRefs"]
    assert [(each["name"], each.get("namespace")) for each in backends] == [
        ("kserve-predictor", "ml-training"),
        ("other", None),
    ]
    grant = find(objects, "ReferenceGrant", "inference-route-backends", "ml-training")
    assert grant["spec"] == {
        "from": [{"group": "gateway.networking.k8s.io", "kind": kind, "namespace": "ml-serving"}],
        "to": [{"group": "", "kind": "Service", "name": "kserve-predictor"}],
    }
    assert "kserve-predictor.ml-training.svc.cluster.local" in _external(objects)["hosts"]
    text = stream(*arguments)
    assert [each for each in rendered(text).findings if each.severity == "error"] == []
    # Callers in the mesh find what a gRPC route leads to where it is.
    routed = {key(each)[1] for each in kinds(objects, "VirtualService") if key(each)[2] == "kserve-predictor-grpc"}
    assert routed == ({"ml-training"} if (changes.get("kind"), kind) == ("GRPCRoute", "HTTPRoute") else set())


def _external(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """What the policy is told of others."""
    (policy,) = kinds(objects, "MeshPolicy")
    found: dict[str, Any] = policy["spec"]["external"]
    return found


def test_a_gateway_that_exists_is_adopted(render: Render, written: Written, stream: Callable[..., str]) -> None:
    """Nothing of it is rendered; routes attach to it, rules name its account, and the policy takes it to be there."""
    values = {
        "namespaces": {"edge": {"name": "istio-ingress", "create": False}},
        "gateways": {"ml-gateway": {"create": False, "namespace": "edge", "serviceAccount": "ingress"}},
        "networkPolicies": {"enabled": True},
    }
    objects = render(*written(values))
    assert kinds(objects, "Gateway") == []
    parents = find(objects, "HTTPRoute", "inference-route")["spec"]["parentRefs"]
    assert parents == [{"name": "ml-gateway", "namespace": "istio-ingress"}]
    (rule,) = find(objects, "AuthorizationPolicy", "inference-access")["spec"]["rules"]
    principal = "cluster.local/ns/istio-ingress/sa/ingress"
    assert principal in rule["from"][0]["source"]["principals"]
    external = _external(objects)
    assert external["gateways"] == ["istio-ingress/ml-gateway"]
    assert principal in external["principals"]
    assert [each for each in rendered(stream(*written(values))).findings if each.severity == "error"] == []


def test_pods_of_a_gateway_that_istiod_does_not_deploy(render: Render, written: Written) -> None:
    """Addresses are passed through, and a NetworkPolicy lets the pods in that the labels find."""
    address = {"type": "Hostname", "value": "ingress.istio-ingress.svc.cluster.local"}
    gateway = {"addresses": [address], "podLabels": {"istio": "ingress"}}
    objects = render(*written({"gateways": {"ml-gateway": gateway}, "networkPolicies": {"enabled": True}}))
    assert find(objects, "Gateway", "ml-gateway")["spec"]["addresses"] == [address]
    rules = find(objects, "NetworkPolicy", "inference-service")["spec"]["ingress"]
    assert {"matchLabels": {"istio": "ingress"}} in [
        peer.get("podSelector") for each in rules for peer in each.get("from", [])
    ]


@pytest.mark.parametrize("create", [True, False])
def test_rules_find_the_pods_of_a_gateway_that_istiod_does_not_deploy(
    render: Render, written: Written, create: bool
) -> None:
    """By targetRefs istiod finds its own pods alone: what is for a gateway is bound to other pods by their labels."""
    pods = {"istio": "ingress"}
    gateway = {"create": create, "podLabels": pods, "bodyRouting": {"enabled": True}}
    values: dict[str, Any] = {
        "gateways": {"ml-gateway": {**gateway, "accepts": {"all": {"paths": ["/v1/*"]}}}},
        "authentication": {"users": {"enabled": True, "jwtRules": {"x": {"issuer": "https://x.example.com"}}}},
        "routes": {"inference-route": {"stallGuard": {"enabled": True}}},
        "networkPolicies": {"enabled": True},
        "profile": "inference-extension",
    }
    objects = render(*written(values))
    for kind, name in (("AuthorizationPolicy", "ml-gateway-access"), ("RequestAuthentication", "users-ml-gateway")):
        spec = find(objects, kind, name)["spec"]
        assert (spec["selector"], spec.get("targetRefs")) == ({"matchLabels": pods}, None)
    filters = kinds(objects, "EnvoyFilter")
    assert sorted(key(each)[2] for each in filters) == [
        "inference-route-stall-guard",
        "llm-split",
        "ml-gateway-body-router",
    ]
    assert [(each["spec"]["workloadSelector"], each["spec"].get("targetRefs")) for each in filters] == [
        ({"labels": pods}, None)
    ] * 3
    for name in ("small-pool-picker", "ml-gateway-body-router"):
        peers = [
            peer for rule in find(objects, "NetworkPolicy", name)["spec"]["ingress"] for peer in rule.get("from", [])
        ]
        assert [peer["podSelector"]["matchLabels"] for peer in peers] == [pods]
    del values["gateways"]["ml-gateway"]["accepts"]
    values["authentication"], values["authorization"] = {}, {"defaultDeny": {"serving": True}}
    assert find(render(*written(values)), "AuthorizationPolicy", "ml-gateway-open")["spec"]["selector"] == {
        "matchLabels": pods
    }


def test_a_guard_finds_rules_that_have_a_name(render: Render, written: Written) -> None:
    """istiod calls a route by the name of its rule where it has one."""
    guard = {"enabled": True, "rules": {"named": True}}
    rules = {"named": {"backends": {"x": {"port": 80}}, "rule": {"name": "chat"}}}
    objects = render(*written(route(rules=rules, stallGuard=guard)))
    patches = find(objects, "EnvoyFilter", "inference-route-stall-guard")["spec"]["configPatches"]
    named = [patch["match"]["routeConfiguration"]["vhost"]["route"]["name"] for patch in patches]
    assert named == ["ml-serving.inference-route.0", "chat"]


def test_settings_of_a_gateways_connections(render: Render, written: Written) -> None:
    """They are an annotation of its pods, which Istio's injector reads."""
    settings = {"listenerPerConnectionBufferLimitBytes": 4194304, "http2InitialStreamWindowSize": 1048576}
    objects = render(*written({"gateways": {"ml-gateway": {"connectionSettings": settings}}}))
    annotations = find(objects, "Gateway", "ml-gateway")["spec"]["infrastructure"]["annotations"]
    assert yaml.safe_load(annotations["proxy.istio.io/config"]) == {"connectionSettings": settings}
