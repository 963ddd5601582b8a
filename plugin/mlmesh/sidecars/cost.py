"""What the sidecars of a release ask of the cluster, and what they may use."""

from math import inf

from mlmesh.graph.pods import PodTemplate, pod_templates
from mlmesh.manifests.objects import objects
from mlmesh.manifests.patching import split
from mlmesh.model.cost import Cost, Total
from mlmesh.model.units import milli
from mlmesh.sidecars.resources import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.manifests.stream import Stream
    from mlmesh.model.pods import PodRole

PER_NODE = frozenset({("apps", "DaemonSet"), ("apps.kruise.io", "DaemonSet"), ("apps.kruise.io", "BroadcastJob")})
# Kinds that run nothing by themselves: only at a time, or where another object names them.
PER_RUN = frozenset(
    {
        ("argoproj.io", "ClusterWorkflowTemplate"),
        ("argoproj.io", "CronWorkflow"),
        ("argoproj.io", "WorkflowTemplate"),
        ("", "PodTemplate"),
        ("batch", "CronJob"),
        ("ray.io", "RayCronJob"),
        ("serving.kserve.io", "ClusterServingRuntime"),
        ("serving.kserve.io", "LLMInferenceServiceConfig"),
        ("serving.kserve.io", "ServingRuntime"),
        ("sparkoperator.k8s.io", "ScheduledSparkApplication"),
        ("trainer.kubeflow.org", "ClusterTrainingRuntime"),
        ("trainer.kubeflow.org", "TrainingRuntime"),
    }
)
COUNTS = ("replicas", "instances", "minReplicas", "parallelism")
FACTORS = ("numOfHosts", "shards")  # of one replica of a Ray group, of a Prometheus
NEAREST = frozenset({"machinelearning.seldon.io", "serving.kserve.io"})  # groups where an inner count replaces an outer
STEPS = frozenset({"CronWorkflow", "ClusterWorkflowTemplate", "Workflow", "WorkflowTemplate"})


def cost(pods: "Sequence[PodRole]", stream: "Stream") -> Cost:
    """The cost of the pods whose sidecars get their role's settings, as the post-rendered stream has them.

    A Deployment counts its replicas, a Job its parallelism, a Ray group its workers; what an autoscaler does later is
    not known here.
    """
    roles = {(pod.document, pod.pointer): pod.role for pod in pods if pod.sidecar}
    result = Cost()
    for index in sorted({document for document, _ in roles}):
        document = stream.documents[index]
        for item in objects(document, document.data):
            kind = (item.group, item.kind)
            part = result.per_node if kind in PER_NODE else result.per_run if kind in PER_RUN else result.always
            for pod in pod_templates(item):
                role = roles.get((index, pod.pointer))
                if role is not None:
                    count = replicas(pod)
                    part.setdefault(role, Total()).add(count, *(count * size if count else 0 for size in _sizes(pod)))
    return result


def replicas(pod: PodTemplate) -> int:
    """How many pods a template makes: the product of the counts in the maps that it stands in, 1 without any."""
    owner = pod.owner
    if owner.kind in STEPS:  # each step is a pod; parallelism there is a bound
        return 1
    count = 1
    node: Any = owner.data
    place = pod.pointer[len(owner.pointer) :]
    path = split(place) if place else ()  # a Pod is its own template
    for depth in range(len(path) + 1):
        if depth:
            token = path[depth - 1]
            node = node[int(token)] if isinstance(node, list) else node[token]
        if not isinstance(node, dict):
            continue
        here = next((node[key] for key in COUNTS if _is_count(node.get(key))), None)
        if here is not None:
            count = here if owner.group in NEAREST else count * here
        for key in FACTORS:
            count *= node[key] if _is_count(node.get(key)) else 1
        if "workerTemplate" in node and _is_count(node.get("size")):  # of a LeaderWorkerSet: its leader counts, too
            leader = path[depth : depth + 1] == ("leaderTemplate",)
            count *= 1 if leader else node["size"] - ("leaderTemplate" in node)
    nodes = owner.data.get("spec", {}).get("trainer") if owner.kind == "TrainJob" else None
    return count * (nodes["numNodes"] if isinstance(nodes, dict) and _is_count(nodes.get("numNodes")) else 1)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _sizes(pod: PodTemplate) -> list[float]:
    """CPU and memory that one sidecar requests, and its limits. Kubernetes takes the limit for a request left out."""
    set_ = [
        pod.annotations.get(PREFIX + key) for key in ("proxyCPU", "proxyMemory", "proxyCPULimit", "proxyMemoryLimit")
    ]
    cpu, memory, cpu_limit, memory_limit = (None if value is None else milli(str(value)) for value in set_)
    return [
        cpu if cpu is not None else cpu_limit or 0,
        memory if memory is not None else memory_limit or 0,
        inf if cpu_limit is None else cpu_limit,
        inf if memory_limit is None else memory_limit,
    ]
