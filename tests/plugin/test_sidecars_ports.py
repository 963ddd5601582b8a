"""Ports on which training pods and Ray meet without a proxy, and metrics that monitoring pods offer past one."""

import json
from typing import Any

import pytest
import yaml

from mlmesh.model.errors import InputError
from tests.support.streams import codes, documents, pod, policy, rendered

INBOUND = "traffic.sidecar.istio.io/excludeInboundPorts"
OUTBOUND = "traffic.sidecar.istio.io/excludeOutboundPorts"
DEFAULT = "29400,29500"


def excluded(item: dict[str, Any], *path: str, policies: tuple[str, ...] = ()) -> str | None:
    """The ports that are excluded from a pod template's proxy; at both ends the same."""
    node: Any
    (node,) = documents(rendered(json.dumps(item), *policies))
    for key in path:
        node = node[int(key)] if isinstance(node, list) else node[key]
    annotations = node["metadata"]["annotations"]
    assert annotations.get(INBOUND) == annotations.get(OUTBOUND)
    ports: str | None = annotations.get(INBOUND)
    return ports


def training(**container: Any) -> dict[str, Any]:
    item: dict[str, Any] = yaml.safe_load(pod("Job", role="training"))
    item["spec"]["template"]["spec"]["containers"] = [{"name": "train", "image": "i", **container}]
    return item


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({}, DEFAULT),
        ({"ports": [{"containerPort": 3000}]}, "3000"),
        ({"ports": [{"name": "rendezvous", "containerPort": 3000}, {"containerPort": 29000}]}, "3000,29000"),
        ({"ports": [{"name": "http-metrics", "containerPort": 3000}]}, DEFAULT),
        ({"ports": [{"name": "metrics", "containerPort": 9090}, {"containerPort": 3001}]}, "3001"),
        ({"ports": [{"name": "h2c", "containerPort": 9090}, {"name": "ui", "containerPort": 9091}]}, DEFAULT),
        ({"ports": [{"name": "dash-metrics", "containerPort": 9090}, {"name": "uid", "containerPort": 3001}]}, "3001"),
        ({"ports": [{"name": "tensorboard", "containerPort": 6006}, {"containerPort": 8080}]}, DEFAULT),
        ({"ports": [{"containerPort": 3000, "protocol": "UDP"}]}, DEFAULT),
        ({"command": ["torchrun", "--rdzv-endpoint=head:29401", "train.py"]}, "29401"),
        ({"command": ["torchrun", "--rdzv_endpoint", "head.ml:29402"]}, "29402"),
        ({"args": ["torchrun --nnodes 2 --master-port 1234 train.py"]}, "1234"),
        ({"command": ["sh", "-c", "accelerate launch --main_process_port=2950 train.py"]}, "2950"),
        ({"command": ["torchrun", "--nproc-per-node=8", "train.py"]}, "29500"),
        ({"command": ["python", "-m", "torch.distributed.run", "train.py"]}, "29500"),
        ({"env": [{"name": "MASTER_PORT", "value": "29600"}]}, "29600"),
        ({"env": [{"name": "PET_RDZV_ENDPOINT", "value": "head:29700"}], "command": ["torchrun"]}, "29700"),
        ({"command": ["torchrun", "--rdzv-endpoint=$(MASTER_ADDR):$(MASTER_PORT)"]}, "29500"),
        ({"env": [{"name": "MASTER_PORT", "value": "99999999"}]}, DEFAULT),
    ],
)
def test_a_training_pod_meets_on_what_its_object_declares(container: dict[str, Any], expected: str) -> None:
    """Ports, arguments and variables tell; only where nothing does, the policy. Metrics and UIs stay in the mesh."""
    assert excluded(training(**container), "spec", "template") == expected


def test_the_policy_s_ports_are_the_policy_s() -> None:
    """A list replaces the list; null takes the exclusion away; another role can have one."""
    ours = policy(sidecars={"training": {"excludePorts": [4000]}})
    assert excluded(training(), "spec", "template", policies=(ours,)) == "4000"
    none = policy(sidecars={"training": {"excludePorts": None}})
    assert excluded(training(ports=[{"containerPort": 3000}]), "spec", "template", policies=(none,)) is None
    other = policy(sidecars={"inference": {"excludePorts": [5000]}})
    assert excluded(yaml.safe_load(pod()), "spec", "template", policies=(other,)) == "5000"
    assert excluded(yaml.safe_load(pod()), "spec", "template") is None


