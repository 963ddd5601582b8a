"""The stamps on what was touched, by which a later run tells its own values from the user's."""

from sys import intern  # most objects of a release get the same pointers: each is held once

from mlmesh import __version__
from mlmesh.manifests.objects import KubeObject
from mlmesh.model.patches import Patch, pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from mlmesh.model.patches import Operation

RENDERED_BY = "mlmesh.dev/rendered-by"
DERIVED = "mlmesh.dev/derived"


def derived(item: KubeObject) -> frozenset[str]:
    """Pointers, from the object, of the values that an earlier run derived into it."""
    return frozenset(str(item.annotations().get(DERIVED, "")).split())


def additions(
    base: str, holder: "dict[str, Any]", path: "Sequence[str]", values: "Mapping[str, Any]"
) -> "list[Operation]":
    """Operations that set keys of the map at ``path`` below ``holder``, missing maps made first.

    ``base`` is the pointer of ``holder``.
    """
    operations: list[Operation] = []
    at, node = base, holder
    for key in path:
        at = intern(at + pointer(key))
        below = node.get(key)
        if not isinstance(below, dict):
            operations.append({"op": "add", "path": at, "value": {}})
            below = {}
        node = below
    for key, value in values.items():
        if key not in node:
            operations.append({"op": "add", "path": intern(at + pointer(key)), "value": value})
        elif node[key] != value:
            operations.append({"op": "replace", "path": intern(at + pointer(key)), "value": value})
    return operations


def stamped(
    item: KubeObject, operations: "list[Operation]", ours: "Sequence[str]", reason: str, role: str = ""
) -> Patch:
    """The patch of these operations and of the stamps that go with them.

    ``ours`` are the pointers, from the object, of every value in it that is derived (of this run or an earlier one).
    """
    values = {RENDERED_BY: __version__}
    if ours:
        values[DERIVED] = intern(" ".join(ours))
    stamps = additions(item.pointer, item.data, ("metadata", "annotations"), values)
    if not ours and DERIVED in item.annotations():
        stamps.append({"op": "remove", "path": item.pointer + pointer("metadata", "annotations", DERIVED)})
    made: set[str] = set()
    whole: list[Operation] = []
    for operation in (*operations, *stamps):
        if operation["op"] == "add" and operation["value"] == {}:
            if operation["path"] in made:
                continue  # a map that an operation before has made: made again, it would be empty again
            made.add(operation["path"])
        whole.append(operation)
    return Patch(
        document=item.document.index,
        api_version=item.api_version,
        kind=item.kind,
        namespace=item.namespace,
        name=item.name,
        reason=reason,
        operations=whole,
        role=role,
    )
