"""Where each kind keeps its pod template."""

from mlmesh.manifests.objects import KubeObject, text_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# (API group, kind): the path from the object to its pod template (types of k8s.io/api). A Pod is its own template.
TEMPLATES: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
}


class PodTemplate:
    """A pod template: ``pointer`` leads to it from its document's root; ``data`` has ``metadata`` and ``spec``."""

    __slots__ = ("data", "owner", "pointer")

    def __init__(self, owner: KubeObject, pointer: str, data: "dict[str, Any]") -> None:
        self.owner = owner
        self.pointer = pointer
        self.data = data

    @property
    def labels(self) -> "dict[str, Any]":
        """The labels that its pods get."""
        return text_map(self.owner, self.data, self.pointer, "labels")

    @property
    def annotations(self) -> "dict[str, Any]":
        """The annotations that its pods get."""
        return text_map(self.owner, self.data, self.pointer, "annotations")

    @property
    def spec(self) -> "dict[str, Any]":
        """The PodSpec, empty where there is none."""
        spec = self.data.get("spec")
        return spec if isinstance(spec, dict) else {}


def pod_template(item: KubeObject) -> PodTemplate | None:
    """The object's pod template, or None where the kind has none or the object lacks it."""
    path = TEMPLATES.get((item.group, item.kind))
    if path is None:
        return None
    data: Any = item.data
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        return None
    return PodTemplate(item, item.pointer + "".join("/" + key for key in path), data)
