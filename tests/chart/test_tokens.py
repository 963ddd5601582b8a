"""`authentication` becomes RequestAuthentications, and every rule of who reads tokens demands one."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from dev.toolchain import ROOT
from tests.chart.charts import Render, find, key, kinds
from tests.support.streams import rendered

Written = Callable[..., tuple[str, str]]

ISSUER = {"issuer": "https://login.example.com", "forwardOriginalToken": True, "audiences": ["ml"]}
CLAIM = {"request.auth.claims[models]": {"values": ["llama"]}}
WHEN = [{"key": "request.auth.claims[models]", "values": ["llama"]}]
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "tokens.md").read_text(), re.MULTILINE | re.DOTALL)
GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "ml-gateway"}


def reading(*components: str, accepts: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Values whose gateway, with those rules, and whose components read tokens."""
    users = {"enabled": True, "components": dict.fromkeys(components, True), "jwtRules": {"login": ISSUER}}
    return {
        "authentication": {"users": users},
        "gateways": {"ml-gateway": {"accepts": accepts or {}}},
        **more,
    }


def test_none_unless_asked_for(render: Render) -> None:
    """The default values read no tokens."""
    assert kinds(render(), "RequestAuthentication") == []


def test_tokens_are_read_where_values_say(render: Render, written: Written) -> None:
    """One object for each gateway and each component, with Istio's own rules; what is off has none."""
    values = reading("model-registry", "training-jobs")
    users = values["authentication"]["users"]
    users["jwtRules"]["off"] = {"enabled": False, "issuer": "x"}
    values["components"] = {"training-jobs": {"enabled": False}}
    objects = kinds(render(*written(values)), "RequestAuthentication")
    assert {key(each)[1:]: each["spec"] for each in objects} == {
        ("ml-serving", "users-ml-gateway"): {"targetRefs": [GATEWAY], "jwtRules": [ISSUER]},
        ("ml-serving", "users-model-registry"): {
            "selector": {"matchLabels": {"app": "model-registry"}},
            "jwtRules": [ISSUER],
        },
    }


def test_rules_of_a_gateway(render: Render, written: Written) -> None:
    """Each rule demands a token unless it says otherwise, and what must stand in it."""
    accepts = {
        "any": {"hosts": ["a.example.com"], "methods": ["GET"]},
        "llama": {"paths": ["/llama/*"], "when": {**CLAIM, "request.headers[x]": {"enabled": False, "values": ["y"]}}},
        "off": {"enabled": False, "methods": ["PUT"]},
        "preflight": {"methods": ["OPTIONS"], "token": False},
        "staff": {"grpc": ["a.B/*"], "requestPrincipals": ["https://login.example.com/staff"]},
    }
    spec = find(render(*written(reading(accepts=accepts))), "AuthorizationPolicy", "ml-gateway-access")["spec"]
    anybody = [{"source": {"requestPrincipals": ["*"]}}]
    assert spec == {
        "targetRefs": [GATEWAY],
        "action": "ALLOW",
        "rules": [
            {"from": anybody, "to": [{"operation": {"hosts": ["a.example.com"], "methods": ["GET"]}}]},
            {"from": anybody, "to": [{"operation": {"paths": ["/llama/*"]}}], "when": WHEN},
            {"to": [{"operation": {"methods": ["OPTIONS"]}}]},
            {
                "from": [{"source": {"requestPrincipals": ["https://login.example.com/staff"]}}],
                "to": [{"operation": {"methods": ["POST"], "paths": ["/a.B/*"]}}],
            },
        ],
    }


def test_without_authentication_rules_of_a_gateway_demand_nothing(render: Render, written: Written) -> None:
    """They are then of hosts, methods and paths alone."""
    values = {"gateways": {"ml-gateway": {"accepts": {"all": {"paths": ["/v1/*"]}}}}}
    spec = find(render(*written(values)), "AuthorizationPolicy", "ml-gateway-access")["spec"]
    assert spec["rules"] == [{"to": [{"operation": {"paths": ["/v1/*"]}}]}]


@pytest.mark.parametrize("mode", ["enforce", "dry-run"])
def test_who_reads_tokens_demands_one(render: Render, written: Written, mode: str) -> None:
    """With no rule at all there is a policy that lets in nobody without a valid token; its mode is the namespace's."""
    objects = render(*written(reading("model-registry", authorization={"mode": mode})))
    for name in ("ml-gateway-access", "model-registry-access"):
        policy = find(objects, "AuthorizationPolicy", name)
        assert policy["spec"]["rules"] == [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]
        assert ("istio.io/dry-run" in policy["metadata"].get("annotations", {})) is (mode == "dry-run")


