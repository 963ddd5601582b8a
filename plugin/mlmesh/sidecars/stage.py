"""Every pod template with its role, and the patch that gives its sidecar what the role gets."""

from sys import intern

from mlmesh.graph.inventory import INJECT
from mlmesh.graph.pods import PodTemplate
from mlmesh.graph.release import Release
from mlmesh.graph.stamps import additions, derived, stamped
from mlmesh.manifests.patching import split
from mlmesh.model.patches import pointer
from mlmesh.model.pods import PodRole
from mlmesh.policy.defaults import PROXY_ROLES
from mlmesh.roles import role_of
from mlmesh.sidecars.injection import ends, without_sidecar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation, Patch
    from mlmesh.sidecars.sidecar import Sidecar


KSERVE = "serving.kserve.io"


def equip(templates: "Iterable[PodTemplate]", release: Release) -> "tuple[list[PodRole], list[Patch]]":
    """The role of each of a document's pod templates, and the patches that their sidecars need."""
    pods: list[PodRole] = []
    patches: list[Patch] = []
    found: dict[KubeObject, list[tuple[PodTemplate, PodRole]]] = {}
    for pod in templates:
        role = _role(pod, release)
        pods.append(role)
        found.setdefault(pod.owner, []).append((pod, role))
    for owner, together in found.items():
        ours = derived(owner)
        if ours or owner.group == KSERVE or any(role.sidecar for _, role in together):
            patch = _patch(owner, together, release, ours)
            if patch is not None:
                patches.append(patch)
    return pods, patches


def _role(pod: PodTemplate, release: Release) -> PodRole:
    found = role_of(pod, release)
    reason, sidecar = found.reason, False
    if not found.name:
        speaks = INJECT in pod.labels or any(str(key).startswith("sidecar.istio.io/") for key in pod.annotations)
        if speaks or ends(pod):
            from mlmesh.sidecars.unknown import judge

            judge(pod, release)
    elif found.name not in PROXY_ROLES:
        off = without_sidecar(pod)
        if off:
            reason = f"{reason}; {off}"
        elif pod.holder is None:
            from mlmesh.sidecars.unknown import note_no_place

            note_no_place(pod, found.name, release)
            reason = f"{reason}; the kind has no place for annotations of its pods"
        else:
            sidecar = True
    owner = pod.owner
    return PodRole(
        document=owner.document.index,
        api_version=owner.api_version,
        kind=owner.kind,
        namespace=owner.namespace,
        name=owner.name,
        part=pod.part,
        pointer=pod.pointer,
        role=found.name,
        reason=intern(reason),
        conflict=found.conflict,
        sidecar=sidecar,
    )


def _patch(
    owner: "KubeObject", templates: "Sequence[tuple[PodTemplate, PodRole]]", release: Release, ours: "frozenset[str]"
) -> "Patch | None":
    """The patch of one object, None where it needs none. What an earlier run derived, and this one not, goes away."""
    from mlmesh.sidecars.settings import settled

    operations: list[Operation] = []
    derived_now: dict[str, None] = {}
    reasons: dict[str, list[str]] = {}  # each with the parts of the object that it holds for
    done: set[str] = set()
    together = [pod for pod, _ in templates]
    for pod, role in templates:
        if pod.holder is None or not (role.sidecar or ours):
            continue
        sidecar = settled(pod, role.role if role.sidecar else "", release, ours, together)
        if role.sidecar:
            for reason in (f"{role.role} sidecar: {role.reason}", *sidecar.reasons):
                reasons.setdefault(reason, []).append(pod.part)
        if pod.holder not in done:  # several templates can share one: the first decides
            done.add(pod.holder)
            operations += _annotate(sidecar, derived_now)
        operations += _specify(sidecar, derived_now)
    if owner.group == KSERVE:
        operations += _timeouts(owner, together, release, ours, derived_now=derived_now, reasons=reasons)
    if not operations:
        return None
    names = dict.fromkeys(role.role for _, role in templates if role.sidecar)
    return stamped(owner, operations, list(derived_now), _why(reasons, len(templates)), ", ".join(names))


def _timeouts(
    owner: "KubeObject",
    pods: "Sequence[PodTemplate]",
    release: Release,
    ours: "frozenset[str]",
    *,
    derived_now: "dict[str, None]",
    reasons: "dict[str, list[str]]",
) -> "list[Operation]":
    """The timeouts of KServe's objects, which hold both pods and routes; ``derived_now`` and ``reasons`` take them."""
    from mlmesh.endpoints.kserve_write import derived_fields, is_ours

    operations: list[Operation] = []
    for path, value, reason in derived_fields(owner, pods, release, ours):
        derived_now[path] = None
        *above, key = split(path)
        operations += additions(owner.pointer, owner.data, above, {key: value})
        reasons.setdefault(reason, []).extend(pod.part for pod in pods)
    stale = [path for path in ours if is_ours(path) and path not in derived_now]
    return operations + [{"op": "remove", "path": owner.pointer + path} for path in stale if _there(owner, path)]


def _there(owner: "KubeObject", path: str) -> bool:
    node: Any = owner.data
    for token in split(path):
        if isinstance(node, list):
            node = node[int(token)] if token.isdecimal() and int(token) < len(node) else None
        else:
            node = node.get(token) if isinstance(node, dict) else None
    return node is not None


def _why(reasons: "dict[str, list[str]]", count: int) -> str:
    """The reasons in one line; a part of the object is named where one does not hold for all of its templates."""
    words = [
        reason if len(parts) == count else f"{', '.join(filter(None, parts))}: {reason}"
        for reason, parts in reasons.items()
    ]
    return intern("; ".join(words) or "what an earlier run derived is taken away: the pods have no role any more")


def _annotate(sidecar: "Sidecar", derived_now: "dict[str, None]") -> "list[Operation]":
    owner, wanted = sidecar.pod.owner, sidecar.annotations
    operations = additions(owner.pointer, owner.data, split(sidecar.path), wanted) if wanted else []
    for key in wanted:
        derived_now.update(dict.fromkeys(sidecar.inner[key] if key in sidecar.inner else (sidecar.at(key),)))
    if sidecar.ours:
        for key in sidecar.pod.annotations:
            if key not in sidecar.theirs and key not in wanted:
                operations.append({"op": "remove", "path": owner.pointer + sidecar.at(key)})
    return operations


def _specify(sidecar: "Sidecar", derived_now: "dict[str, None]") -> "list[Operation]":
    pod, owner = sidecar.pod, sidecar.pod.owner
    if pod.spec_pointer is None or not (sidecar.spec or sidecar.ours):
        return []
    path = pod.spec_pointer[len(owner.pointer) :]
    operations = additions(owner.pointer, owner.data, split(path), sidecar.spec) if sidecar.spec else []
    derived_now.update(dict.fromkeys(path + pointer(key) for key in sidecar.spec))
    for key in pod.spec if sidecar.ours else ():
        if key == "timeout" and owner.group == KSERVE:
            continue  # of the object's part, whose other fields are a PodSpec's
        if path + pointer(key) in sidecar.ours and key not in sidecar.spec:
            operations.append({"op": "remove", "path": owner.pointer + path + pointer(key)})
    return operations
