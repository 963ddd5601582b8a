"""What controllers make of an object and no stream has, though routes and Services lead to it: Services, pools, labels.

``{}`` is the object's name, ``*`` what the controller invents. Sources: kserve/kserve pkg/constants and
pkg/controller/v1alpha2/llmisvc; knative/serving pkg/reconciler; ray-project/kuberay ray-operator/controllers/ray/utils;
kubernetes-sigs/{lws,jobset}; kubeflow/{training-operator,mpi-operator,kubeflow notebook-controller}; istio/istio
pilot/pkg/config/kube (Gateways, pools); feast-dev/feast infra/feast-operator; prometheus-operator; volcano-sh/volcano.
"""

from mlmesh.graph.fields import at
from mlmesh.graph.gateways import gateway_class, made_name
from mlmesh.graph.pods import PodTemplate
from mlmesh.manifests.objects import KubeObject

ISTIO_POOL = "{}-ip-*"
_TRAINING = ("{}-*-*",)

MAKERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("serving.kserve.io", "InferenceService"): ("{}", "{}-predictor", "{}-predictor-*", "{}-head-*"),
    ("serving.kserve.io", "InferenceGraph"): ("{}",),
    ("serving.kserve.io", "LLMInferenceService"): (
        "{}-kserve-workload-svc",
        "{}-epp-service",
        "{}-inference-pool-ip-*",
    ),
    ("llm-d.ai", "ModelService"): ("{}-epp-service",),
    ("serving.knative.dev", "Service"): ("{}", "{}-0*"),
    ("ray.io", "RayCluster"): ("{}-head-svc", "{}-headless"),
    ("ray.io", "RayService"): ("{}-head-svc", "{}-serve-svc", "{}-*-head-svc"),
    ("ray.io", "RayJob"): ("{}-*-head-svc",),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): ("{}",),
    ("jobset.x-k8s.io", "JobSet"): ("{}",),
    ("trainer.kubeflow.org", "TrainJob"): ("{}",),
    ("kubeflow.org", "PyTorchJob"): _TRAINING,
    ("kubeflow.org", "TFJob"): _TRAINING,
    ("kubeflow.org", "XGBoostJob"): _TRAINING,
    ("kubeflow.org", "PaddleJob"): _TRAINING,
    ("kubeflow.org", "JAXJob"): _TRAINING,
    ("kubeflow.org", "MPIJob"): ("{}", "{}-worker"),
    ("kubeflow.org", "Notebook"): ("{}",),
    ("batch.volcano.sh", "Job"): ("{}",),
    ("sparkoperator.k8s.io", "SparkApplication"): ("{}-ui-svc", "{}-*-driver-svc"),
    ("machinelearning.seldon.io", "SeldonDeployment"): ("{}-*",),
    ("apps.nvidia.com", "NIMService"): ("{}",),
    ("grove.io", "PodCliqueSet"): ("{}-*",),
    ("feast.dev", "FeatureStore"): ("feast-{}-online", "feast-{}-offline", "feast-{}-registry", "feast-{}-ui"),
    ("kaito.sh", "Workspace"): ("{}", "{}-headless"),
    ("monitoring.coreos.com", "Prometheus"): ("prometheus-operated",),
    ("monitoring.coreos.com", "Alertmanager"): ("alertmanager-operated",),
    ("monitoring.coreos.com", "ThanosRuler"): ("thanos-ruler-operated",),
    ("gateway.networking.k8s.io", "Gateway"): (),
    ("inference.networking.k8s.io", "InferencePool"): (ISTIO_POOL,),
}


POOLS: dict[tuple[str, str], str] = {
    ("serving.kserve.io", "LLMInferenceService"): "{}-inference-pool",
    ("llm-d.ai", "ModelService"): "{}-inference-pool",
}