@pytest.mark.parametrize(
    ("ports", "what"),
    [
        ([0], "0 is too small"),
        ([70000], "70000 is too large"),
        (["ssh"], "a string"),
        ([True], "a boolean"),
        ("22", "a list"),
    ],
)
def test_ports_of_a_policy_are_numbers(ports: Any, what: str) -> None:
    """The annotations take no names and no ranges, so neither does the policy."""
    with pytest.raises(InputError, match=what):
        rendered("", policy(sidecars={"training": {"excludePorts": ports}}))


def test_a_worker_calls_the_port_that_its_master_declares() -> None:
    """The ports of one object's templates are one list, at both ends of each."""
    worker: dict[str, Any] = {"spec": {"containers": [{"name": "pytorch", "image": "i"}]}}
    master = {
        "spec": {"containers": [{"name": "pytorch", "ports": [{"name": "pytorchjob-port", "containerPort": 3000}]}]}
    }
    item = {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": {"name": "x", "labels": {"mlmesh.dev/role": "training"}},
        "spec": {"pytorchReplicaSpecs": {"Master": {"template": master}, "Worker": {"template": worker}}},
    }
    for part in ("Master", "Worker"):
        assert excluded(item, "spec", "pytorchReplicaSpecs", part, "template") == "3000"


@pytest.mark.parametrize(
    ("group", "kind", "places", "expected"),
    [
        ("kubeflow.org", "PyTorchJob", ("pytorchReplicaSpecs", "Worker", "template"), "23456"),
        ("kubeflow.org", "MPIJob", ("mpiReplicaSpecs", "Launcher", "template"), "22,2222"),
        ("kubeflow.org", "TFJob", ("tfReplicaSpecs", "PS", "template"), "2222"),
        ("jobset.x-k8s.io", "JobSet", ("replicatedJobs", "0", "template", "spec", "template"), DEFAULT),
    ],
)
def test_a_kind_whose_controller_has_a_port_of_its_own_declares_it(
    group: str, kind: str, places: tuple[str, ...], expected: str
) -> None:
    """The operators' constants; sshd's two for MPI; no port that the kind has nothing to do with."""
    node: Any = {"spec": {"containers": [{"name": "x", "image": "i"}]}}
    for place in reversed(places):
        node = [node] if place == "0" else {place: node}
    item = {"apiVersion": f"{group}/v1", "kind": kind, "spec": node}
    item["metadata"] = {"name": "x", "labels": {"mlmesh.dev/role": "training"}}
    assert excluded(item, "spec", *places) == expected


def ray(kind: str = "RayService", head: dict[str, Any] | None = None, worker: dict[str, Any] | None = None) -> Any:
    """A Ray object of the role inference, with the container ports that KubeRay's samples have."""
    ports = [("gcs-server", 6379), ("dashboard", 8265), ("client", 10001), ("serve", 8000), ("metrics", 8080)]
    listed = [{"name": name, "containerPort": port} for name, port in ports]
    cluster = {
        "headGroupSpec": {
            "rayStartParams": head if head is not None else {},
            "template": {"spec": {"containers": [{"name": "ray-head", "image": "ray", "ports": listed}]}},
        },
        "workerGroupSpecs": [
            {
                "groupName": "gpu",
                "rayStartParams": worker if worker is not None else {},
                "template": {"spec": {"containers": [{"name": "ray-worker", "image": "ray"}]}},
            }
        ],
    }
    return {
        "apiVersion": "ray.io/v1",
        "kind": kind,
        "metadata": {"name": "x", "labels": {"mlmesh.dev/role": "inference"}},
        "spec": {"rayClusterConfig": cluster} if kind == "RayService" else cluster,
    }


HEAD = ("spec", "rayClusterConfig", "headGroupSpec", "template")
WORKER = ("spec", "rayClusterConfig", "workerGroupSpecs", "0", "template")


@pytest.mark.parametrize("path", [HEAD, WORKER])
def test_ray_s_own_ports_are_excluded_and_what_it_serves_never(path: tuple[str, ...]) -> None:
    """GCS and dashboard agents on every node. What serves stays in the mesh, and so do the dashboard and the client."""
    assert excluded(ray(), *path) == "6379,52365"


