"""The test cluster and the Helms are what they claim: real, apart from the user's, and gone afterwards."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.helm import Helm
from dev.processes import Process, start, stop
from tests.support.clusters import TestCluster

HELMS = ["helm3", "helm4"]
OLDEST = ["helm3-min", "helm4-min"]


@pytest.mark.parametrize("name", HELMS + OLDEST)
def test_helm_reaches_the_cluster(cluster: TestCluster, name: str) -> None:
    """Every Helm lists the releases of the test cluster, which has none in an unused namespace."""
    done = cluster.helm(name, "list", "--namespace", "unused", "--output", "json")
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.parametrize(
    "crd",
    [
        "destinationrules.networking.istio.io",
        "httproutes.gateway.networking.k8s.io",
        "inferencepools.inference.networking.k8s.io",
        "telemetries.telemetry.istio.io",
        "virtualservices.networking.istio.io",
    ],
)
def test_crds_are_there(cluster: TestCluster, crd: str) -> None:
    """The CRDs of Istio, Gateway API and the Inference Extension are served."""
    found = cluster.get("crd", crd)
    assert found is not None
    conditions = {item["type"]: item["status"] for item in found["status"]["conditions"]}
    assert conditions["Established"] == "True"


def test_an_unknown_kind_is_refused(cluster: TestCluster) -> None:
    """The API server knows no MeshPolicy: the guard of the chart rests on that."""
    done = cluster.kubectl("create", "-f", "-", stdin='{"apiVersion": "mlmesh.dev/v1alpha1", "kind": "MeshPolicy"}')
    assert done.returncode == 1
    assert 'no matches for kind "MeshPolicy"' in done.stderr


def test_empty_deletes_namespaces_with_their_objects(cluster: TestCluster) -> None:
    """`empty` waits until a namespace and what is in it are gone, so that the next test starts from nothing."""
    cluster.kubectl("create", "namespace", "emptied")
    cluster.kubectl("create", "configmap", "content", "--namespace", "emptied")
    assert cluster.get("configmap", "content", "emptied")
    cluster.empty()
    assert cluster.get("namespace", "emptied") is None
    cluster.kubectl("create", "namespace", "emptied")
    assert cluster.get("configmap", "content", "emptied") is None


@pytest.mark.parametrize("name", HELMS)
def test_helm_keeps_out_of_the_users_homes(helm: Callable[[str], Helm], name: str) -> None:
    """Whatever the user has set, Helm's homes and its kubeconfig are ours."""
    environment = helm(name).environment
    told = helm(name).run("env").stdout
    assert str(Path.home() / ".cache" / "helm") not in told
    assert os.environ.get("KUBECONFIG") != environment["KUBECONFIG"]
    assert not [key for key in environment if key.startswith("MLMESH_")]


@pytest.mark.parametrize("name", ["helm4", "helm4-min"])
def test_helm_4_has_the_plugin(helm: Callable[[str], Helm], name: str) -> None:
    """Helm 4 lists the installed plugin, by the name that the flag takes."""
    assert "mlmesh-post" in helm(name).run("plugin", "list").stdout


def test_only_the_process_that_was_started_is_stopped(tmp_path: Path) -> None:
    """A process id that has come to belong to another process is left alone."""
    process = start(["sleep", "60"], tmp_path / "log")
    try:
        stop([Process(process.pid, "another start time")])
        assert process.alive()
    finally:
        stop([process])
    assert not process.alive()
