"""The MeshPolicy tells the post-renderer what it must know, and nothing that it would refuse."""

import json
from typing import Any

import pytest
import yaml

from dev.toolchain import ROOT
from tests.chart.charts import Render, find, kinds

HOSTS = ["inference-service", "inference-v1", "inference-v2", "kserve-predictor", "llm-service"]


def _spec(objects: list[dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = find(objects, "MeshPolicy", "ml-mesh-mesh-policy", "ml-mesh")["spec"]
    return spec


def test_default_policy(render: Render) -> None:
    """It names the release, the plugin it needs, the six components in real namespaces, and what lies outside."""
    spec = _spec(render())
    assert spec["release"] == {"name": "ml-mesh", "namespace": "ml-mesh"}
    assert spec["mesh"] == {
        "trustDomain": "cluster.local",
        "clusterDomain": "cluster.local",
        "rootNamespace": "istio-system",
        "nativeSidecars": "auto",
        "gatewayApiChannel": "standard",
    }
    assert {name: (component["role"], component["namespace"]) for name, component in spec["components"].items()} == {
        "inference-service": ("inference", "ml-serving"),
        "feature-store": ("feature-store", "ml-serving"),
        "model-registry": ("model-registry", "ml-serving"),
        "training-jobs": ("training", "ml-training"),
        "pipeline-controller": ("pipeline", "ml-training"),
        "monitoring-stack": ("monitoring", "ml-serving"),
    }
    assert spec["components"]["inference-service"]["selector"] == {"app": "inference-service"}
    assert spec["external"] == {
        "hosts": [f"{host}.ml-serving.svc.cluster.local" for host in HOSTS],
        "principals": ["cluster.local/ns/ml-frontend/sa/frontend-sa"],
    }


def test_empty_settings_are_left_out(render: Render) -> None:
    """A setting that nobody wrote is not there, so that the post-renderer's own default holds."""
    assert set(_spec(render())) == {"release", "requires", "mesh", "components", "external"}


def test_requires_is_the_charts_statement(render: Render) -> None:
    """The plugin version that the policy demands stands in Chart.yaml, once."""
    chart = yaml.safe_load((ROOT / "chart" / "Chart.yaml").read_text())
    assert _spec(render())["requires"] == chart["annotations"]["mlmesh.dev/requires"]


def test_settings_pass_as_they_are(render: Render, full_values: dict[str, Any]) -> None:
    """What the user writes below `policy` arrives unchanged."""
    spec, policy = _spec(render("-f", "tests/chart/full.yaml")), full_values["policy"]
    for key in ("mesh", "sidecars", "endpoints", "invariants", "owns"):
        assert spec[key] == policy[key]
    # Beside them the one that exists.
    assert spec["external"]["gateways"] == [*policy["external"]["gateways"], "ml-data/edge-gateway"]


def test_null_arrives(render: Render) -> None:
    """A null, which removes a field of the post-renderer's default, is not lost on the way."""
    chat = _spec(render("-f", "values/recommended.yaml"))["endpoints"]["types"]["chat"]
    assert chat["perTryTimeout"] is None


ELSEWHERE = ("other-picker.ml-data", "sharded.ml-data", "triton.ml-training")


def test_external_is_joined_with_the_users_list(render: Render) -> None:
    """Hosts and principals of the user stand beside those that the values name, with the domains that they state."""
    objects = render("-f", "tests/chart/full.yaml")
    external = _spec(objects)["external"]
    outside = {host for entry in kinds(objects, "ServiceEntry") for host in entry["spec"]["hosts"]}
    # The chart provides inference-service and feature-store there, by their ports.
    named = [*HOSTS, "inference-v3", "ranker", "ranker-next", "ranker-stable"]
    hosts = [f"{host}.ml-serving.svc.cluster.example" for host in named if host != "inference-service"]
    elsewhere = [f"{host}.svc.cluster.example" for host in ELSEWHERE]
    assert external["hosts"] == sorted(["declared.example.com", *elsewhere, *outside, *hosts])
    assert external["principals"] == [
        "example.com/ns/ml-data/sa/other-picker",
        "example.com/ns/ml-frontend/sa/frontend-sa",
        "example.com/ns/ml-training/sa/lora-operator",
        "example.com/ns/other/sa/other",
    ]


def test_principal_in_a_namespace_of_the_release_is_not_external(render: Render) -> None:
    """A principal in a created namespace must be somebody's here; in another namespace it may be anybody's."""
    gateway = "cluster.local/ns/ml-serving/sa/gateway-sa"
    assert gateway not in _spec(render())["external"]["principals"]
    theirs = _spec(render("--set", "namespaces.serving.create=false"))["external"]["principals"]
    assert gateway in theirs


def test_callers_are_external_where_no_component_lives(render_once: Render) -> None:
    """A namespace may be created here for others' pods; beside the release's own pods a caller must be known."""
    created = _spec(render_once("--set", "namespaces.frontend.create=true"))["external"]["principals"]
    assert "cluster.local/ns/ml-frontend/sa/frontend-sa" in created
    beside = _spec(render_once("--set", "callers.frontend.namespace=serving")).get("external", {})
    assert "cluster.local/ns/ml-serving/sa/frontend-sa" not in beside.get("principals", [])


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        (
            "models.inference-service.versions.v2.enabled=false,models.inference-service.canary.enabled=false",
            ["inference-v2"],
        ),
        ("models.inference-service.enabled=false", ["inference-service", "inference-v1", "inference-v2"]),
        ("llm.llm-service.enabled=false", ["llm-service"]),
        ("routes.inference-route.enabled=false", ["kserve-predictor"]),
        ("components.inference-service.ports.http.port=80", ["inference-service"]),
    ],
)
def test_only_what_is_named_and_not_provided_is_external(render_once: Render, switch: str, gone: list[str]) -> None:
    """A host that no resource names any more, or that a component provides, is not declared external."""
    left = [f"{host}.ml-serving.svc.cluster.local" for host in HOSTS if host not in gone]
    assert _spec(render_once("--set", switch))["external"]["hosts"] == left


def test_full_host_names_are_kept(render_once: Render) -> None:
    """A host with a dot is a full name already."""
    spec = _spec(render_once("--set", "models.inference-service.versions.v1.host=v1.models.example.com"))
    assert "v1.models.example.com" in spec["external"]["hosts"]


def test_without_the_post_renderer_there_is_its_config_map(render: Render) -> None:
    """With postRenderer.required=false the chart writes the ConfigMap that would take the MeshPolicy's place."""
    policy = find(render(), "MeshPolicy", "ml-mesh-mesh-policy", "ml-mesh")
    objects = render("--set", "postRenderer.required=false")
    config_map = find(objects, "ConfigMap", "ml-mesh-mesh-policy", "ml-mesh")
    assert kinds(objects, "MeshPolicy") == []
    assert config_map["apiVersion"] == "v1"
    assert config_map["metadata"] == policy["metadata"]
    assert policy["metadata"]["labels"]["mlmesh.dev/policy"] == "true"
    assert set(config_map["data"]) == {"policy.json"}
    assert json.loads(config_map["data"]["policy.json"]) == {
        "apiVersion": policy["apiVersion"],
        "kind": "MeshPolicy",
        "metadata": {"name": "ml-mesh-mesh-policy"},
        "spec": policy["spec"],
    }
