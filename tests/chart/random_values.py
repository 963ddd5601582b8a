"""Values that nobody would write on purpose: those with every option, one or more replaced, emptied or taken out."""

import json
import random
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from dev.helm import Helm

Place = tuple[str, ...]
# What stands in for any value; the schema refuses most, and the templates must bear the rest.
STAND_INS: tuple[Any, ...] = (
    *(None, {}, [], "", 0, False, True, 65535, "x", ["x"]),
    *("a-" * 31 + "z", {"x": {}}, {"x": None}, {"a" * 63: {"enabled": False}}),
)
_OURS = re.compile(r"ERROR: |values don't meet the specifications of the schema")
_TRACE = re.compile(r"nil pointer|wrong type|can't evaluate|invalid value|parse error|interface conversion|iterate")


def places(node: Any, path: Place = ()) -> Iterator[Place]:
    """The path of every value, maps included."""
    if isinstance(node, dict):
        for key, below in node.items():
            yield (*path, key)
            yield from places(below, (*path, key))


def replaced(values: dict[str, Any], path: Place, value: Any) -> dict[str, Any]:
    """A copy with another value at a path, as far as the path still exists."""
    copy = deepcopy(values)
    place: Any = copy
    for part in path[:-1]:
        place = place.get(part)
        if not isinstance(place, dict):
            return copy
    place[path[-1]] = value
    return copy


def drawn(values: dict[str, Any], seed: int) -> dict[str, Any]:
    """The values with one to four of them replaced, always the same for a seed."""
    draw = random.Random(seed)  # noqa: S311
    known = list(places(values))
    for _ in range(draw.randint(1, 4)):
        values = replaced(values, draw.choice(known), draw.choice(STAND_INS))
    return values


def varied(values: dict[str, Any], schema: dict[str, Any], seed: int) -> dict[str, Any]:
    """The values with up to six of them changed to others that the schema takes, always the same for a seed.

    Blocks that pass through to Istio, Gateway API or Kubernetes stay: the schema does not say what they may hold.
    """
    draw = random.Random(seed)  # noqa: S311
    known = [(path, found) for path in places(values) if (found := _schema_at(schema, path)) is not None]
    for path, found in draw.sample(known, draw.randint(1, 6)):
        own, is_needed = found
        kinds = own.get("type")
        if own is schema["$defs"]["namespaceKey"]:
            values = replaced(values, path, draw.choice(sorted(values["namespaces"])))
        elif "enum" in own:
            values = replaced(values, path, draw.choice(own["enum"]))
        elif kinds == "boolean":
            values = replaced(values, path, draw.choice((True, False)))
        elif kinds == "integer":
            values = replaced(values, path, draw.randint(own.get("minimum", 0), own.get("maximum", 1000)))
        elif not is_needed and draw.random() < 0.5:
            values = replaced(values, path, None)  # Helm takes the default away, too
    return values


def _schema_at(schema: dict[str, Any], path: Place) -> tuple[dict[str, Any], bool] | None:
    """The schema of the value at a path, and whether its map must have it; None where the schema knows no such key."""
    own, is_needed = schema, False
    for part in path:
        own = _resolved(schema, own)
        below = own.get("properties", {}).get(part)
        if below is None:
            below = own.get("additionalProperties")
        if not isinstance(below, dict) or not below:
            return None
        own, is_needed = below, part in own.get("required", ())
    return _resolved(schema, own), is_needed


def _resolved(schema: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in own:
        own = schema["$defs"][own["$ref"].rpartition("/")[2]]
    return own


def rendered_or_refused(program: Helm, file: str) -> tuple[str, str]:
    """What Helm renders with a file of values, and what is wrong with how it refuses; one of them or both are empty."""
    done = program.run("template", "ml-mesh", "chart", "--namespace", "ml-mesh", "--values", file)
    if done.returncode == 0:
        return done.stdout, "<no value>" if "<no value>" in done.stdout else ""
    good = _OURS.search(done.stderr) and not _TRACE.search(done.stderr)
    return "", "" if good else done.stderr


def in_file(values: dict[str, Any], file: Path) -> str:
    """The path of the file, in which the values now are."""
    file.write_text(json.dumps(values))
    return str(file)
