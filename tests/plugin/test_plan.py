"""`mlmesh plan`: every pod, every change, each with its reason, replayable by any JSON Patch tool."""

import json
from typing import Any

import jsonpatch
import pytest
import yaml

from tests.support.streams import pod, policy, route, run

STREAM = "---\n".join(
    [policy(release={"name": "rel"}) + "\n", pod(), pod(name="other", role="gateway"), route("/v1/embeddings")]
)


def plan(stream: str, *arguments: str) -> dict[str, Any]:
    """The plan as JSON."""
    done = run("plan", "--format", "json", *arguments, stdin=stream, command="mlmesh")
    assert done.returncode == 0, done.stderr
    shape: dict[str, Any] = json.loads(done.stdout)
    return shape


def test_the_plan_replays_to_what_the_post_renderer_writes() -> None:
    """jsonpatch, applied to the documents as they came, gives the documents as they leave."""
    before = list(yaml.safe_load_all(STREAM))
    for patch in plan(STREAM)["patches"]:
        before[patch["document"]] = jsonpatch.apply_patch(before[patch["document"]], patch["operations"])
    assert before == list(yaml.safe_load_all(run(stdin=STREAM).stdout))


def test_the_plan_has_its_stable_shape() -> None:
    """Pods with role and reason, also those that are left alone; patches with object, reason and operations."""
    shape = plan(STREAM)
    assert shape["version"] == 1
    assert shape["pods"][0] == {
        "document": 1, "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "ml", "name": "llm",
        "part": "", "pointer": "/spec/template", "role": "inference",
        "reason": "label mlmesh.dev/role on the pod template", "conflict": "",
    }  # fmt: skip
    assert shape["pods"][1]["role"] == "gateway"
    assert [patch["kind"] for patch in shape["patches"]] == ["MeshPolicy", "Deployment", "VirtualService"]
    assert shape["patches"][1]["role"] == "inference"
    assert list(shape["patches"][2]) == [
        "apiVersion", "kind", "namespace", "name", "document", "role", "reason", "operations",
    ]  # fmt: skip
    assert shape["patches"][2]["reason"] == "rule 0 serves embeddings (prefix /v1/embeddings)"


def test_the_plan_as_text_tells_what_and_why() -> None:
    """A person sees each change with its reason, and the pods that are left as they are."""
    done = run("plan", stdin=STREAM, command="mlmesh")
    shown = done.stdout.decode()
    for part in (
        "3 objects to change, 2 pod templates",
        "Deployment ml/llm (document 1)",
        "why: inference sidecar: label mlmesh.dev/role on the pod template",
        'add     /spec/template/metadata/annotations/sidecar.istio.io~1proxyCPU = "500m"',
        "Pods left as they are:\n  Deployment ml/other: gateway: label mlmesh.dev/role on the pod template",
    ):
        assert part in shown, shown


def test_a_plan_is_made_whatever_the_findings_are() -> None:
    """It shows what would change; whether the release passes is the post-renderer's word."""
    broken = yaml.safe_dump(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "g"},
            "spec": {"gatewayClassName": "istio", "listeners": [{"protocol": "GRPC"}]},
        }
    )
    assert plan(f"{pod()}---\n{broken}")["patches"]
    assert plan("")["patches"] == []


def test_a_file_and_a_policy_can_be_named(tmp_path: Any) -> None:
    """`mlmesh plan FILE --policy FILE`, and a wrong call is met with its help."""
    (tmp_path / "stream.yaml").write_text(STREAM)
    (tmp_path / "policy.yaml").write_text(policy(sidecars={"inference": {"proxyCPU": "750m"}}))
    shape = plan("", str(tmp_path / "stream.yaml"), "--policy", str(tmp_path / "policy.yaml"))
    assert "750m" in json.dumps(shape["patches"][1])
    done = run("plan", "nowhere.yaml", command="mlmesh")
    assert done.returncode == 2
    assert b"nowhere.yaml" in done.stderr
    assert run("plan", "--format", "xml", command="mlmesh").returncode == 2
    assert b"plan" in run("--help", command="mlmesh").stdout
    done = run("plan", stdin="kind: Pod\n\tx", command="mlmesh")
    assert (done.returncode, done.stdout) == (2, b"")


def workload(kind: str, role: str, **spec: Any) -> str:
    """A workload with these fields in its spec."""
    item = yaml.safe_load(pod(kind, role=role, name=f"{role}-{kind.lower()}"))
    item["spec"].update(spec)
    return yaml.safe_dump(item)


NOTHING = {"pods": 0, "requests": {"cpu": "0", "memory": "0"}, "limits": {"cpu": "0", "memory": "0"}}


