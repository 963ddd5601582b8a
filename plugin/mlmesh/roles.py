"""Floor 5: which role a pod plays, and why."""

from mlmesh.graph.pods import PodTemplate
from mlmesh.graph.release import Release
from mlmesh.manifests.objects import text_map
from mlmesh.model.errors import InputError
from mlmesh.policy.defaults import PROXY_ROLES

LABEL = "mlmesh.dev/role"


def role_of(pod: PodTemplate, release: Release) -> tuple[str, str]:
    """The pod's role and the reason; both empty where nothing tells, which is never guessed at.

    The label ``mlmesh.dev/role`` on the pod template, else on the object, decides; then the policy's components, by
    namespace and selector. Raises InputError for a role that the policy does not know, and where two components with
    different roles select one pod.
    """
    labels = pod.labels
    for holder, where in ((labels, "pod template"), (_object_labels(pod), pod.owner.kind)):
        if LABEL in holder:
            return _known(str(holder[LABEL]), pod, release), f"label {LABEL} on the {where}"
    namespace = release.namespace(pod.owner)
    found: dict[str, str] = {}
    for name, component in release.policy.spec.get("components", {}).items():
        selector = component.get("selector")
        if (
            selector
            and component.get("namespace", namespace) == namespace
            and all(labels.get(key) == value for key, value in selector.items())
        ):
            found.setdefault(component.get("role", ""), name)
    if len(found) > 1:
        raise InputError(
            f"components {' and '.join(found.values())} both select the pod, with roles {' and '.join(found)}",
            place=pod.owner.document.place,
            remedy=f"narrow a selector, or put the label {LABEL} on the pod template",
        )
    for role, name in found.items():
        return (_known(role, pod, release), f"component {name} selects it") if role else ("", "")
    return "", ""


def _object_labels(pod: PodTemplate) -> dict[str, object]:
    return text_map(pod.owner, pod.owner.data, pod.owner.pointer, "labels")


def _known(role: str, pod: PodTemplate, release: Release) -> str:
    roles = release.policy.spec["sidecars"]
    if role in roles or role in PROXY_ROLES:
        return role
    raise InputError(
        f"role {role!r} is not known",
        place=f"{pod.owner.document.place}, label {LABEL}",
        remedy=f"one of {', '.join([*roles, *PROXY_ROLES])}, or a new one with sizes under `sidecars` of the policy",
    )
