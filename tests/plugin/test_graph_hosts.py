"""Host names: what stands behind one, and how that is known."""

from typing import Any

import pytest

from mlmesh.graph.hosts import resolve
from tests.support.graphs import graph, item

SERVICE = item("v1", "Service", "llm")
ENTRY = item("networking.istio.io/v1", "ServiceEntry", "hub", {"hosts": ["hub.example.com", "*.cdn.example.com"]})


@pytest.mark.parametrize(
    ("host", "how", "full"),
    [
        ("llm", "service", "llm.ml.svc.cluster.local"),
        ("llm.ml.svc", "service", "llm.ml.svc.cluster.local"),
        ("llm.ml.svc.cluster.local", "service", "llm.ml.svc.cluster.local"),
        ("llm.other.svc.cluster.local", "unknown", "llm.other.svc.cluster.local"),
        ("llm.ml.svc.corp.example", "unknown", "llm.ml.svc.corp.example"),
        ("*.ml.svc.cluster.local", "service", "*.ml.svc.cluster.local"),
        ("*.other.svc.cluster.local", "unknown", "*.other.svc.cluster.local"),
        ("hub.example.com", "service-entry", "hub.example.com"),
        ("a.cdn.example.com", "service-entry", "a.cdn.example.com"),
        ("cdn.example.com", "unknown", "cdn.example.com"),
        ("*.example.com", "service-entry", "*.example.com"),
        ("store", "external", "store.ml.svc.cluster.local"),
        ("api.openai.com", "external", "api.openai.com"),
        ("other.example.org", "external", "other.example.org"),
        ("nothing", "unknown", "nothing.ml.svc.cluster.local"),
        ("*", "any", "*"),
    ],
)
def test_a_host_is_resolved_by_what_the_release_holds(host: str, how: str, full: str) -> None:
    """Short, with a namespace, full, wild, of a ServiceEntry, or declared: each in Istio's order."""
    release = graph(SERVICE, ENTRY, policy={"external": {"hosts": ["store", "api.openai.com", "*.example.org"]}})
    found = resolve(release, host, "ml")
    assert (found.how, found.host) == (how, full)


def test_a_short_name_is_of_the_namespace_that_says_it() -> None:
    """The same word means another Service in another namespace."""
    release = graph(SERVICE)
    assert resolve(release, "llm", "ml").what == "Service ml/llm"
    assert resolve(release, "llm", "other").how == "unknown"


def test_a_name_and_a_namespace_alone_is_told() -> None:
    """DNS finds `llm.ml`, but Istio expands only names without a dot: the Service is known, and the oddity is told."""
    found = resolve(graph(SERVICE), "llm.ml", "other")
    assert (found.how, found.what) == ("service", "Service ml/llm")
    assert "write llm.ml.svc.cluster.local" in found.detail


def test_a_foreign_cluster_domain_is_told() -> None:
    """A name under another cluster's domain is never this cluster's Service."""
    release = graph(SERVICE, policy={"mesh": {"clusterDomain": "corp.example"}})
    assert resolve(release, "llm.ml.svc.corp.example", "ml").how == "service"
    assert resolve(release, "llm.ml.svc.cluster.local", "ml").detail == (
        "its cluster domain is cluster.local, the mesh's is corp.example"
    )


