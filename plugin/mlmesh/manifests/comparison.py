"""The objects of two streams beside each other: which are added and removed, and which fields of the others differ."""

import json

from mlmesh.manifests.objects import objects
from mlmesh.manifests.stream import read
from mlmesh.model.differences import ABSENT, Differences, FieldChange, ObjectChange, ObjectName
from mlmesh.model.masking import speaks_of_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.model.values import Path

    Found = dict[tuple[str, str, str, str, int], tuple[ObjectName, dict[str, Any]]]


def compare(left: bytes, right: bytes, told: Differences, *, namespace: str = "") -> None:
    """Add to the differences those of two streams' objects, which are known by group, kind, namespace and name.

    ``namespace`` is that of objects that name none. Raises InputError for what cannot be read.
    """
    one, other = _objects(left, namespace), _objects(right, namespace)
    told.removed += [name for key, (name, _) in one.items() if key not in other]
    told.added += [name for key, (name, _) in other.items() if key not in one]
    for key, (name, before) in one.items():
        if key in other:
            fields = list(_fields(before, other[key][1], ()))
            told.same += not fields
            if fields:
                told.changed.append(ObjectChange(name, fields))


def _objects(stream: bytes, namespace: str) -> "Found":
    found: Found = {}
    for document in read(stream).documents:
        for item in objects(document, document.data):
            name = ObjectName(item.api_version, item.kind, item.namespace, item.name)
            copy = 0
            while (key := (item.group, item.kind, item.namespace or namespace, item.name, copy)) in found:
                copy += 1
            found[key] = name, item.data
    return found


def _fields(left: "Any", right: "Any", path: "Path") -> "Iterator[FieldChange]":
    if isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            yield from _fields(left.get(key, ABSENT), right.get(key, ABSENT), (*path, key))
    elif isinstance(left, list) and isinstance(right, list):
        yield from _list_fields(left, right, path)
    elif isinstance(left, str) and isinstance(right, str) and left != right:
        before, after = _document(left), _document(right)
        if before is not None and after is not None:  # a policy in a ConfigMap
            yield from _fields(before, after, path)
        else:
            yield FieldChange(path, left, right)
    elif type(left) is not type(right) or left != right:
        yield FieldChange(path, left, right)


def _list_fields(left: "list[Any]", right: "list[Any]", path: "Path") -> "Iterator[FieldChange]":
    one, other = _items(left, right)
    keys = [*one, *(key for key in other if key not in one)]
    found = [
        (key, change) for key in keys for change in _fields(one.get(key, ABSENT), other.get(key, ABSENT), (*path, key))
    ]
    secrets = _secrets(left) | _secrets(right) if found else set()
    for key, change in found:
        change.secret |= key in secrets
        yield change
    before, after = [key for key in one if key in other], [key for key in other if key in one]
    if before != after:  # of routes the first that matches counts, and init containers run one after the other
        yield FieldChange((*path, "[order]"), *([one[key]["name"] for key in keys] for keys in (before, after)))


def _secrets(items: "list[Any]") -> set[str]:
    """The indexes at which a list holds what is no secret by itself: behind an option, or beside a name."""
    found = set()
    for at, item in enumerate(items):
        if isinstance(item, str):
            if item.startswith("-") and "=" not in item and speaks_of_secret(item):
                found.add(f"[{at + 1}]")
        elif isinstance(item, dict) and "value" in item and speaks_of_secret(str(item.get("name"))):
            found.add(f"[{at}]")
    return found


def _items(left: "list[Any]", right: "list[Any]") -> "tuple[dict[str, Any], dict[str, Any]]":
    """Both lists by name, where every item has one of its own; else by index."""
    found = []
    for items in (left, right):
        names = [item.get("name") if isinstance(item, dict) else None for item in items]
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            return tuple({f"[{at}]": item for at, item in enumerate(each)} for each in (left, right))  # type: ignore[return-value]
        found.append({f"[name={name}]": item for name, item in zip(names, items, strict=True)})
    return found[0], found[1]


def _document(text: str) -> "dict[str, Any] | None":
    if not text.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
