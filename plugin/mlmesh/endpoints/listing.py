"""The catalogue for a person and for a program: what `mlmesh endpoints` says."""

import json

from mlmesh.endpoints.catalogue import STREAMING, TYPES, EndpointType
from mlmesh.endpoints.match import types_of_method, types_of_path
from mlmesh.endpoints.tails import METHODS
from mlmesh.model.errors import InputError
from mlmesh.policy.blocks import BLOCKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.endpoints.match import Told

FIELDS = ("timeout", "attempts", "perTryTimeout", "retryOn")
_ASKED = (*METHODS, "HEAD")


def types_json() -> str:
    """All types as JSON; a field of the block that a type leaves unset is null."""
    types = [
        {
            "name": kind.name,
            **{field: BLOCKS[kind.name].get(field) for field in FIELDS},
            "streaming": kind.streaming,
            "retrySafety": kind.retry,
            "tails": list(kind.tails),
            "grpcMethods": list(kind.grpc),
        }
        for kind in TYPES.values()
    ]
    return _json({"version": 1, "types": types})


def types_text() -> str:
    """All types, each with its block, its paths and its gRPC methods."""
    return "\n".join(map(_paragraph, TYPES.values()))


def match_json(path: str, told: "Told") -> str:
    """The types of one path as JSON, the most specific first."""
    return _json({"version": 1, "path": path, "types": [kind.name for kind in told[0]]})


def match_text(path: str, told: "Told") -> str:
    """The types of one path with their blocks, or that none is known."""
    types, reason, _ = told
    if not types:
        return f"{path}: no known type. A route of it gets no timeout and no retries from its path.\n"
    return "".join(f"{path}: {kind.name}: {block_text(kind)}\n" for kind in types) + f"told by: {reason}\n"


def look_up(path: str, *, grpc: bool, method: str) -> "Told":
    """The types of a request's path, or of a gRPC method or service. Raises InputError for what is no path."""
    alone = path.partition("?")[0].partition("#")[0]  # a query can hold a key, so it is not printed
    place = f"--match {alone}"
    if alone != path:
        raise InputError(
            f"a path is needed, and this has a {'query' if '?' in path else 'fragment'}",
            place=place,
            remedy=f"routes match the path alone: --match {alone or '/'}",
        )
    if grpc:
        if method not in ("", "POST"):
            raise InputError(f"gRPC is always POST, not {method}", place=place, remedy="leave --method out")
        if not path.strip("/") or path.strip("/").count("/") > 1:
            raise InputError("no gRPC method", place=place, remedy="write package.Service/Method, or package.Service")
        return types_of_method(path if path.startswith("/") else f"/{path}")
    if not path.startswith("/") or path != path.strip():
        raise InputError("a path begins with / and has no scheme or host", place=place, remedy="write such as /v1/x")
    if method and method not in _ASKED:
        raise InputError(f"no HTTP method: {method}", place=place, remedy=f"one of {', '.join(_ASKED)}")
    return types_of_path(path, method)


def block_text(kind: EndpointType) -> str:
    """A type's default block in a few words."""
    block = BLOCKS[kind.name]
    if not block:
        return "must not pass a gateway"
    timeout = "no timeout" if block["timeout"] == "0s" else f"timeout {block['timeout']}"
    if not block["attempts"]:
        return f"{timeout}, no retries"
    each = f" of {block['perTryTimeout']} each" if "perTryTimeout" in block else ""
    on = f", on {block['retryOn']}" if "retryOn" in block else ", on Istio's default conditions"
    return f"{timeout}, {block['attempts']} retries{each}{on}".replace(" 1 retries", " 1 retry")


def _paragraph(kind: EndpointType) -> str:
    lines = [f"{kind.name}: {block_text(kind)}", f"  a retry: {kind.retry}; the answer: {STREAMING[kind.streaming]}"]
    lines += [f"  {tail}" + (f"  ({kind.unsure[tail]})" if tail in kind.unsure else "") for tail in kind.tails]
    lines += [f"  gRPC {method}" for method in kind.grpc]
    return "\n".join(lines) + "\n"


def _json(value: "dict[str, Any]") -> str:
    return json.dumps(value, indent=2) + "\n"
