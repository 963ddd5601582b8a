"""Every field of a MeshPolicy, in one table that is at once the reader's and its JSON Schema.

The table is written in JSON Schema 2020-12. Four formats are ours: ``duration`` (Go's, such as 120s, in whole
milliseconds as Istio wants them), ``positive-duration`` (as fine as one likes), ``quantity`` (Kubernetes', such as
500m) and ``retry-on`` (Istio's list). ``null`` takes a setting of a lower layer away; ``0s`` says the same for a
duration, since Istio has no zero timeout.
"""

from mlmesh.policy.defaults import DEFAULTS, GENERATING, READING
from mlmesh.policy.names import API_VERSION, KIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Schema = dict[str, Any]

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
                "retryBudget": _map(
                    "How many retries may run at once, for the DestinationRules of hosts whose routes retry. Without "
                    "one there is no limit.",
                    {
                        "percent": {
                            "description": "Of the requests that are under way.",
                            "type": ["number", "null"],
                            "minimum": 0,
                            "maximum": 100,
                        },
                        "minRetryConcurrency": {
                            "description": "So many at least, however few requests there are.",
                            "type": ["integer", "null"],
                            "minimum": 1,
                        },
                    },
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
                            "name of the release's namespace; where nothing names that, of the route's.",
                            _bare(_OBJECTIVES),
                        ),
                        "routes": _each(
                            "By the route, over all: the same fields. NAME of the release's namespace or "
                            "NAMESPACE/NAME; for one of its rules with the rule's name behind it, NAME#RULE.",
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
                ),
                "allow": {
                    "description": "Findings that are excused on objects of charts that carry no annotation.",
                    "type": "array",
                    "items": {
                        **_map(
                            "A code, and the objects by patterns with `*`; one that is left out is any.",
                            {
                                "code": _text("The rule.", pattern="^MLM[0-9]{3}$"),
                                "kind": _text("Their kind."),
                                "namespace": _text("Their namespace."),
                                "name": _text("Their name."),
                                "reason": _text("Why it is harmless there.", pattern=r"\S"),
                            },
                        ),
                        "required": ["code", "reason"],
                    },
                },
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
