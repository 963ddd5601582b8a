"""Floor 5: which role a pod plays, and why.

What tells it, the strongest first: the label ``mlmesh.dev/role``, the policy's components, and then what other people's
manifests say by themselves: kind, well-known labels, image, command. Names of objects and a GPU never choose. A signal
that loses to a stronger one of another role is told as a conflict.
"""

from mlmesh.graph.pods import PodTemplate
from mlmesh.graph.release import Release
from mlmesh.manifests.objects import text_map
from mlmesh.model.errors import InputError
from mlmesh.policy.defaults import PROXY_ROLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from mlmesh.policy.settings import Policy

LABEL = "mlmesh.dev/role"


class Role:
    """A pod's role, the signal that told it, and the strongest one that lost to it; each empty where there is none."""

    __slots__ = ("conflict", "name", "reason")

    def __init__(self, name: str = "", reason: str = "", conflict: str = "") -> None:
        self.name = name
        self.reason = reason
        self.conflict = conflict

    def __iter__(self) -> "Iterator[str]":
        return iter((self.name, self.reason, self.conflict))


def role_of(pod: PodTemplate, release: Release) -> Role:
    """The pod's role. Where nothing tells it is empty, which is never guessed at.

    Raises InputError for a role that the policy does not know, for a label that is no string where it would decide, and
    where two components with different roles select a pod that has no label ``mlmesh.dev/role``.
    """
    labels = pod.labels
    owner = pod.owner
    above = text_map(owner, owner.data, owner.pointer, "labels")
    claims = _components(pod, labels, release)
    for holder, where in ((labels, "pod template"), (above, owner.kind)):
        if LABEL in holder:
            role = _known(holder[LABEL], pod, release)
            other = next((f"component {name} says {claimed}" for name, claimed in claims if claimed != role), "")
            return Role(role, f"label {LABEL} on the {where}", other and f"{other}; the label goes first")
    if claims:
        name, role = claims[0]
        if any(other != role for _, other in claims):
            raise InputError(
                f"components {' and '.join(name for name, _ in claims)} both select the pod, with roles "
                f"{' and '.join(dict.fromkeys(role for _, role in claims))}",
                place=owner.document.place,
                remedy=f"narrow a selector, or put the label {LABEL} on the pod template",
            )
        return Role(role, f"component {name} selects it")
    from mlmesh.roles.signals import signals

    found = signals(pod, (labels,) if above is labels else (labels, above))
    for role, source, told in found:
        lost = next((signal for signal in found if signal[0] != role), None)
        if lost is None:
            return Role(role, f"{source} {told}")
        rule = f"the {source} goes first" if lost[1] != source else f"the first {source} counts"
        return Role(role, f"{source} {told}", f"{lost[1]} {lost[2]} says {lost[0]}; {rule}")
    return Role()


def roles_elsewhere(policy: "Policy") -> "Callable[[PodTemplate], str]":
    """Tells the roles of pods that are none of the release's: what is wrong with these is somebody else's to mend."""
    nobody = Release(policy)

    def role(pod: PodTemplate) -> str:
        try:
            return role_of(pod, nobody).name
        except InputError:
            return ""

    return role


def _components(pod: PodTemplate, labels: "dict[str, Any]", release: Release) -> list[tuple[str, str]]:
    """(name, role) of the policy's components that select the pod, by namespace and selector."""
    namespace = release.namespace(pod.owner)
    claims: list[tuple[str, str]] = []
    selected = False
    for name, component in release.policy.spec.get("components", {}).items():
        selector = component.get("selector")
        if not selector or not all(_has(pod, labels, key, value) for key, value in selector.items()):
            continue
        if component.get("namespace", namespace) != namespace:
            if namespace:
                release.selected_elsewhere.setdefault(name, namespace)
            continue
        selected = True
        release.selecting.add(name)
        if component.get("role"):
            claims.append((name, component["role"]))
    if not selected and LABEL not in labels and "helm.sh/hook" not in pod.owner.annotations():
        release.unselected.add(namespace)
    return claims


def _has(pod: PodTemplate, labels: "dict[str, Any]", key: str, value: str) -> bool:
    """Whether the pod has a label. A value that only looks the same is told: the API server refuses the pod."""
    held = labels.get(key)
    if held != value and held is not None and not isinstance(held, str) and str(held).lower() == value.lower():
        raise _not_a_string(pod, key, held)
    return bool(held == value)


def _known(role: object, pod: PodTemplate, release: Release) -> str:
    if not isinstance(role, str):
        raise _not_a_string(pod, LABEL, role)
    roles = release.policy.spec["sidecars"]
    if role in roles or role in PROXY_ROLES:
        return role
    raise InputError(
        f"role {role!r} is not known",
        place=f"{pod.owner.document.place}, label {LABEL}",
        remedy=f"one of {', '.join([*roles, *PROXY_ROLES])}, or a new one with sizes under `sidecars` of the policy",
    )


def _not_a_string(pod: PodTemplate, key: str, value: object) -> InputError:
    word = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return InputError(
        f"label {key} is {word}, which is no string",
        place=f"{pod.owner.document.place}, label {key} of the pod template",
        remedy=f'quote it ({key}: "{word}"): the API server takes strings only',
    )