def test_rules_of_a_component(render: Render, written: Written) -> None:
    """Identity and token are demanded together; a rule that names nobody takes whoever has the token."""
    one = {"components": {"training-jobs": True}}
    accepts = {
        "anybody": {"when": CLAIM},
        "batch": {**one, "token": False},
        "users": {**one, "when": CLAIM},
    }
    refuses = {"guests": {**one, "requestPrincipals": ["x/guest"]}}
    more = {"components": {"model-registry": {"accepts": accepts, "refuses": refuses}}}
    objects = render(*written(reading("model-registry", **more)))
    principal = "cluster.local/ns/ml-training/sa/training-jobs"
    assert find(objects, "AuthorizationPolicy", "model-registry-access")["spec"]["rules"] == [
        {"from": [{"source": {"requestPrincipals": ["*"]}}], "when": WHEN},
        {"from": [{"source": {"principals": [principal]}}]},
        {"from": [{"source": {"principals": [principal], "requestPrincipals": ["*"]}}], "when": WHEN},
    ]
    assert find(objects, "AuthorizationPolicy", "model-registry-refuse")["spec"]["rules"] == [
        {"from": [{"source": {"principals": [principal], "requestPrincipals": ["x/guest"]}}]}
    ]


def test_what_a_wider_selector_reads_a_narrower_one_demands(render: Render, written: Written) -> None:
    """The RequestAuthentication of a component holds for pods of another one too, whose rules then demand the token."""
    narrow = {
        "role": "inference",
        "namespace": "serving",
        "selector": {"app": "model-registry", "version": "v2"},
        "accepts": {"all": {"components": {"training-jobs": True}}},
    }
    objects = render(*written(reading("model-registry", components={"narrow": narrow})))
    (rule,) = find(objects, "AuthorizationPolicy", "narrow-access")["spec"]["rules"]
    assert rule["from"][0]["source"]["requestPrincipals"] == ["*"]
    (other,) = find(objects, "AuthorizationPolicy", "inference-access")["spec"]["rules"]
    assert "requestPrincipals" not in other["from"][0]["source"]


def test_default_deny_opens_no_gateway_with_rules(render: Render, written: Written) -> None:
    """A gateway with a policy has no other that lets everybody in; direct metrics of who reads tokens stay open."""
    deny = {"authorization": {"defaultDeny": {"serving": True}}}
    metrics = {"components": {"model-registry": {"metrics": {"port": 9000, "direct": True}}}}
    objects = render(*written({**reading("model-registry", **metrics), **deny}))
    names = {name for _, _, name in map(key, kinds(objects, "AuthorizationPolicy"))}
    assert "default-deny" in names
    assert "ml-gateway-open" not in names
    _, scrape = find(objects, "AuthorizationPolicy", "model-registry-access")["spec"]["rules"]
    assert scrape == {"to": [{"operation": {"methods": ["GET"], "paths": ["/metrics"], "ports": ["9000"]}}]}


def test_network_policy_of_a_rule_that_names_nobody(render: Render, written: Written) -> None:
    """Whoever has the token may come from anywhere, on the rule's ports."""
    rule = {"when": CLAIM, "ports": ["http"]}
    component = {"model-registry": {"ports": {"http": {"port": 5000}}, "accepts": {"anybody": rule}}}
    values = {**reading("model-registry", components=component), "networkPolicies": {"enabled": True}}
    spec = find(render(*written(values)), "NetworkPolicy", "model-registry")["spec"]
    assert spec["ingress"][-1] == {"ports": [{"port": 5000, "protocol": "TCP"}, {"port": 15008, "protocol": "TCP"}]}


def test_no_invariant_is_broken(stream: Callable[..., str], written: Written) -> None:
    """The post-renderer has no error to tell of tokens at gateways and at components."""
    rules = {"users": {"gateways": {"ml-gateway": True}, "when": CLAIM}}
    values = reading("kserve-predictor", accepts={"llama": {"paths": ["/v1/models/*"], "when": CLAIM}})
    values["components"] = {"kserve-predictor": {"accepts": rules}}
    found = rendered(stream("-f", "values/demo.yaml", *written(values))).findings
    assert [each for each in found if each.severity == "error"] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=["gateway", "component"])
def test_the_examples_of_the_page(stream: Callable[..., str], written: Written, example: str) -> None:
    """They render, break no invariant, and have the claim demanded."""
    text = stream(*written(yaml.safe_load(example)))
    assert [each for each in rendered(text).findings if each.severity == "error"] == []
    assert "key: request.auth.claims[models]" in text
