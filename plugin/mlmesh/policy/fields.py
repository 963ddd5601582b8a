"""Every field of a MeshPolicy, in one table that is at once the reader's and its JSON Schema.

The table is written in JSON Schema 2020-12. Four formats are ours: ``duration`` (Go's, such as 120s, in whole
milliseconds as Istio wants them), ``positive-duration`` (as fine as one likes), ``quantity`` (Kubernetes', such as
500m) and ``retry-on`` (Istio's list). ``null`` takes a setting of a lower layer away; ``0s`` says the same for a
duration, since Istio has no zero timeout.
"""

from mlmesh.model.units import duration_ms, milli
from mlmesh.policy.defaults import DEFAULTS, GENERATING, READING

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


def _ports(doc: str) -> "Schema":
    item = {"type": "integer", "minimum": 1, "maximum": 65535}
    return {"description": doc, "type": ["array", "null"], "items": item}


def _switch(doc: str) -> "Schema":
    return {"description": doc, "type": ["boolean", "null"]}


def _text(doc: str, **more: object) -> "Schema":
    return {"description": doc, "type": "string", **more}


def _quantity(doc: str) -> "Schema":
    return {"description": doc, "type": ["string", "null"], "format": "quantity"}


def _duration(doc: str) -> "Schema":
    return {"description": doc, "type": ["string", "null"], "format": "duration"}


def _span(doc: str) -> "Schema":
    return {"description": doc, "type": ["string", "null"], "format": "positive-duration"}


def _tokens(doc: str) -> "Schema":
    return {"description": doc, "type": ["integer", "null"], "minimum": 1}


def _choice(doc: str, *words: str) -> "Schema":
    return {"description": doc, "type": ["string", "null"], "enum": [*words, None]}


def _bare(properties: "Schema") -> "Schema":
    """A map of fields that are described elsewhere."""
    fields = {key: {name: field[name] for name in field if name != "description"} for key, field in properties.items()}
    return {"type": "object", "additionalProperties": False, "properties": fields}


_OBJECTIVES: "Schema" = {
    "timeToFirstToken": _span("From the start of a generation to its first token, as slow as it may be."),
    "timePerOutputToken": _span("Between two tokens, as slow as it may be."),
    "inputTokens": _tokens("Tokens of a prompt, or of all inputs of one request."),
    "prefillTokensPerSecond": {
        "description": "Tokens of input that the server reads in a second. With inputTokens it is the time of an "
        "embedding, and that to the first token where timeToFirstToken is left out.",
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
    },
    "outputTokens": _tokens("Tokens of an answer that must arrive whole; maxOutputTokens where it is left out."),
    "maxOutputTokens": _tokens("Tokens of the longest stream: a longer one is cut."),
    "queue": _duration("The wait for a place on the server."),
    "headroom": {
        "description": "Factor on what was measured; 1 where it is left out.",
        "type": ["number", "null"],
        "minimum": 1,
        "maximum": 100,
    },
    "coldStart": _duration("The wait for a server that was scaled to zero."),
    "attempts": {"description": "Retries after the first try.", "type": ["integer", "null"], "minimum": 0},
    "rule": _choice(
        "How long all tries may take: attempts, as many tries as there are retries (the default); all-tries, the first "
        "one too, and the waits between them.",
        "attempts",
        "all-tries",
    ),
    "duplicates": _choice(
        "Which requests are repeated: any that the type's retryOn names; safe, what no server began (the default with "
        "a coldStart); none.",
        "any",
        "safe",
        "none",
    ),
    "streaming": _switch("Whether answers are streamed: all (true), none (false), or either where it is left out."),
}

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
                "nativeSidecars": {
                    "description": "Whether sidecars are native, init containers that go on running: auto where istiod "
                    "finds out, so that pods get what either kind needs.",
                    "type": ["boolean", "string"],
                    "enum": ["auto", True, False],
                },
                "gatewayApiChannel": {
                    "description": "Which of Gateway API's channels the cluster has: only the experimental one lets an "
                    "HTTPRoute say its retries.",
                    "type": "string",
                    "enum": ["standard", "experimental"],
                },
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
                    "serves": {
                        "description": "The endpoint types that it serves, for routes whose paths tell none.",
                        "type": ["array", "null"],
                        "items": {"type": "string", "enum": list(DEFAULTS["endpoints"]["types"])},
                    },
                },
            ),
        ),
        "sidecars": _each(
            "What the sidecar gets by role. A new name makes a new role, whose pods get what is written there.",
            _map(
                "What a role's sidecar gets.",
                {
                    "proxyCPU": _quantity("CPU request."),
                    "proxyMemory": _quantity("Memory request."),
                    "proxyCPULimit": _quantity("CPU limit."),
                    "proxyMemoryLimit": _quantity("Memory limit."),
                    "holdApplicationUntilProxyStarts": _switch("The application starts when its proxy is ready."),
                    "drainMaximum": _duration(
                        "A pod that ends goes on until its requests are answered: as long as the longest timeout of "
                        "the routes to it, but never longer than this, also where a route has no timeout."
                    ),
                    "excludePorts": _ports(
                        "Ports on which pods of this role meet without a proxy, in both directions, where the object "
                        "declares none."
                    ),
                    "mergeMetrics": _switch(
                        "Pods that tell Prometheus of their metrics (prometheus.io/scrape) offer them on the agent's "
                        "port 15020, past mTLS."
                    ),
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
                                "format": "retry-on",
                            },
                        },
                    ),
                ),
                "objectives": _map(
                    "What the servers can do and the clients ask for, from which blocks are computed.",
                    {
                        "default": _map("For every type whose time follows from tokens, behind any host.", _OBJECTIVES),
                        "types": _keyed(
                            "By endpoint type, over the default: the same fields.",
                            {"enum": [*GENERATING, *READING]},
                            _bare(_OBJECTIVES),
                        ),
                        "hosts": _each(
                            "By the host that a route sends to, over both: the same fields. A DNS name, or a short "
                            "name of the release's namespace.",
                            _bare(_OBJECTIVES),
                        ),
                    },
                ),
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
        choices = [word for word in schema["enum"] if word is not None]
        words = [word if isinstance(word, str) else str(word).lower() for word in choices]
        quotes = ", without quotes" if value.lower() in ("true", "false") else ""
        yield path, f"{value!r} is not known", f"one of {', '.join(words)}{quotes}"
    form = schema.get("format")
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


def version(text: str) -> tuple[int, int, int]:
    """The three numbers of a semantic version; a pre-release or build suffix does not count. Raises ValueError."""
    numbers = text.removeprefix("v").split("-")[0].split("+")[0].split(".")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise ValueError(f"{text!r} is not a version such as 1.2.3")
    return int(numbers[0]), int(numbers[1]), int(numbers[2])