_JOB_NAME = {"training.kubeflow.org/job-name": "{}"}
# Labels that a controller puts on an object's pods, besides its template's own.
LABELS: dict[tuple[str, str], dict[str, str]] = {
    ("batch", "Job"): {"job-name": "{}", "batch.kubernetes.io/job-name": "{}"},
    ("apps", "StatefulSet"): {"statefulset.kubernetes.io/pod-name": "{}-*"},
    ("jobset.x-k8s.io", "JobSet"): {"jobset.sigs.k8s.io/jobset-name": "{}"},
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): {"leaderworkerset.sigs.k8s.io/name": "{}"},
    ("monitoring.coreos.com", "Alertmanager"): {
        "app.kubernetes.io/name": "alertmanager",
        "alertmanager": "{}",
        "statefulset.kubernetes.io/pod-name": "alertmanager-{}-*",
    },
    ("monitoring.coreos.com", "Prometheus"): {
        "app.kubernetes.io/name": "prometheus",
        "operator.prometheus.io/name": "{}",
        "prometheus": "{}",
        "statefulset.kubernetes.io/pod-name": "prometheus-{}-*",
    },
    ("ray.io", "RayCluster"): {"ray.io/cluster": "{}"},
    ("serving.kserve.io", "InferenceService"): {"serving.kserve.io/inferenceservice": "{}"},
    ("kubeflow.org", "Notebook"): {"notebook-name": "{}", "statefulset": "{}"},
    ("kubeflow.org", "PyTorchJob"): _JOB_NAME,
    ("kubeflow.org", "TFJob"): _JOB_NAME,
    ("kubeflow.org", "XGBoostJob"): _JOB_NAME,
    ("kubeflow.org", "PaddleJob"): _JOB_NAME,
    ("kubeflow.org", "JAXJob"): _JOB_NAME,
    ("kubeflow.org", "MPIJob"): _JOB_NAME,
}


def labels_set(pod: PodTemplate) -> "dict[str, str]":
    """The labels that the pods' controller sets. A value can hold ``*``: each pod has another."""
    owner = pod.owner
    patterns = LABELS.get((owner.group, owner.kind))
    labels = {key: value.format(owner.name) for key, value in patterns.items()} if patterns else {}
    if owner.group == "ray.io" and pod.part != "submitter":
        labels["ray.io/node-type"] = "head" if pod.part == "head" else "worker"
        if pod.part.startswith("worker "):
            labels["ray.io/group"] = pod.part.removeprefix("worker ")
    return labels


def services_made(item: KubeObject) -> list[str]:
    """The names of the Services that the object's controller makes, in its namespace."""
    kind = (item.group, item.kind)
    names = [pattern.format(item.name) for pattern in MAKERS.get(kind, ())]
    if kind == ("gateway.networking.k8s.io", "Gateway"):
        names = [made_name(item)] if gateway_class(item) else []
    elif kind == ("serving.kserve.io", "InferenceService"):
        for part in ("transformer", "explainer"):
            if at(item.data, f"spec.{part}") is not None:
                names += (f"{item.name}-{part}", f"{item.name}-{part}-*")
    elif item.group == "ray.io":
        for path in ("spec.headGroupSpec.headService.metadata.name", "spec.serveService.metadata.name"):
            given = at(item.data, path)
            if isinstance(given, str):
                names.append(given)
    elif kind == ("jobset.x-k8s.io", "JobSet"):
        given = at(item.data, "spec.network.subdomain")
        names = [given] if isinstance(given, str) else names
    elif at(item.data, "spec.networkConfig.subdomainPolicy") == "UniquePerReplica":  # of a LeaderWorkerSet
        names = [f"{item.name}-*"]
    return names


def leads_to(name: str, kind: str, owner: str, part: str) -> bool:
    """Whether a Service that is made of an object (its kind and name) leads to the pods of a part of it."""
    if kind == "InferenceService":
        of = next(
            (word for word in ("transformer", "explainer", "predictor") if name.startswith(f"{owner}-{word}")), ""
        )
        return part.startswith(of)
    if name.endswith("-head-svc"):
        return part == "head"
    if kind == "LLMInferenceService":
        return (part == "scheduler") == name.endswith("-epp-service")
    return True


def fits(name: str, pattern: str) -> bool:
    """Whether a Service's name is one that the pattern (``{}`` filled in) stands for."""
    parts = pattern.split("*")
    if len(parts) == 1:
        return name == pattern
    if not name.startswith(parts[0]) or not name.endswith(parts[-1]):
        return False
    rest = name[len(parts[0]) : len(name) - len(parts[-1])]
    return bool(rest) and all(part in rest[1:] for part in parts[1:-1] if part)
