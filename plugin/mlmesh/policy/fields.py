"""Every field of a MeshPolicy, in one table that is at once the reader's and its JSON Schema.

The table is written in JSON Schema 2020-12. Two formats are ours: ``duration`` (Go's, such as 120s) and ``quantity``
(Kubernetes', such as 500m). ``null`` takes a setting of a lower layer away; ``0s`` says the same for a duration, since
Istio has no zero timeout.
"""

from mlmesh.model.units import duration_ms, milli
from mlmesh.policy.defaults import DEFAULTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Schema = dict[str, Any]

API_VERSION = "mlmesh.dev/v1alpha1"
KIND = "MeshPolicy"
SEVERITIES = ["error", "warning", "info", "off"]


def _map(doc: str, properties: "Schema") -> "Schema":
    return {"description": doc, "type": "object", "additionalProperties": False, "properties": properties}


def _each(doc: str, of: "Schema") -> "Schema":
    return {"description": doc, "type": "object", "additionalProperties": of}


def _keyed(doc: str, keys: "Schema", of: "Schema") -> "Schema":
    return {"description": doc, "type": "object", "propertyNames": keys, "additionalProperties": of}


def _list(doc: str) -> "Schema":
    return {"description": doc, "type": "array", "items": {"type": "string"}}


def _text(doc: str, **more: object) -> "Schema":
    return {"description": doc, "type": "string", **more}


def _quantity(doc: str) -> "Schema":
    return {"description": doc, "type": ["string", "null"], "format": "quantity"}


def _duration(doc: str) -> "Schema":
    return {"description": doc, "type": ["string", "null"], "format": "duration"}


SPEC = _map(
    "Settings of one release for the post-renderer.",
    {
        "release": _map(
            "The release that this policy came with.",
            {"name": _text("The release's name."), "namespace": _text("The release's namespace.")},
        ),
        "requires": _text("The lowest version of the plugin that can read this policy.", format="version"),
        "mesh": _map(
            "What the mesh is like.",
            {
                "trustDomain": _text("The trust domain of workload identities."),
                "clusterDomain": _text("The DNS domain of Services."),
                "rootNamespace": _text("Istio's root namespace."),
            },
        ),
        "components": _each(
            "The parts of the platform by name: which pods they are and which role those play.",
            _map(
                "One part of the platform.",
                {
                    "role": _text("The role of its pods: a key of `sidecars`."),
                    "namespace": _text("The namespace of its pods; any where it is left out."),
                    "selector": _each("Labels that its pods carry, all of them.", {"type": "string"}),
                },
            ),
        ),
        "sidecars": _each(
            "The sidecar's size by role. A new name makes a new role.",
            _map(
                "The size of a role's sidecar.",
                {
                    "proxyCPU": _quantity("CPU request."),
                    "proxyMemory": _quantity("Memory request."),
                    "proxyCPULimit": _quantity("CPU limit."),
                    "proxyMemoryLimit": _quantity("Memory limit."),
                },
            ),
        ),
        "endpoints": _map(
            "Timeouts and retries of LLM routes.",
            {
                "types": _keyed(
                    "The block that a route of this endpoint type gets.",
                    {"enum": list(DEFAULTS["endpoints"]["types"])},
                    _map(
                        "A type's block.",
                        {
                            "timeout": _duration("Bounds the whole response."),
                            "attempts": {
                                "description": "Retries after the first try; 0 turns retries off.",
                                "type": ["integer", "null"],
                                "minimum": 0,
                            },
                            "perTryTimeout": _duration("Bounds one try until its response headers."),
                            "retryOn": {
                                "description": "Envoy's retry conditions, with commas and without blanks.",
                                "type": ["string", "null"],
                                "pattern": "^[a-z0-9-]+(,[a-z0-9-]+)*$",
                            },
                        },
                    ),
                )
            },
        ),
        "invariants": _map(
            "The rules that every release must keep.",
            {
                "severity": _keyed(
                    "A rule's severity in place of its own.",
                    {"pattern": "^MLM[0-9]{3}$"},
                    {"type": "string", "enum": SEVERITIES},
                )
            },
        ),
        "external": _map(
            "What exists outside the stream.",
            {
                "hosts": _list("Hosts, as DNS names or as short names of the release's namespace."),
                "principals": _list("Identities, such as cluster.local/ns/NAMESPACE/sa/NAME."),
                "gateways": _list("Gateways, as NAMESPACE/NAME."),
            },
        ),
        "owns": _list("Namespaces that the release answers for, besides its own Namespace objects."),
    },
)

SCHEMA: "Schema" = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": KIND,
    "type": "object",
    "required": ["apiVersion", "kind", "spec"],
    "properties": {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": KIND},
        "metadata": {"type": "object"},
        "spec": SPEC,
    },
    "additionalProperties": False,
}

_TYPES: "dict[str, tuple[type, ...]]" = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "null": (type(None),),
}
_WORDS = {"object": "a map", "array": "a list", "string": "a string", "integer": "a whole number", "null": "null"}
_NAMES = {dict: "a map", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}


def _named(value: object) -> str:
    return _NAMES.get(type(value), "null")


def problems(value: object, schema: "Schema" = SPEC, path: str = "spec") -> "Iterator[tuple[str, str, str]]":
    """What is wrong with a policy's value: (path in dots, what is wrong, what to do), in the value's order."""
    types = schema.get("type", "object")
    allowed = types if isinstance(types, list) else [types]
    if isinstance(value, bool) or not isinstance(value, tuple(kind for name in allowed for kind in _TYPES[name])):
        wanted = " or ".join(_WORDS[name] for name in allowed)
        yield path, f"{_named(value)} where {wanted} is needed", "quote a string; write a map's keys below it"
    elif isinstance(value, dict):
        yield from _map_problems(value, schema, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from problems(item, schema["items"], f"{path}[{index}]")
    elif isinstance(value, str):
        yield from _text_problems(value, schema, path)
    elif isinstance(value, int) and value < schema.get("minimum", value):
        yield path, f"{value} is too small", f"the lowest value is {schema['minimum']}"


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
        elif not _matches(names.get("pattern", ""), key):
            yield below, "unknown key", "a rule's code is needed, such as MLM201"
        else:
            yield from problems(item, others, below)


def _nearest(key: str, known: "Iterable[str]") -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, 1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"


def _text_problems(value: str, schema: "Schema", path: str) -> "Iterator[tuple[str, str, str]]":
    if value not in schema.get("enum", (value,)):
        yield path, f"{value!r} is not known", f"one of {', '.join(schema['enum'])}"
    if "pattern" in schema and not _matches(schema["pattern"], value):
        yield path, f"{value!r} is not a list of retry conditions", "write such as 5xx,reset: commas and no blanks"
    form = schema.get("format")
    try:
        if form == "duration":
            duration_ms(value)
        elif form == "quantity":
            milli(value)
        elif form == "version":
            version(value)
    except ValueError as error:
        yield path, str(error), "the unit is part of the string, and the string is quoted"


def _matches(pattern: str, text: str) -> bool:
    import re

    return re.search(pattern, text) is not None


def version(text: str) -> tuple[int, int, int]:
    """The three numbers of a semantic version; a pre-release or build suffix does not count. Raises ValueError."""
    numbers = text.removeprefix("v").split("-")[0].split("+")[0].split(".")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise ValueError(f"{text!r} is not a version such as 1.2.3")
    return int(numbers[0]), int(numbers[1]), int(numbers[2])
