"""What is known of the PodSpec of kinds that have none: enough to tell images, commands, accounts and the network."""

from mlmesh.graph.fields import entries, mapping
from mlmesh.graph.kinds import ARGO_STEP, FIELDS, SPARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mlmesh.manifests.objects import KubeObject

# An Argo template makes a pod only if it has one of these; `steps`, `dag` and `suspend` make none
# (argoproj/argo-workflows pkg/apis/workflow/v1alpha1 Template).
_RUNS = ("container", "script", "containerSet", "resource", "data", "http", "plugin")


def _argo_step(item: "KubeObject", step: "dict[str, Any]") -> "dict[str, Any] | None":
    if not any(step.get(key) for key in _RUNS):
        return None
    whole = step.get("containerSet")
    containers = whole.get("containers") if isinstance(whole, dict) else None
    found = [step[key] for key in ("container", "script") if isinstance(step.get(key), dict)]
    sidecars = step.get("sidecars")
    spec = mapping(item.data.get("spec"))
    spec = mapping(spec.get("workflowSpec")) or spec
    return {
        **{key: value[key] for key in ("serviceAccountName", "hostNetwork") for value in (spec, step) if key in value},
        "containers": [*found, *entries(containers), *entries(sidecars)],
        "initContainers": entries(step.get("initContainers")),
    }


def _spark(item: "KubeObject", part: "dict[str, Any]") -> "dict[str, Any]":
    """sparkoperator.k8s.io: the pod template of Spark 3 on, under the part's own fields."""
    spec = mapping(item.data.get("spec"))
    spec = mapping(spec.get("template")) or spec
    template = mapping(mapping(part.get("template")).get("spec"))
    image = part.get("image") or spec.get("image")
    fields = {"serviceAccountName": part.get("serviceAccount"), "hostNetwork": part.get("hostNetwork")}
    given = {key: value for key, value in fields.items() if value is not None}
    if image is not None and not template.get("containers"):
        given["containers"] = [{"name": "spark", "image": image}]
    return {"restartPolicy": "Never", **template, **given}


# By the word in the kinds' table: a PodSpec from the object and its anchor; None where no pod is made.
MADE: "dict[str, Callable[[KubeObject, dict[str, Any]], dict[str, Any] | None]]" = {
    ARGO_STEP: _argo_step,
    FIELDS: lambda _, anchor: anchor,
    SPARK: _spark,
}
