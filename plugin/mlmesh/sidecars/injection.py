"""Which pods get no sidecar, and which pods end by themselves."""

from mlmesh.graph.inventory import INJECT
from mlmesh.graph.pods import PodTemplate

TEMPLATES = "inject.istio.io/templates"
PROXY = "istio-proxy"

# Kinds whose pods end when their work is done (restartPolicy says so too, but is often left to the controller).
ENDING = frozenset(
    {
        ("apps.kruise.io", "BroadcastJob"),
        ("argoproj.io", "ClusterWorkflowTemplate"),
        ("argoproj.io", "CronWorkflow"),
        ("argoproj.io", "Workflow"),
        ("argoproj.io", "WorkflowTemplate"),
        ("batch", "CronJob"),
        ("batch", "Job"),
        ("batch.volcano.sh", "Job"),
        ("jobset.x-k8s.io", "JobSet"),
        ("kubeflow.org", "JAXJob"),
        ("kubeflow.org", "MPIJob"),
        ("kubeflow.org", "PaddleJob"),
        ("kubeflow.org", "PyTorchJob"),
        ("kubeflow.org", "TFJob"),
        ("kubeflow.org", "XGBoostJob"),
        ("sparkoperator.k8s.io", "ScheduledSparkApplication"),
        ("sparkoperator.k8s.io", "SparkApplication"),
        ("trainer.kubeflow.org", "ClusterTrainingRuntime"),
        ("trainer.kubeflow.org", "TrainJob"),
        ("trainer.kubeflow.org", "TrainingRuntime"),
    }
)


def without_sidecar(pod: PodTemplate) -> str:
    """Why the injector gives this pod no sidecar, or why it is a proxy itself; else an empty string.

    istio/istio pkg/kube/inject/inject.go injectRequired: the label beats the annotation of the same name, and only the
    word ``false`` counts.
    """
    if pod.spec.get("hostNetwork") is True:
        return "hostNetwork pods get no sidecar"
    annotations = pod.annotations
    for holder, word in ((pod.labels, "label"), (annotations, "annotation")):
        if INJECT in holder:
            if holder[INJECT] in ("false", False):
                return f"{word} {INJECT} says no sidecar"
            break
    if "gateway" in str(annotations.get(TEMPLATES, "")):
        return f"annotation {TEMPLATES} makes it a gateway"
    containers = pod.spec.get("containers")
    if isinstance(containers, list) and containers and all(_named(item) == PROXY for item in containers):
        return f"{PROXY} is its only container: it is a proxy itself"
    return ""


def _named(container: object) -> object:
    return container.get("name") if isinstance(container, dict) else None


def ends(pod: PodTemplate) -> bool:
    """Whether the pods of this template end when their work is done."""
    if pod.spec.get("restartPolicy") in ("Never", "OnFailure"):
        return True
    return (pod.owner.group, pod.owner.kind) in ENDING or pod.pointer.endswith("/submitterPodTemplate")  # of a RayJob