GATEWAY = "gateway.networking.k8s.io/v1"
MADE = [
    ("serving.kserve.io/v1beta1", "InferenceService", {"predictor": {}}, ["x", "x-predictor", "x-predictor-00001"]),
    ("serving.kserve.io/v1beta1", "InferenceService", {"transformer": {}}, ["x-transformer"]),
    ("serving.kserve.io/v1alpha1", "LLMInferenceService", {}, ["x-kserve-workload-svc", "x-epp-service"]),
    ("serving.knative.dev/v1", "Service", {"template": {"spec": {}}}, ["x", "x-00001", "x-00001-private"]),
    (
        "ray.io/v1",
        "RayService",
        {"rayClusterConfig": {"headGroupSpec": {"template": {}}}},
        ["x-head-svc", "x-serve-svc"],
    ),
    ("ray.io/v1", "RayCluster", {"headGroupSpec": {"template": {}}}, ["x-head-svc"]),
    ("ray.io/v1", "RayJob", {"rayClusterSpec": {"headGroupSpec": {"template": {}}}}, ["x-raycluster-abcde-head-svc"]),
    (
        "ray.io/v1",
        "RayService",
        {"rayClusterConfig": {"headGroupSpec": {"template": {}}}, "serveService": {"metadata": {"name": "own"}}},
        ["own"],
    ),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", {"leaderWorkerTemplate": {"workerTemplate": {}}}, ["x"]),
    ("jobset.x-k8s.io/v1alpha2", "JobSet", {"replicatedJobs": [{"template": {"spec": {"template": {}}}}]}, ["x"]),
    ("kubeflow.org/v1", "PyTorchJob", {"pytorchReplicaSpecs": {"Worker": {"template": {}}}}, ["x-worker-0"]),
    (GATEWAY, "Gateway", {"gatewayClassName": "istio"}, ["x-istio"]),
    (GATEWAY, "Gateway", {"gatewayClassName": "istio-waypoint"}, ["x"]),
    ("inference.networking.k8s.io/v1", "InferencePool", {}, ["x-ip-0a1b2c3d"]),
    ("monitoring.coreos.com/v1", "Prometheus", {}, ["prometheus-operated"]),
    ("sparkoperator.k8s.io/v1beta2", "SparkApplication", {"driver": {}}, ["x-ui-svc", "x-0a1b-driver-svc"]),
    ("apps.nvidia.com/v1alpha1", "NIMService", {}, ["x"]),
    ("feast.dev/v1", "FeatureStore", {}, ["feast-x-online"]),
]


@pytest.mark.parametrize(("api_version", "kind", "spec", "names"), MADE)
def test_services_that_controllers_make_are_known(api_version: str, kind: str, spec: Any, names: list[str]) -> None:
    """No stream has them, but routes lead to them: they are there with the object whose controller makes them."""
    release = graph(item(api_version, kind, "x", spec))
    for name in names:
        found = resolve(release, name, "ml")
        assert (found.how, found.what) == ("made", f"{kind} ml/x"), name
        assert resolve(release, name, "other").how == "unknown"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (item("apps/v1", "StatefulSet", "x", {"template": {}}), "x"),  # its Service is an object of its own
        (item("serving.kserve.io/v1beta1", "InferenceService", "x", {"predictor": {}}), "x-transformer"),
        (item("serving.kserve.io/v1beta1", "InferenceService", "x", {"predictor": {}}), "x-other"),
        (item("ray.io/v1", "RayCluster", "x", {"headGroupSpec": {"template": {}}}), "x-serve-svc"),
        (item(GATEWAY, "Gateway", "x", {"gatewayClassName": "istio"}), "x"),
        (item("inference.networking.k8s.io/v1", "InferencePool", "x"), "x-ip-"),
    ],
)
def test_other_names_are_not_made(text: str, name: str) -> None:
    """A StatefulSet makes no Service, and no controller one for a part that is not there."""
    assert resolve(graph(text), name, "ml").how == "unknown"


def test_a_gateway_s_name_can_be_overridden() -> None:
    """istiod names Deployment and Service by an annotation."""
    text = item(
        GATEWAY, "Gateway", "x", {"gatewayClassName": "istio"}, annotations={"gateway.istio.io/name-override": "own"}
    )
    assert resolve(graph(text), "own", "ml").how == "made"
    assert resolve(graph(text), "x-istio", "ml").how == "unknown"


def test_the_context_resolves_what_the_release_does_not() -> None:
    """What other releases hold is known as such, and the release's own goes first."""
    other = item("v1", "Service", "store", namespace="data")
    release = graph(SERVICE, context=(f"{SERVICE}\n---\n{other}\n---\n{ENTRY}",))
    assert resolve(release, "store.data.svc.cluster.local", "ml").how == "context"
    assert resolve(release, "hub.example.com", "ml").how == "context"
    assert resolve(release, "llm", "ml").how == "service"
