"""What is said of pods that get nothing: their role is not known, or their kind has no place for annotations."""

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
    if all(_readable(sidecar.theirs[key]) for key in resources.SIZES if key in sidecar.theirs):
        sidecar.block = MESH_WIDE  # what a fix writes beside the user's own; no run writes it
        resources.size(sidecar)
    resources.note_partial(sidecar)
    said = sidecar.theirs.get(lifecycle.NATIVE)
    native = release.policy.spec["mesh"]["nativeSidecars"] is True if said is None else str(said) != "false"
    if ends(pod) and not native and lifecycle.is_asked(sidecar):
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
