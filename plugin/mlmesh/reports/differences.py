"""Two environments beside each other, as a person or a program reads them: never a secret."""

import json

from mlmesh.model.differences import ABSENT
from mlmesh.model.masking import MASK, is_secret
from mlmesh.model.values import Map, dotted
from mlmesh.reports.words import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.model.differences import Differences, FieldChange, ObjectChange, ObjectName, ValueChange
    from mlmesh.model.values import Leaf, Path

VERSION = 1
SHOWN = 160  # characters of one value
MANY = 3  # objects in which a change is the same, from which on it is told once
_NOISE = ("checksum/",)  # annotations that say that something else changed
_RED, _GREEN, _BOLD = "31", "32", "1"


class Repeated:
    """A change that is alike in several objects."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: list[ObjectName] = []


def gathered(told: "Differences") -> "tuple[list[tuple[ObjectChange, list[FieldChange]]], list[Repeated]]":
    """The changed objects with what only few have, and the changes that many have alike: labels of the chart's version.

    Of a checksum only that it changed is alike.
    """
    groups: dict[str, Repeated] = {}
    for change in told.changed:
        for line in {_alike(change, field) for field in change.fields}:
            groups.setdefault(line, Repeated(line)).names.append(change.name)
    many = {line: group for line, group in groups.items() if len(group.names) >= MANY}
    own = []
    for change in told.changed:
        fields = [field for field in change.fields if _alike(change, field) not in many]
        if fields:
            own.append((change, fields))
    return own, list(many.values())


def _alike(change: "ObjectChange", field: "FieldChange") -> str:
    if any(part.startswith(_NOISE) for part in field.path):
        return f"{field_path(field.path)} changed"
    return field_text(change, field)


def differences_text(told: "Differences", *, colour: bool = False) -> str:
    """What differs, values first; empty sections are told in a word."""
    lines = [f"{told.left or 'the defaults'} -> {told.right or 'the defaults'}", *_values(told, colour)]
    own, many = gathered(told)
    lines += ["", _coloured(f"objects: {counts(told)}", _BOLD, colour)]
    lines += [_coloured(printable(f"  + {name}"), _GREEN, colour) for name in told.added]
    lines += [_coloured(printable(f"  - {name}"), _RED, colour) for name in told.removed]
    for change, fields in own:
        lines.append(printable(f"  ~ {change.name}"))
        lines += [printable(f"      {field_text(change, field)}") for field in fields]
    for each in many:
        lines.append(printable(f"  ~ {len(each.names)} objects alike, {each.names[0]} the first"))
        lines.append(printable(f"      {each.text}"))
    lines += [printable(f"note: {note}") for note in told.notes]
    return "\n".join(lines) + "\n"


def _values(told: "Differences", colour: bool) -> "Iterator[str]":
    if told.values is None:
        return
    yield ""
    yield _coloured(f"values: {len(told.values) or 'none'} differ{'s' if len(told.values) == 1 else ''}", _BOLD, colour)
    for change in told.values:
        yield printable(f"  {dotted(change.path)}")
        for sign, value, code in (("-", change.left, _RED), ("+", change.right, _GREEN)):
            if value is not None:
                yield _coloured(
                    printable(f"    {sign} {value_text(change.path, value)}  ({value.origin})"), code, colour
                )


def counts(told: "Differences") -> str:
    """How many objects are added, removed, changed and the same."""
    return f"{len(told.added)} added, {len(told.removed)} removed, {len(told.changed)} changed, {told.same} the same"


def value_text(path: "Path", value: "Map | Leaf") -> str:
    """A value in a line, masked and cut."""
    return _cut(_shown(path, value.plain()))


def field_path(path: "Path") -> str:
    """``spec.http[0].timeout``; a key with dots in it is in quotes."""
    out = ""
    for part in path:
        if part.startswith("["):
            out += part
        else:
            key = json.dumps(part, ensure_ascii=False) if "." in part or "/" in part else part
            out += f".{key}" if out else key
    return out


def field_text(change: "ObjectChange", field: "FieldChange") -> str:
    """A field with both its values, masked and cut."""
    left, right = fields_shown(change, field)
    return f"{field_path(field.path)}: {_cut(left)} -> {_cut(right)}"


def fields_shown(change: "ObjectChange", field: "FieldChange") -> tuple[str, str]:
    """Both values of a field as JSON, masked; a Secret's data always is, in its annotations, too."""
    hidden = field.secret or (change.name.kind == "Secret" and not {"data", "stringData"}.isdisjoint(field.path))
    if field.path[-1:] == ("[order]",):  # names alone
        return json.dumps(field.left, ensure_ascii=False), json.dumps(field.right, ensure_ascii=False)
    told = [
        "none" if value is ABSENT else MASK if hidden else _shown(field.path, value)
        for value in (field.left, field.right)
    ]
    if MASK in told:  # one side alone could be less guarded than the other
        told = [text if text == "none" else MASK for text in told]
    return told[0], told[1]


def _shown(path: "Path", value: "Any") -> str:
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return json.dumps(_masked(path, value), ensure_ascii=False)
    return MASK if is_secret(path, value, text) else text


def _masked(path: "Path", value: "Any") -> "Any":
    """A map in which what is secret is masked, leaf by leaf."""
    if isinstance(value, dict):
        return {key: _masked((*path, key), below) for key, below in value.items()}
    return MASK if is_secret(path, value, json.dumps(value, ensure_ascii=False)) else value


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


def _coloured(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def differences_json(told: "Differences") -> str:
    """``{"version", "left", "right", "values", "objects": {"added", "removed", "changed", "same"}, "notes"}``.

    The shape is docs/schemas/differences.schema.json.
    """
    shape = {
        "version": VERSION,
        "left": told.left,
        "right": told.right,
        "values": None if told.values is None else [_value_json(change) for change in told.values],
        "objects": {
            "added": [_name_json(name) for name in told.added],
            "removed": [_name_json(name) for name in told.removed],
            "changed": [
                {
                    **_name_json(change.name),
                    "fields": [
                        dict(
                            zip(
                                ("path", "left", "right"),
                                (field_path(each.path), *fields_shown(change, each)),
                                strict=True,
                            )
                        )
                        for each in change.fields
                    ],
                }
                for change in told.changed
            ],
            "same": told.same,
        },
        "notes": told.notes,
    }
    return json.dumps(shape, indent=2, ensure_ascii=False) + "\n"


def _value_json(change: "ValueChange") -> "dict[str, Any]":
    sides = {
        side: None
        if value is None
        else {"value": _shown(change.path, value.plain()), "file": value.origin.file, "line": value.origin.line}
        for side, value in (("left", change.left), ("right", change.right))
    }
    return {"path": dotted(change.path), **sides}


def _name_json(name: "ObjectName") -> dict[str, str]:
    return {"apiVersion": name.api_version, "kind": name.kind, "namespace": name.namespace, "name": name.name}
