"""Patches for any document: those that the post-renderer makes, and random ones."""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlmesh.manifests.editor import patched
from mlmesh.model.patches import pointer

if TYPE_CHECKING:
    from mlmesh.model.patches import Operation

ANNOTATIONS = {
    "sidecar.istio.io/proxyCPU": "100m",
    "sidecar.istio.io/proxyMemory": "128Mi",
    "sidecar.istio.io/proxyCPULimit": "2",
    "sidecar.istio.io/proxyMemoryLimit": "1e3",
}
RETRIES = {"attempts": 2, "perTryTimeout": "30s", "retryOn": "connect-failure,refused-stream"}
VALUES: tuple[Any, ...] = (
    "on",
    "0x1F",
    "two\nlines: \u2028 # é 😀",
    "",
    12,
    -1.5,
    True,
    None,
    {},
    [],
    {"a": {"b": [1, {"c": None}]}, "y": "no"},
    [["x"], {"k": "v", "l": {}}],
)


def places(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value of a document below its root, with its path."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield (*path, key), value
        yield from places(value, (*path, key))


def missing_maps(data: Any, path: tuple[str | int, ...], *keys: str) -> "list[Operation]":
    """Operations that make the maps `keys` below a path where they are missing or null."""
    operations: list[Operation] = []
    for key in keys:
        path = (*path, key)
        data = data.get(key) if data else None
        if data is None:
            operations.append({"op": "add", "path": pointer(*path), "value": {}})
    return operations


def touches(data: dict[str, Any]) -> "list[Operation]":
    """The four annotations at every pod template, and a timeout with retries in every VirtualService's http rule."""
    operations: list[Operation] = []
    for path, value in [((), data), *places(data)]:
        spec = value.get("spec") if isinstance(value, dict) else None
        if not isinstance(spec, dict) or not isinstance(spec.get("containers"), list):
            continue
        metadata = value.get("metadata")
        if metadata is not None and not isinstance(metadata.get("annotations", {}), (dict, type(None))):
            continue
        operations += missing_maps(value, path, "metadata", "annotations")
        for name, text in ANNOTATIONS.items():
            operations.append({"op": "add", "path": pointer(*path, "metadata", "annotations", name), "value": text})
    if data.get("kind") == "VirtualService":
        for index in range(len(data["spec"].get("http") or ())):
            operations.append({"op": "add", "path": pointer("spec", "http", index, "timeout"), "value": "60s"})
            operations.append({"op": "add", "path": pointer("spec", "http", index, "retries"), "value": RETRIES})
    return operations


def random_operations(data: dict[str, Any], seed: int, count: int) -> "list[Operation]":
    """Up to `count` operations, each with a path that is there after those before it."""
    chance = random.Random(seed)  # noqa: S311 - the same operations every time
    operations: list[Operation] = []
    for _ in range(count):
        where = list(places(data))
        if not where:
            break
        path, value = chance.choice(where)
        op = chance.choice(("add", "replace", "remove"))
        new = chance.choice(VALUES)
        if op == "add" and isinstance(value, dict):
            path = (*path, chance.choice(("zz", "on", "a/b~c", "1", "key with blanks", "é", "sidecar.istio.io/x")))
        elif op == "add" and isinstance(value, list):
            path = (*path, chance.choice(["-", *range(len(value) + 1)]))
        operation: Operation = {"op": op, "path": pointer(*path)}  # type: ignore[typeddict-item]
        if op != "remove":
            operation["value"] = new
        operations.append(operation)
        data = patched(data, [operation])
    return operations
