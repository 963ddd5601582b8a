"""Pod templates in kinds that have no row: by shape, and in whole objects within an object by their own kind."""

from mlmesh.graph.kinds import KINDS, WITHOUT_PODS
from mlmesh.graph.pods import PodTemplate, pod_templates
from mlmesh.manifests.objects import KubeObject
from mlmesh.model.patches import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def search(item: KubeObject) -> list[PodTemplate]:
    """Maps with ``metadata`` beside a ``spec`` that has ``containers``; objects of kinds with a row by that.

    An object's own metadata is never a pod's: a ServingRuntime has the shape, too.
    """
    return [] if item.kind in WITHOUT_PODS else list(_walk(item, item.data, item.pointer))


def _walk(item: KubeObject, node: "Any", pointer: str) -> "Iterator[PodTemplate]":
    if isinstance(node, list):
        for index, below in enumerate(node):
            if isinstance(below, (dict, list)):
                yield from _walk(item, below, f"{pointer}/{index}")
        return
    kind, version = node.get("kind"), node.get("apiVersion")
    is_object = isinstance(kind, str) and isinstance(version, str) and bool(kind) and bool(version)
    if is_object and node is not item.data:
        if (version, kind) == ("v1", "Pod"):
            is_object = False  # a template that is written as a whole Pod
        elif (version.rpartition("/")[0], kind) in KINDS:
            yield from pod_templates(_within(item, node, pointer))
            return
        elif kind in WITHOUT_PODS:
            return
    spec = node.get("spec")
    if not is_object and "metadata" in node and isinstance(spec, dict) and isinstance(spec.get("containers"), list):
        yield PodTemplate(
            item,
            pointer,
            holder=f"{pointer}/metadata",
            metadata=node["metadata"],
            spec=spec,
            spec_pointer=f"{pointer}/spec",
            shape=True,
        )
        return
    for key, below in node.items():
        if isinstance(below, (dict, list)):
            yield from _walk(item, below, f"{pointer}/{escape(str(key))}")


def _within(item: KubeObject, data: "dict[str, Any]", pointer: str) -> KubeObject:
    """The object within another, under the other's name where it has none of its own."""
    inner = KubeObject(item.document, pointer, data)
    inner.name = inner.name or item.name
    inner.namespace = inner.namespace or item.namespace
    return inner
