"""The starred rules about sidecars, by what the real injector and the API server make of the pods."""

import json

import pytest

from dev.mesh.containers import PROXY
from dev.mesh.lab import Mesh
from dev.mesh.traffic import eventually
from tests.mesh.starred import Case, told

TOPIC = "pods"
WAITS = False  # the pod of a bad case never comes


def proxies(mesh: Mesh, namespace: str, app: str) -> list[dict[str, str]]:
    """The requests for memory and CPU of the sidecars of the pods that there are, {} where one has none."""
    found = json.loads(mesh.cluster.kubectl("get", "pods", "-n", namespace, "-l", f"app={app}", "-o", "json"))["items"]
    pods = [[*each["spec"].get("initContainers", ()), *each["spec"]["containers"]] for each in found]
    sizes = [{each["name"]: each for each in containers}.get(PROXY, {}) for containers in pods]
    return [each.get("resources", {}).get("requests", {}) for each in sizes]


@pytest.fixture(scope="module")
def came(mesh: Mesh, side: str) -> None:
    """Every pod that comes has come, and its forerunner has gone; the one of MLM503 may be refused."""

    def settled() -> bool:
        there = all(
            each["status"].get("phase") == "Running" and not each["metadata"].get("deletionTimestamp")
            for namespace in ("rules-pods", "rules-plain")
            for each in mesh.api.items(f"/api/v1/namespaces/{namespace}/pods")
        )
        return (
            there
            and bool(greedy(mesh))
            and len(mesh.pods("rules-pods", app="sized")) == len(mesh.pods("rules-plain")) == 1
        )

    assert side
    assert eventually(settled, 60)


def greedy(mesh: Mesh) -> str:
    """What became of the pod of MLM503; empty while it is open."""
    found = json.loads(mesh.cluster.kubectl("get", "deployment", "greedy", "-n", "rules-pods", "-o", "json"))
    conditions = {each["type"]: each["message"] for each in found.get("status", {}).get("conditions", ())}
    if refused := conditions.get("ReplicaFailure"):
        above = "must be less than or equal to memory limit" in refused
        return f"{len(proxies(mesh, 'rules-pods', 'greedy'))} pods: {'request above limit' if above else refused}"
    ready = found.get("status", {}).get("readyReplicas")
    return f"{ready} pod, ready" if ready else ""


@pytest.mark.starred("MLM501")
def test_a_pod_that_asks_for_a_sidecar_by_annotation_starts_without(case: Case, came: None, mesh: Mesh) -> None:
    """Bad: the pod has no sidecar, and a server under STRICT refuses it. Good, by label: it has one, and gets 200."""

    def look() -> str:
        pods = mesh.pods("rules-plain", app="caller")
        if len(pods) != 1:
            return "not one pod"
        sidecar = "a sidecar" if PROXY in pods[0].sandbox.processes else "no sidecar"
        return f"{sidecar}; calls to STRICT {told(pods[0], 'http://model-registry.ml-serving:5000/')}"

    case.shows(
        look,
        bad="no sidecar; calls to STRICT 5 of 5: connection closed",
        good="a sidecar; calls to STRICT 5 of 5: 200",
    )


@pytest.mark.starred("MLM502")
def test_sizes_on_a_deployments_own_metadata_do_nothing(case: Case, came: None, mesh: Mesh) -> None:
    """160Mi for the sidecar: bad, it asks for the mesh's own 256Mi; good, on the pod template, for 160Mi."""

    def look() -> str:
        sizes = proxies(mesh, "rules-pods", "sized")
        return " and ".join(f"cpu {each.get('cpu')}, memory {each.get('memory')}" for each in sizes)

    case.shows(look, bad="cpu 100m, memory 256Mi", good="cpu 70m, memory 160Mi")


@pytest.mark.starred("MLM503")
def test_a_sidecar_that_asks_for_more_than_its_limit_is_no_pod(case: Case, came: None, mesh: Mesh) -> None:
    """Bad: the API server refuses the pod, and the Deployment has none. Good: it has one, and it is ready."""

    case.shows(lambda: greedy(mesh), bad="0 pods: request above limit", good="1 pod, ready")
