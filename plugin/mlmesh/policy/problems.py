"""What is wrong with a policy: its values held against the table of fields."""

from mlmesh.model.units import duration_ms, milli
from mlmesh.policy.fields import SPEC
from mlmesh.policy.names import version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Schema = dict[str, Any]

_TYPES: "dict[str, tuple[type, ...]]" = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_WORDS = {
    "object": "a map",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_NAMES = {dict: "a map", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}


def _named(value: object) -> str:
    return _NAMES.get(type(value), "null")


def problems(value: object, schema: "Schema" = SPEC, path: str = "spec") -> "Iterator[tuple[str, str, str]]":
    """What is wrong with a policy's value: (path in dots, what is wrong, what to do), in the value's order."""
    types = schema.get("type", "object")
    allowed = types if isinstance(types, list) else [types]
    right = isinstance(value, tuple(kind for name in allowed for kind in _TYPES[name]))
    if not right or (isinstance(value, bool) and "boolean" not in allowed):  # to Python a boolean is a number, too
        wanted = " or ".join(_WORDS[name] for name in allowed)
        number = isinstance(value, str) and ("integer" in allowed or "number" in allowed)
        remedy = "write a number without quotes" if number else "quote a string; write a map's keys below it"
        yield path, f"{_named(value)} where {wanted} is needed", remedy
    elif isinstance(value, dict):
        yield from _map_problems(value, schema, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from problems(item, schema["items"], f"{path}[{index}]")
    elif isinstance(value, str):
        yield from _text_problems(value, schema, path)
    elif isinstance(value, (int, float)):
        yield from _number_problems(value, schema, path)


def _number_problems(value: float, schema: "Schema", path: str) -> "Iterator[tuple[str, str, str]]":
    if value < schema.get("minimum", value):
        yield path, f"{value} is too small", f"the lowest value is {schema['minimum']}"
    elif value > schema.get("maximum", value):
        yield path, f"{value} is too large", f"the highest value is {schema['maximum']}"
    elif "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield path, f"{value} is too small", f"it must be above {schema['exclusiveMinimum']}"


def _map_problems(value: "dict[str, Any]", schema: "Schema", path: str) -> "Iterator[tuple[str, str, str]]":
    known = schema.get("properties", {})
    others = schema["additionalProperties"]
    names = schema.get("propertyNames", {})
    for key, item in value.items():
        below = f"{path}.{key}"
        if key in known:
            yield from problems(item, known[key], below)
        elif not others:
            yield below, "unknown key", _nearest(key, known)
        elif key not in names.get("enum", (key,)):
            yield below, "unknown key", _nearest(key, names["enum"])
        elif "pattern" in names and not _matches(names["pattern"], key):
            yield below, "unknown key", "a rule's code is needed, such as MLM201"
        else:
            yield from problems(item, others, below)
    for key in schema.get("required", ()):
        if key not in value:
            yield path, f"{key} is missing", f"add {key}"


def _nearest(key: str, known: "Iterable[str]") -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, 1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"


def _text_problems(value: str, schema: "Schema", path: str) -> "Iterator[tuple[str, str, str]]":
    if value not in schema.get("enum", (value,)):
        choices = [word for word in schema["enum"] if word is not None]
        words = [word if isinstance(word, str) else str(word).lower() for word in choices]
        quotes = ", without quotes" if value.lower() in ("true", "false") else ""
        yield path, f"{value!r} is not known", f"one of {', '.join(words)}{quotes}"
    form = schema.get("format")
    if form is None and "pattern" in schema and not _matches(schema["pattern"], value):
        yield path, f"{value!r} is not what belongs here", str(schema["description"])
    try:
        if form == "duration":
            if duration_ms(value) % 1:
                yield path, f"{value!r} is not in whole milliseconds", "Istio takes none finer"
        elif form == "positive-duration":
            if duration_ms(value) == 0:
                yield path, f"{value!r} is no time at all", "it must be above zero"
        elif form == "retry-on":
            yield from _retry_problems(value, path)
        elif form == "quantity":
            milli(value)
        elif form == "version":
            version(value)
    except ValueError as error:
        yield path, str(error), "the unit is part of the string, and the string is quoted"


def _retry_problems(value: str, path: str) -> "Iterator[tuple[str, str, str]]":
    from mlmesh.model.retry_on import refused

    word = refused(value)
    if word:
        what = f"{value!r} is not a list of retry conditions: Istio knows no {word!r}"
        yield path, what, "write such as 5xx,reset or connect-failure,503: commas and no blanks"


def _matches(pattern: str, text: str) -> bool:
    import re

    return re.search(pattern, text) is not None
