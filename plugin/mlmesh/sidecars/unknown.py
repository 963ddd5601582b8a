"""What is said of pods that get nothing: their role is not known, or their kind has no place for annotations."""

from mlmesh.graph.inventory import INJECT
from mlmesh.graph.pods import PodTemplate
from mlmesh.graph.release import Release
from mlmesh.model.units import milli
from mlmesh.policy.defaults import MESH_WIDE
from mlmesh.sidecars import lifecycle, resources
from mlmesh.sidecars.injection import ends, without_sidecar
from mlmesh.sidecars.sidecar import Sidecar


def judge(pod: PodTemplate, release: Release) -> None:
    """Note MLM503, MLM504 and MLM506 for a pod of no known role whose metadata speaks of a sidecar."""
    if pod.holder is None or without_sidecar(pod):
        return
    sidecar = Sidecar(pod, "", release, frozenset())
    sizes = [resources.PREFIX + key for pair in resources.PAIRS for key in pair]
    present = [key for key in sizes if key in sidecar.theirs]
    if all(_readable(sidecar.theirs[key]) for key in present):
        sidecar.block = MESH_WIDE  # what a fix writes beside the user's own; no run writes it
        resources.size(sidecar)
    missing = [key for key in sizes if key not in present]
    if present and missing:
        sidecar.note(
            "MLM504",
            sidecar.at(present[0]),
            f"the injector drops every size of the mesh where a pod sets one: this one has no {', '.join(missing)}",
            "set all four, or tell the pod's role by the label mlmesh.dev/role and leave them out",
            operations=sidecar.annotating(sidecar.annotations),
        )
    said = sidecar.theirs.get(lifecycle.NATIVE)
    native = release.policy.spec["mesh"]["nativeSidecars"] is True if said is None else str(said) != "false"
    if str(pod.labels.get(INJECT)).lower() == "true" and ends(pod) and not native:
        lifecycle.note_endless(sidecar)


def note_no_place(pod: PodTemplate, role: str, release: Release) -> None:
    """Note MLM512 for a pod whose role is known, but whose kind passes no annotations on to it."""
    sidecar = Sidecar(pod, role, release, frozenset())
    sidecar.note(
        "MLM512",
        pod.pointer[len(pod.owner.pointer) :],
        f"{pod.owner.kind} has no place for annotations of its pods, so their sidecars keep the mesh's own settings "
        f"in place of those of the role {role}",
        "set the mesh's own sizes (global.proxy.resources in istiod's values), or write the annotations where the "
        "kind's controller takes them from, as a TrainJob's does from its runtime",
    )


def _readable(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        milli(value)
    except ValueError:
        return False
    return True
