"""A release of one team stays in its namespace, under names of its own; the mesh's names are values everywhere."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from dev.toolchain import ROOT
from tests.chart.charts import Render, documents, find, kinds
from tests.support.streams import rendered

FILES = [f"values/{path.name}" for path in sorted((ROOT / "values").glob("*.yaml"))] + ["tests/chart/full.yaml"]
TEAM = ("--namespace", "search", "--set", "scope=team")
KNOWN_BY_NAME = ("Service", "ServiceAccount", "InferencePool", "InferenceObjective")
RULE = "DestinationRule"
POOL = {"kind": "InferencePool"}
OF_ITS_NAMESPACE = ("VirtualService", "DestinationRule", "ServiceEntry")
# Istio's and Kubernetes' own kinds that are not of a namespace, as far as a chart could hold them.
OF_THE_CLUSTER = {"Namespace", "ClusterRole", "ClusterRoleBinding", "GatewayClass", "CustomResourceDefinition"}


def _names(objects: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(item["kind"], item["metadata"]["name"]) for item in objects]


@pytest.mark.parametrize("file", FILES)
def test_everything_is_in_the_releases_namespace(render: Render, file: str) -> None:
    """No object is of the cluster or of another namespace, and none comes twice."""
    objects = render("-f", file, *TEAM)
    assert {item["metadata"].get("namespace") for item in objects} == {"search"}
    assert not OF_THE_CLUSTER & {item["kind"] for item in objects}
    assert len(_names(objects)) == len(set(_names(objects))) > 5


@pytest.mark.parametrize("file", FILES)
def test_names_begin_with_the_releases(render: Render, file: str) -> None:
    """All but what others know by name: of two releases in one namespace only that could meet."""
    objects = render("-f", file, *TEAM)
    others = {(kind, name) for kind, name in _names(objects) if not name.startswith("ml-mesh-")}
    assert {kind for kind, _ in others} <= set(KNOWN_BY_NAME)
    for item in objects:
        hook = "helm.sh/hook" in item["metadata"].get("annotations", {})
        # What a gateway has of its own is named after it.
        if (
            item["kind"] in KNOWN_BY_NAME
            and not hook
            and not item["metadata"]["name"].startswith("ml-mesh-ml-gateway-")
        ):
            assert not item["metadata"]["name"].startswith("ml-mesh-")


# The first day in the mesh has no such rules.
@pytest.mark.parametrize("file", [file for file in FILES if file != "values/adopt.yaml"])
def test_rules_hold_for_the_namespace_alone(render: Render, file: str) -> None:
    """What Istio would show to all namespaces says that it is for its own; without the scope it does not."""
    ours = [item for kind in OF_ITS_NAMESPACE for item in kinds(render("-f", file, *TEAM), kind)]
    assert ours
    assert [item["spec"].get("exportTo") for item in ours] == [["."]] * len(ours)
    assert "exportTo" not in kinds(render("-f", file), "VirtualService")[0]["spec"]


@pytest.mark.parametrize("file", FILES)
def test_a_teams_release_has_no_errors(stream: Callable[..., str], file: str) -> None:
    """Each reference among its objects still leads somewhere, as the post-renderer sees it."""
    findings = rendered(stream("-f", file, *TEAM)).findings
    assert {finding.severity for finding in findings} <= {"warning", "info"}


def test_references_follow_the_names(render: Render) -> None:
    """The route names the gateway, the stall guard both, and the identity of a caller elsewhere stays."""
    objects = render("-f", "tests/chart/full.yaml", *TEAM, "--set", "gateways.ml-gateway.podLabels=null")
    route = find(objects, "HTTPRoute", "ml-mesh-inference-route", "search")
    assert route["spec"]["parentRefs"][0] == {"name": "ml-mesh-ml-gateway", "sectionName": "http"}
    guard = find(objects, "EnvoyFilter", "ml-mesh-inference-route-stall-guard", "search")
    assert guard["spec"]["targetRefs"][0]["name"] == "ml-mesh-ml-gateway"
    (patch,) = guard["spec"]["configPatches"]
    assert patch["match"]["routeConfiguration"]["vhost"]["route"]["name"] == "search.ml-mesh-inference-route.0"
    # Clients in other namespaces have no guard.
    assert find(objects, "EnvoyFilter", "ml-mesh-llm-service-stall-guard", "search")
    access = find(objects, "AuthorizationPolicy", "ml-mesh-inference-access", "search")
    sources = [each["source"] for rule in access["spec"]["rules"] for each in rule.get("from", [])]
    assert {principal for source in sources for principal in source.get("principals", [])} == {
        "example.com/ns/ml-frontend/sa/frontend-sa",
        "example.com/ns/search/sa/gateway-sa",
        "example.com/ns/search/sa/llm-picker-sa",
        "example.com/ns/search/sa/training-jobs",
    }


def test_the_strictest_mode_holds(render: Render, written: Callable[..., tuple[str, str]]) -> None:
    """Where namespaces that become one had different modes, what was enforced in one of them is enforced."""
    values = {"authorization": {"mode": "off", "namespaces": {"training": "enforce"}}}
    assert kinds(render(*written(values), *TEAM), "AuthorizationPolicy")
    assert not kinds(render(*written({"authorization": {"mode": "off"}}), *TEAM), "AuthorizationPolicy")
    dry = kinds(render(*written({"authorization": {"mode": "dry-run"}}), *TEAM), "AuthorizationPolicy")
    assert {item["metadata"]["annotations"]["istio.io/dry-run"] for item in dry} == {"true"}


def test_the_strictest_outbound_policy_holds(render: Render, written: Callable[..., tuple[str, str]]) -> None:
    """Where namespaces that become one let out differently, what one of them refuses is refused."""
    for said in ({"serving": "ALLOW_ANY", "training": "REGISTRY_ONLY"}, {"serving": "REGISTRY_ONLY"}):
        objects = render(*written({"egress": {"outboundTrafficPolicy": said}}), *TEAM)
        policy = find(objects, "Sidecar", "ml-mesh-default", "search")["spec"]["outboundTrafficPolicy"]
        assert policy == {"mode": "REGISTRY_ONLY"}
    assert not kinds(render(*TEAM), "Sidecar")


def test_an_adopted_gateway_stays_where_it_is(render: Render, written: Callable[..., tuple[str, str]]) -> None:
    """It keeps its name and namespace, routes name both, and nothing is rendered there."""
    values = {
        "namespaces": {"edge": {"name": "istio-ingress", "create": False}},
        "gateways": {"ml-gateway": {"create": False, "namespace": "edge", "serviceAccount": "ingress"}},
    }
    objects = render(*written(values), *TEAM)
    assert {item["metadata"].get("namespace") for item in objects} == {"search"}
    route = find(objects, "HTTPRoute", "ml-mesh-inference-route", "search")
    assert route["spec"]["parentRefs"] == [{"name": "ml-gateway", "namespace": "istio-ingress"}]
    access = find(objects, "AuthorizationPolicy", "ml-mesh-inference-access", "search")
    assert "cluster.local/ns/istio-ingress/sa/ingress" in str(access)


def test_a_gateway_elsewhere_finds_the_pickers_of_its_pools(
    render: Render, written: Callable[..., tuple[str, str]]
) -> None:
    """The gateway asks the picker by TLS and knows the pool's limits only if it sees their rules; nobody else does."""
    values = {
        "namespaces": {"edge": {"name": "istio-ingress", "create": False}},
        "gateways": {"ml-gateway": {"create": False, "namespace": "edge"}},
        "components": {"feature-store": {"accepts": {"all": {"gateways": {"ml-gateway": True}}}}},
        "pools": {
            "p": {"component": "feature-store", "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 9}}}},
            "unused": {"component": "feature-store"},
        },
        "routes": {"inference-route": {"rules": {"models": {"backends": {"kserve-predictor": None, "p": POOL}}}}},
    }
    seen = {item["spec"]["host"]: item["spec"]["exportTo"] for item in kinds(render(*written(values), *TEAM), RULE)}
    assert seen["p-picker.search.svc.cluster.local"] == [".", "istio-ingress"]
    assert seen["p-scraped.search.svc.cluster.local"] == ["."]
    assert seen["p-ip-148de9c5.search.svc.cluster.local"] == [".", "istio-ingress"]
    assert seen["unused-picker.search.svc.cluster.local"] == ["."]


def test_a_team_creates_no_namespace(render: Render, written: Callable[..., tuple[str, str]]) -> None:
    """Nor one in which nothing of the release is, or that only callers have."""
    nothing = {
        "components": {"training-jobs": None, "pipeline-controller": {"enabled": False}},
        "telemetry": {"ml-telemetry": {"namespaces": {"training": False}}},
        "namespaces": {"frontend": {"create": True}},
    }
    assert kinds(render(*written(nothing), *TEAM), "Namespace") == []
    assert len(kinds(render(*written(nothing)), "Namespace")) == 3


def test_the_documented_role_has_every_kind(render: Render) -> None:
    """Whatever a team's release can hold, the Role of docs/teams.md lets its owner create."""
    allowed = {(group, kind) for rule in _role()["rules"] for group in rule["apiGroups"] for kind in rule["resources"]}
    for file in FILES:
        for item in render("-f", file, "--set", "postRenderer.required=false", *TEAM):
            group = item["apiVersion"].rpartition("/")[0]
            kind = item["kind"].lower()
            plural = kind[:-1] + "ies" if kind.endswith("y") and not kind.endswith("ay") else kind + "s"
            assert (group, plural) in allowed, item["kind"]


def _role() -> dict[str, Any]:
    text = (ROOT / "docs" / "teams.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_domains_and_revisions_are_values_everywhere(stream: Callable[..., str]) -> None:
    """With other domains nothing of Istio's default ones is left, and namespaces have the label that values say."""
    text = stream("-f", "tests/chart/full.yaml")
    assert "cluster.local" not in text
    assert "istio-system" not in text
    objects = documents(text)
    assert find(objects, "Namespace", "ml-serving", "")["metadata"]["labels"]["istio.io/rev"] == "canary"
    text = stream(
        "-f", "values/demo.yaml", "--set", "policy.mesh.trustDomain=a.example,policy.mesh.clusterDomain=b.example"
    )
    assert "cluster.local" not in text
    assert "a.example/ns/ml-serving/sa/gateway-sa" in text
    assert "inference-service.ml-serving.svc.b.example" in stream(
        "-f", "tests/chart/full.yaml", "--set", "policy.mesh.clusterDomain=b.example"
    )