def test_the_plan_ends_with_what_the_sidecars_cost() -> None:
    """By role and in all, replicas counted; DaemonSets by node and CronJobs by run, since nobody knows how many."""
    stream = "---\n".join(
        [
            workload("Deployment", "inference", replicas=3),
            workload("StatefulSet", "feature-store", replicas=2),
            workload("Job", "training", parallelism=4),
            workload("DaemonSet", "monitoring"),
            workload("CronJob", "pipeline"),
            workload("Deployment", "gateway", replicas=7),
        ]
    )
    cost = plan(stream)["cost"]
    assert cost["roles"]["inference"] == {
        "pods": 3, "requests": {"cpu": "1500m", "memory": "1536Mi"}, "limits": {"cpu": "3", "memory": "3Gi"},
    }  # fmt: skip
    assert set(cost["roles"]) == {"inference", "feature-store", "training"}
    assert cost["total"] == {
        "pods": 9, "requests": {"cpu": "2400m", "memory": "3Gi"}, "limits": {"cpu": "7", "memory": "6Gi"},
    }  # fmt: skip
    assert cost["perNode"]["roles"]["monitoring"]["pods"] == cost["perNode"]["total"]["pods"] == 1
    assert cost["perRun"]["roles"]["pipeline"]["requests"] == {"cpu": "100m", "memory": "256Mi"}
    assert plan("")["cost"]["total"] == plan("")["cost"]["perRun"]["total"] == NOTHING
    shown = run("plan", stdin=stream, command="mlmesh").stdout.decode()
    assert shown.endswith(
        "Sidecars of this release:\n"
        "  role           pods    CPU  limit  memory  limit\n"
        "  inference         3  1500m      3  1536Mi    3Gi\n"
        "  feature-store     2   500m      2   512Mi    1Gi\n"
        "  training          4   400m      2     1Gi    2Gi\n"
        "  all               9  2400m      7     3Gi    6Gi\n"
        "\n"
        "Sidecars on each node (DaemonSets):\n"
        "  role        pods   CPU  limit  memory  limit\n"
        "  monitoring     1  100m   500m   256Mi  512Mi\n"
        "\n"
        "Sidecars of each run (CronJobs, and templates that others run):\n"
        "  role      pods   CPU  limit  memory  limit\n"
        "  pipeline     1  100m   500m   256Mi  512Mi\n"
    ), shown


def test_a_cost_counts_what_the_pods_really_get() -> None:
    """The user's own sizes, a limit that the policy took away, and no pod that has no sidecar."""
    text = pod(**{"sidecar.istio.io/proxyCPU": "2", "sidecar.istio.io/proxyCPULimit": "4"})
    assert plan(text)["cost"]["total"]["requests"]["cpu"] == "2"
    assert plan(pod(**{"sidecar.istio.io/inject": "false"}))["cost"]["total"] == NOTHING
    assert plan(workload("Deployment", "inference", replicas=0))["cost"]["total"] == NOTHING
    unlimited = policy(sidecars={"inference": {"proxyCPULimit": None, "proxyMemory": None}}) + "\n---\n" + pod()
    total = plan(unlimited)["cost"]["total"]
    assert total["limits"] == {"cpu": None, "memory": "1Gi"}
    assert total["requests"]["memory"] == "1Gi"  # Kubernetes takes the limit for a request that is not set
    none = policy(sidecars={"inference": {"proxyCPULimit": None}})
    scaled = plan(f"{none}\n---\n{workload('Deployment', 'inference', replicas=0)}")["cost"]["total"]
    assert scaled == NOTHING
    assert "none" in run("plan", stdin=unlimited, command="mlmesh").stdout.decode()


BARE: dict[str, Any] = {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}


@pytest.mark.parametrize(
    ("api_version", "kind", "spec", "pods"),
    [
        ("v1", "Pod", BARE["template"]["spec"], 1),
        ("jobset.x-k8s.io/v1alpha2", "JobSet",
         {"replicatedJobs": [{"name": "a", "replicas": 2, "template": {"spec": {"parallelism": 4, **BARE}}}]}, 8),
        ("kubeflow.org/v1", "PyTorchJob",
         {"pytorchReplicaSpecs": {"Master": {"replicas": 1, **BARE}, "Worker": {"replicas": 7, **BARE}}}, 8),
        ("ray.io/v1", "RayCluster",
         {"headGroupSpec": BARE, "workerGroupSpecs": [{"groupName": "g", "replicas": 2, "numOfHosts": 4, **BARE}]}, 9),
        ("ray.io/v1", "RayCluster",
         {"headGroupSpec": BARE, "workerGroupSpecs": [{"groupName": "g", "minReplicas": 3, **BARE}]}, 4),
        ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet",
         {"replicas": 3, "leaderWorkerTemplate": {"size": 4, "workerTemplate": BARE["template"]}}, 12),
        ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet",
         {"replicas": 3, "leaderWorkerTemplate":
          {"size": 4, "leaderTemplate": BARE["template"], "workerTemplate": BARE["template"]}}, 12),
        ("serving.kserve.io/v1beta1", "InferenceService",
         {"predictor": {"minReplicas": 2, "model": {}}, "transformer": {"containers": []}}, 3),
        ("serving.kserve.io/v1alpha1", "LLMInferenceService",
         {"replicas": 3, "template": BARE["template"]["spec"], "prefill": {"replicas": 2, "template": {}}}, 5),
        ("sparkoperator.k8s.io/v1beta2", "SparkApplication",
         {"image": "spark", "driver": {"cores": 1}, "executor": {"instances": 5}}, 6),
        ("monitoring.coreos.com/v1", "Prometheus", {"replicas": 2, "shards": 3}, 6),
        ("trainer.kubeflow.org/v1alpha1", "TrainJob", {"labels": {}, "trainer": {"numNodes": 4, "image": "i"}}, 4),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" not in value else "",
)  # fmt: skip
def test_each_kind_s_pods_are_counted(api_version: str, kind: str, spec: dict[str, Any], pods: int) -> None:
    """Groups, hosts, shards and workers multiply as the kind's controller multiplies them."""
    labels = {"mlmesh.dev/role": "inference"}
    item = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "labels": labels}, "spec": spec}
    assert plan(json.dumps(item))["cost"]["total"]["pods"] == pods


def test_a_role_that_another_signal_contradicts_is_told() -> None:
    """The signal that lost stands beside the one that decided, in JSON and in text."""
    components = {"jobs": {"role": "training", "selector": {"app": "llm"}}}
    stream = f"{policy(components=components)}\n---\n{pod()}"
    (found,) = plan(stream)["pods"]
    assert found["role"] == "inference"
    assert "component jobs says training" in found["conflict"]
    shown = run("plan", stdin=stream, command="mlmesh").stdout.decode()
    assert "Roles of which signals disagree:\n  Deployment ml/llm: inference, though component jobs" in shown
