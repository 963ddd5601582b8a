"""The stamps on what was touched, by which a later run tells its own values from the user's."""

from functools import lru_cache
from sys import intern

from mlmesh import __version__
from mlmesh.manifests.objects import KubeObject
from mlmesh.model.patches import Patch, pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    from mlmesh.model.patches import Operation

RENDERED_BY = "mlmesh.dev/rendered-by"
DERIVED = "mlmesh.dev/derived"


def derived(item: KubeObject) -> frozenset[str]:
    """Pointers, from the object, of the values that an earlier run derived into it."""
    found = set()
    above = ""
    for word in str(item.annotations().get(DERIVED, "")).split():
        if word.startswith("/"):
            above = word.rpartition("/")[0]
            found.add(word)
        else:
            found.add(f"{above}/{word}")
    return frozenset(found)


def _listed(ours: "Sequence[str]") -> str:
    """Pointers as the stamp has them: of one that stands beside the one before it only the last key."""
    words = []
    last = None
    for path in ours:
        above, _, key = path.rpartition("/")
        words.append(key if above == last else path)
        last = above
    return intern(" ".join(words))


def additions(
    base: str, holder: "dict[str, Any]", path: "Sequence[str]", values: "Mapping[str, Any]"
) -> "list[Operation]":
    """Operations that set keys of the map at ``path`` below ``holder``, missing maps made first.

    ``base`` is the pointer of ``holder``; an item of a list on the way, named by its index, must be there.
    """
    operations: list[Operation] = []
    at = base
    node: Any = holder
    for key in path:
        at += pointer(key)
        below = node.get(key) if isinstance(node, dict) else node[int(key)]
        if not isinstance(below, (dict, list)):
            operations.append(_new_map(at))
            below = {}
        node = below
    for key, value in values.items():
        if key in node and node[key] == value:
            continue
        op: Literal["add", "replace"] = "replace" if key in node else "add"
        path = at + pointer(key)
        operations.append(
            _text(op, path, value) if isinstance(value, str) else {"op": op, "path": intern(path), "value": value}
        )
    return operations


# Most objects of a release get the same operations: each is held once.


@lru_cache(1024)
def _new_map(path: str) -> "Operation":
    return {"op": "add", "path": path, "value": {}}


@lru_cache(1024)
def _text(op: "Literal['add', 'replace']", path: str, value: str) -> "Operation":
    return {"op": op, "path": path, "value": value}


def stamped(
    item: KubeObject, operations: "list[Operation]", ours: "Sequence[str]", reason: str, role: str = ""
) -> Patch:
    """The patch of these operations and of the stamps that go with them.

    ``ours`` are the pointers, from the object, of every value in it that is derived (of this run or an earlier one).
    """
    values = {RENDERED_BY: __version__}
    if ours:
        values[DERIVED] = _listed(ours)
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