@pytest.mark.parametrize("path", [HEAD, WORKER])
def test_ray_s_start_parameters_are_read(path: tuple[str, ...]) -> None:
    """Numbers that a group sets, small ranges of worker ports written out; those chosen at run time cannot be."""
    head = {"node-manager-port": "6380", "object-manager-port": 6381, "dashboard-agent-listen-port": "52366"}
    worker = {"min-worker-port": "10002", "max-worker-port": "10004", "metrics-export-port": "8080", "port": "0"}
    assert excluded(ray(head=head, worker=worker), *path) == "6379,6380,6381,10002,10003,10004,52365,52366"
    wide = {"min-worker-port": "10002", "max-worker-port": "19999", "worker-port-list": "20000, 20001"}
    assert excluded(ray(worker=wide), *path) == "6379,20000,20001,52365"


@pytest.mark.parametrize("port", [8000, 8080, 9000])
def test_a_serving_port_stays_in_the_mesh_even_under_a_meeting_name(port: int) -> None:
    """The promise holds by number, whatever the container calls it."""
    item = ray()
    item["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]["ports"] = [
        {"name": "client", "containerPort": port},
        {"name": "serve", "containerPort": 8123},
    ]
    found = (excluded(item, *HEAD) or "").split(",")
    assert str(port) not in found
    assert "8123" not in found


def test_303_a_list_of_the_user_s_own_stays_and_its_gaps_are_told() -> None:
    """Nothing is rewritten; with all the ports, or more, nothing is said."""
    item = training(ports=[{"containerPort": 3000}, {"containerPort": 3001}])
    annotations = item["spec"]["template"]["metadata"]["annotations"] = {INBOUND: "3000", OUTBOUND: "3001,3000, 9"}
    result = rendered(json.dumps(item))
    (after,) = documents(result)
    assert after["spec"]["template"]["metadata"]["annotations"].items() >= annotations.items()
    assert codes(result) == [("MLM303", "warning")]
    assert "3001" in result.findings[0].message
    assert result.findings[0].pointer.endswith("excludeInboundPorts")


@pytest.mark.parametrize("bad", ["ssh", "3000-3010", "3000;3001", "3000,,3001", "70000", "-1", "*"])
@pytest.mark.parametrize("key", [INBOUND, OUTBOUND])
def test_names_and_ranges_in_a_user_s_list_are_an_error_with_a_place(key: str, bad: str) -> None:
    """Istio's injector refuses the pod, so the release is refused."""
    item = training()
    item["spec"]["template"]["metadata"]["annotations"] = {key: bad}
    with pytest.raises(InputError, match="is no port number") as caught:
        rendered(json.dumps(item))
    assert key in caught.value.place
    assert "ranges" in caught.value.remedy


def test_a_second_run_follows_what_the_object_declares() -> None:
    """The list is derived: it changes with the object and with the policy, and comes out the same otherwise."""
    once = b"".join(rendered(json.dumps(training(ports=[{"containerPort": 3000}]))).output).decode()
    assert rendered(once).patches == []
    moved = yaml.safe_load(once)
    moved["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 3001
    (item,) = documents(rendered(json.dumps(moved)))
    assert item["spec"]["template"]["metadata"]["annotations"][INBOUND] == "3001"
    (item,) = documents(rendered(once, policy(sidecars={"training": {"excludePorts": None}})))
    assert INBOUND not in item["spec"]["template"]["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("role", "annotations", "expected"),
    [
        ("monitoring", {"prometheus.io/scrape": "true"}, "true"),
        ("monitoring", {"prometheus.io/scrape": "true", "prometheus.istio.io/merge-metrics": "false"}, "false"),
        ("monitoring", {"prometheus.io/scrape": "false"}, None),
        ("monitoring", {}, None),
        ("inference", {"prometheus.io/scrape": "true"}, None),
    ],
)
def test_a_monitoring_pod_that_offers_metrics_offers_them_past_mtls(
    role: str, annotations: dict[str, str], expected: str | None
) -> None:
    """Only where Prometheus is told of them, and never against the user's own word."""
    (item,) = documents(rendered(pod(role=role, **annotations)))
    assert item["spec"]["template"]["metadata"]["annotations"].get("prometheus.istio.io/merge-metrics") == expected
