"""The size of a pod's sidecar: four annotations, all or none.

Any one of them makes Istio's injector drop every default of the mesh, in the init container too (istio/istio
files/injection-template.yaml of the istiod chart), so a pod that has one gets the others. The API server refuses a
request above its limit: what is added is fitted to what the user set.
"""

from sys import intern

from mlmesh.graph.pods import PodTemplate, pod_template
from mlmesh.graph.release import Release
from mlmesh.graph.stamps import additions, derived, stamped
from mlmesh.model.errors import InputError
from mlmesh.model.patches import Patch, pointer
from mlmesh.model.pods import PodRole
from mlmesh.model.units import milli
from mlmesh.policy.defaults import PROXY_ROLES
from mlmesh.roles import role_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlmesh.manifests.objects import KubeObject

PREFIX = "sidecar.istio.io/"
PAIRS = (("proxyCPU", "proxyCPULimit"), ("proxyMemory", "proxyMemoryLimit"))
INJECT = PREFIX + "inject"


def size(items: "Iterable[KubeObject]", release: Release) -> tuple[list[PodRole], list[Patch]]:
    """The pod templates among these objects, each with its role, and the patches that give sidecars their size."""
    pods: list[PodRole] = []
    patches: list[Patch] = []
    for owner in items:
        pod = pod_template(owner)
        if pod is None:
            continue
        role, reason = role_of(pod, release)
        if role and role not in PROXY_ROLES:
            off = _without_sidecar(pod)
            patch = None if off else _patch(pod, role, reason, release)
            if off:
                reason = f"{reason}; {off}"
            if patch is not None:
                patches.append(patch)
        pods.append(
            PodRole(
                document=owner.document.index,
                api_version=owner.api_version,
                kind=owner.kind,
                namespace=owner.namespace,
                name=owner.name,
                pointer=pod.pointer,
                role=role,
                reason=reason,
            )
        )
    return pods, patches


def _without_sidecar(pod: PodTemplate) -> str:
    """Why the injector gives this pod no sidecar, or an empty string."""
    if pod.spec.get("hostNetwork") is True:
        return "hostNetwork pods get no sidecar"
    for holder, word in ((pod.labels, "label"), (pod.annotations, "annotation")):
        if str(holder.get(INJECT, "")).lower() == "false":
            return f"{word} {INJECT} says no sidecar"
    return ""


def _patch(pod: PodTemplate, role: str, reason: str, release: Release) -> Patch | None:
    owner = pod.owner
    ours = derived(owner)
    path = (pod.pointer + "/metadata/annotations")[len(owner.pointer) :]
    present = pod.annotations
    theirs = {key: value for key, value in present.items() if path + pointer(key) not in ours}
    wanted = _fitted(theirs, release.policy.spec["sidecars"][role], pod)
    stale = [key for key in present if key not in theirs and key.startswith(PREFIX) and key not in wanted]
    operations = additions(pod.pointer, pod.data, ("metadata", "annotations"), wanted) if wanted else []
    for key in stale:
        operations.append({"op": "remove", "path": pod.pointer + pointer("metadata", "annotations", key)})
    if not operations:
        return None
    return stamped(
        owner, operations, [path + pointer(key) for key in wanted], intern(f"{role} sidecar: {reason}"), role
    )


def _fitted(theirs: "dict[str, object]", sizes: "dict[str, str | None]", pod: PodTemplate) -> dict[str, str]:
    """The annotations to write: the role's sizes where the user has none, no request above its limit."""
    wanted: dict[str, str] = {}
    for request, limit in PAIRS:
        set_request, set_limit = theirs.get(PREFIX + request), theirs.get(PREFIX + limit)
        new_request, new_limit = sizes.get(request), sizes.get(limit)
        if set_request is None and new_request is not None:
            fits = set_limit is None or _milli(set_limit, limit, pod) >= milli(new_request)
            wanted[PREFIX + request] = new_request if fits else str(set_limit)
        if set_limit is None and new_limit is not None:
            fits = set_request is None or _milli(set_request, request, pod) <= milli(new_limit)
            wanted[PREFIX + limit] = new_limit if fits else str(set_request)
    return wanted


def _milli(value: object, key: str, pod: PodTemplate) -> float:
    try:
        return milli(str(value))
    except ValueError as error:
        raise InputError(
            str(error),
            place=f"{pod.owner.document.place}, annotation {PREFIX}{key} of the pod template",
            remedy="Istio's injector refuses the pod: write a quantity in quotes",
        ) from None
