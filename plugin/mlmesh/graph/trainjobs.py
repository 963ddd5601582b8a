"""TrainJobs (kubeflow/trainer pkg/apis/trainer/v1alpha1): where they keep their pods' metadata depends on the version.

2.0 has ``labels`` and ``annotations`` of the whole job; 2.1 ``podTemplateOverrides``; from 2.2 on ``runtimePatches``,
an item a manager. The fields that are there tell which; without any of them nobody knows, and there is no place.
"""

from mlmesh.graph.fields import at
from mlmesh.graph.pods import Place, PodTemplate
from mlmesh.manifests.objects import KubeObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_JOB = "trainingRuntimeSpec.template.spec.replicatedJobs"
_PATCHES = Place("", f"spec.runtimePatches[].{_JOB}[].template.spec.template", "metadata", "spec")
_OVERRIDES = Place("", "spec.podTemplateOverrides[]", "metadata", "spec")


def train_job(item: KubeObject) -> list[PodTemplate]:
    """The pod templates of a TrainJob; its trainer is their container. Raises InputError as pod_templates does."""
    spec = item.data.get("spec")
    if not isinstance(spec, dict):
        return []
    trainer = spec.get("trainer")
    containers = [trainer] if isinstance(trainer, dict) else []
    pods: list[PodTemplate] = []
    if "runtimePatches" in spec:
        pods = list(_PATCHES.read(item))
    elif "podTemplateOverrides" in spec:
        pods = list(_OVERRIDES.read(item))
    elif any(key in spec for key in ("labels", "annotations", "podSpecOverrides")):
        return [_whole(item, spec, containers, f"{item.pointer}/spec")]
    for pod in pods:
        pod.spec = {"containers": containers, **pod.spec}
    return pods or [_whole(item, spec, containers, None)]


def _whole(item: KubeObject, spec: "dict[str, Any]", containers: "list[Any]", holder: str | None) -> PodTemplate:
    return PodTemplate(
        item,
        f"{item.pointer}/spec",
        holder=holder,
        metadata=spec if holder else None,
        spec={"containers": containers, "restartPolicy": "Never", **(at(spec, "template.spec") or {})},
    )
