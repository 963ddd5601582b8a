"""Values as a person or a program reads them: each leaf, where it is from, and what it lies over."""

import json

from mlmesh.model.masking import is_secret, shown
from mlmesh.model.values import Leaf, Map, dotted, leaves
from mlmesh.reports.words import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from mlmesh.model.values import Merged, Origin, Path, Removed

VERSION = 1
SHOWN = 200  # characters of one value
_LAYERS = {"chart": ", the chart's default", "profile": ", a profile", "user": ""}


def values_text(merged: "Merged", wanted: "Sequence[str]") -> str:
    """A block for each leaf at or below the paths that are wanted (all of them where there is none)."""
    blocks = ["\n".join(_block(path, value)) for path, value in leaves(merged.values) if chosen(path, wanted)]
    blocks += ["\n".join(_removed(each)) for each in merged.removed if chosen(each.path, wanted)]
    notes = [printable(f"note: {note}") for note in merged.notes]
    return "\n".join([*(blocks or ["no values"]), *([""] if notes else []), *notes]) + "\n"


def values_json(merged: "Merged", wanted: "Sequence[str]") -> str:
    """``{"version", "values": [{"path", "value", "masked", "origin", "overrides": [...], ...}], "removed", "notes"}``.

    The shape is docs/schemas/values.schema.json.
    """
    shape = {
        "version": VERSION,
        "values": [
            {
                **_told(path, value),
                "replacesList": _replaces_list(value),
                "overrides": [_told(path, below) for below in value.over],
            }
            for path, value in leaves(merged.values)
            if chosen(path, wanted)
        ],
        "removed": [
            {**_told(each.path, each.was), "by": _origin(each.null.origin)}
            for each in merged.removed
            if chosen(each.path, wanted)
        ],
        "notes": merged.notes,
    }
    return json.dumps(shape, indent=2, ensure_ascii=False) + "\n"


def chosen(path: "Path", wanted: "Sequence[str]") -> bool:
    """Whether a path is one of those wanted, or lies below one; dots in keys may be escaped or not."""
    if not wanted:
        return True
    names = (dotted(path), ".".join(path))
    return any(name == want or name.startswith(f"{want}.") for name in names for want in wanted)


def _block(path: "Path", value: "Map | Leaf") -> "Iterator[str]":
    yield printable(f"{dotted(path)} = {_value(path, value)}  ({_place(value.origin)})")
    null = isinstance(value, Leaf) and value.data is None
    if null and value.origin.layer == "user":
        yield "  stays as null: no default that it could remove"
    lists = _replaces_list(value)
    for below in value.over:
        word = "replaces the list" if lists and isinstance(below.plain(), list) else "over"
        yield printable(f"  {word} {_value(path, below)}  ({_place(below.origin)})")


def _removed(each: "Removed") -> "Iterator[str]":
    yield printable(f"{dotted(each.path)} is removed: null  ({_place(each.null.origin)})")
    yield printable(f"  was {_value(each.path, each.was)}  ({_place(each.was.origin)})")


def _value(path: "Path", value: "Map | Leaf") -> str:
    if isinstance(value, Map) and value:
        return f"a map of {', '.join(sorted(value))}"
    text = shown(path, value.plain())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters: see --format json)"


def _place(origin: "Origin") -> str:
    return f"{origin}{_LAYERS[origin.layer]}"


def _replaces_list(value: "Map | Leaf") -> bool:
    return isinstance(value.plain(), list) and any(isinstance(below.plain(), list) for below in value.over)


def _told(path: "Path", value: "Map | Leaf") -> "dict[str, Any]":
    plain = value.plain()
    if isinstance(value, Map) and value:
        return {"path": dotted(path), "value": None, "masked": False, "keys": sorted(value), **_origin(value.origin)}
    hidden = is_secret(path, plain, json.dumps(plain, ensure_ascii=False))
    return {"path": dotted(path), "value": "***" if hidden else plain, "masked": hidden, **_origin(value.origin)}


def _origin(origin: "Origin") -> "dict[str, Any]":
    return {"file": origin.file, "line": origin.line, "layer": origin.layer}
