"""Sections 1 and 7 of the reference design: six components, each with a sidecar of its role's size."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dev.mesh.containers import PROXY, quantity
from dev.mesh.lab import Mesh

MeasuredBy = Callable[[str, str], None]

INFERENCE = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
MESH_WIDE = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}
# The component, the namespace of its pods, and a label of theirs.
COMPONENTS = {
    "inference-service": ("ml-serving", "app=inference-service"),
    "feature-store": ("ml-serving", "app=feature-store"),
    "model-registry": ("ml-serving", "app=model-registry"),
    "training-jobs": ("ml-training", "app=training-jobs"),
    "pipeline-controller": ("ml-training", "app=pipeline-controller"),
    "monitoring-stack": ("ml-serving", "app=monitoring-stack"),
}


def pods(mesh: Mesh, namespace: str, selector: str) -> list[dict[str, Any]]:
    """The pods as the API has them, with what the injector put in."""
    listed = mesh.cluster.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json")
    found: list[dict[str, Any]] = json.loads(listed)["items"]
    return found


def sidecar(pod: dict[str, Any]) -> dict[str, Any]:
    """The container that the injector put into a pod."""
    every = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    found: list[dict[str, Any]] = [each for each in every if each["name"] == PROXY]
    assert found, f"{pod['metadata']['name']} has no sidecar"
    return found[0]


def test_six_components_are_up_with_a_sidecar_of_their_roles_size(mesh: Mesh, measured: MeasuredBy) -> None:
    """Each of the six runs (jobs: ran to their end); its injected sidecar has the size that its annotations say."""
    mesh.cluster.kubectl("create", "job", "by-hand", "--from=cronjob/pipeline-controller", "-n", "ml-training")
    mesh.wait_for_pods()
    for component, (namespace, selector) in COMPONENTS.items():
        found = pods(mesh, namespace, selector)
        assert found, f"{component} has no pod"
        for pod in found:
            assert pod["status"]["phase"] in ("Running", "Succeeded"), f"{component}: {pod['status']}"
            annotations = pod["metadata"]["annotations"]
            said = {
                "requests": {"cpu": "proxyCPU", "memory": "proxyMemory"},
                "limits": {"cpu": "proxyCPULimit", "memory": "proxyMemoryLimit"},
            }
            resources = sidecar(pod)["resources"]
            for kind, keys in said.items():
                for resource, key in keys.items():
                    wanted = annotations[f"sidecar.istio.io/{key}"]
                    assert same_quantity(resources[kind][resource], wanted), (component, key, wanted, resources)
    measured("§1 six components up, each with a sidecar", f"{len(COMPONENTS)} of 6; sizes as annotated")


@pytest.mark.proves("deployment", "inference-v1", part="/spec/template/metadata/annotations")
def test_an_inference_pods_sidecar_has_the_size_of_the_reference_design(mesh: Mesh, measured: MeasuredBy) -> None:
    """The post-renderer's four annotations arrive in the injected container: 500m and 512Mi, at most 1000m and 1Gi."""
    (pod,) = pods(mesh, "ml-serving", "app=inference-service,version=v1")
    assert sidecar(pod)["resources"] == INFERENCE
    measured("§7 sidecar of an inference pod", "500m/512Mi, limits 1000m/1Gi in the injected container")


def test_a_pod_without_a_role_has_the_mesh_wide_size(mesh: Mesh, measured: MeasuredBy) -> None:
    """values/mesh gives every other sidecar 100m and 256Mi, at most 500m and 512Mi."""
    (pod,) = pods(mesh, "ml-frontend", "app=frontend")
    assert sidecar(pod)["resources"] == MESH_WIDE
    measured("§7 sidecar without a role", "100m/256Mi, limits 500m/512Mi in the injected container")


def test_every_sidecar_runs_two_workers(mesh: Mesh, measured: MeasuredBy) -> None:
    """values/mesh sets concurrency 2, and each running Envoy has it, whatever its CPU limit."""
    running = [*mesh.pods("ml-serving"), *mesh.pods("ml-frontend")]
    assert len(running) >= 8
    workers = {pod.name: json.loads(pod.envoy("server_info"))["command_line_options"]["concurrency"] for pod in running}
    assert set(workers.values()) == {2}, workers
    measured("§7 concurrency", f"2 workers in each of {len(workers)} Envoys")


def test_each_component_has_an_identity_of_its_own(mesh: Mesh, measured: MeasuredBy) -> None:
    """The certificate that istiod gave a sidecar names the component's ServiceAccount."""
    identities = {}
    for component in ("inference-v1", "feature-store", "model-registry", "monitoring-stack"):
        (pod,) = [each for each in mesh.pods("ml-serving") if each.name.startswith(component + "-")]
        chain = json.loads(pod.envoy("certs"))["certificates"]
        names = {name["uri"] for entry in chain for cert in entry["cert_chain"] for name in cert["subject_alt_names"]}
        identities[component] = names
        assert names == {f"spiffe://cluster.local/ns/ml-serving/sa/{component}"}
    measured("§1 identities by mTLS", f"{len(identities)} certificates, each for its own ServiceAccount")


def test_one_annotation_alone_drops_the_defaults(mesh: Mesh, measured: MeasuredBy) -> None:
    """A pod with proxyCPU and none of the other three has no memory request and no limits, mesh-wide ones included."""
    mesh.cluster.kubectl("apply", "-f", "-", stdin=ONE_ANNOTATION)
    try:
        (pod,) = pods(mesh, "ml-frontend", "app=one-annotation")
        assert sidecar(pod)["resources"] == {"requests": {"cpu": "500m"}}
        measured("§7 as written: one annotation alone", "requests cpu 500m, no memory request, no limits")
    finally:
        mesh.cluster.kubectl("delete", "pod", "one-annotation", "-n", "ml-frontend", "--grace-period=1")


ONE_ANNOTATION = """
apiVersion: v1
kind: Pod
metadata:
  name: one-annotation
  namespace: ml-frontend
  labels: {app: one-annotation}
  annotations: {sidecar.istio.io/proxyCPU: 500m}
spec:
  containers: [{name: app, image: caller}]
"""


def same_quantity(one: str, other: str) -> bool:
    """Whether two quantities say the same: the API server writes 1000m as 1."""
    return quantity(one) == quantity(other)
