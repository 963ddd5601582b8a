"""Which line of the user's values a finding is owed to, where that can be known.

A finding about the policy is owed to what stands below `policy`, key by key. An object of chart ml-mesh, which its
label tells, is owed to the item that it is named after, or whose host it is for; in that item the keys of the finding's
pointer lead on, as far as they are there. What was derived is owed to the policy's block that it is made of, and an
identity to the caller that it is of. Other charts' objects, and what only defaults say, are owed to nothing.
"""

import re

from mlmesh.model.patches import unescape
from mlmesh.model.values import Leaf, Map, dotted
from mlmesh.values.layers import laid_over
from mlmesh.values.reading import read_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from mlmesh.manifests.stream import Stream
    from mlmesh.model.findings import Finding
    from mlmesh.model.values import Path

_PART_OF = ("app.kubernetes.io/part-of", "ml-mesh")  # the label of every object, whatever alias the chart has
_POLICY = ("MeshPolicy", "ConfigMap")
# Of which maps of values the objects of a kind are made, the likeliest first; all others are of components or pools.
_ROOTS = {
    "Gateway": ("gateways",),
    "HTTPRoute": ("routes",),
    "GRPCRoute": ("routes",),
    "TLSRoute": ("routes",),
    "ReferenceGrant": ("routes", "gateways"),
    "VirtualService": ("models", "llm"),
    "DestinationRule": ("models", "llm", "pools", "components", "gateways"),
    "EnvoyFilter": ("llm", "models", "routes", "gateways"),
    "PeerAuthentication": ("mtls", "components"),
    "Telemetry": ("telemetry",),
    "AuthorizationPolicy": ("components", "gateways"),
    "RequestAuthentication": ("authentication", "components", "gateways"),
    "InferencePool": ("pools",),
    "InferenceObjective": ("pools",),
    "InferenceModelRewrite": ("pools",),
}
_OTHERS = ("components", "pools", "gateways", "routes")
_BLOCK = r"in the policy under (endpoints\.types\.[\w-]+)"  # what remedies say of what is derived


def blame(findings: "Sequence[Finding]", stream: "Stream", files: "Sequence[tuple[str, bytes]]") -> None:
    """Give each finding the line of the values files (name, content; the later over the earlier) that it is owed to.

    ``stream`` is what the findings were made of. Raises InputError for a file that Helm would not take.
    """
    values: Map | None = None
    for name, content in files:
        read = read_values(name, content, layer="user", helm=4)
        values = read if values is None else laid_over(values, read)
    if values is None:
        return
    for finding in findings:
        data = stream.documents[finding.document].data
        found = _cause(finding, data, values)
        if found is not None:
            path, at = found
            finding.owed_to(dotted(path), at.origin.file, at.origin.line)


def _cause(finding: "Finding", document: "dict[str, Any]", values: Map) -> "tuple[Path, Map | Leaf] | None":
    item, tokens = _item(document, [unescape(token) for token in finding.pointer.split("/")[1:]])
    labels = _below(item, "metadata", "labels")
    if not isinstance(labels, dict) or labels.get(_PART_OF[0]) != _PART_OF[1]:
        return None
    path: Path = ()
    at: Map | Leaf = values
    for name in finding.source.split("/charts/")[1:]:  # the chart as a subchart: its values are below its name
        path += (name.partition("/")[0],)
        below = at.get(path[-1]) if isinstance(at, Map) else None
        if below is None:
            return None
        at = below
    if not isinstance(at, Map):
        return None
    if finding.kind in _POLICY and labels.get("mlmesh.dev/policy") == "true":
        return _said(at, path, _policy_tokens(tokens))
    other = _block(finding, item, tokens, at, path) or _caller(_value(item, tokens), at, path)
    if other is not None:
        return other
    found = _named(finding, item, at)
    if found is None:
        return None
    root, key = found
    held = at[root]
    start = held[key] if isinstance(held, Map) else held
    path = (*path, root, key)
    led = _walk(start, path, _words(item, tokens)) if isinstance(start, Map) else None
    if led is not None:
        return led
    return _alike(start, path, tokens, _value(item, tokens)) or (path, start)


def _item(document: "dict[str, Any]", tokens: list[str]) -> "tuple[dict[str, Any], list[str]]":
    """The object that a pointer is about, and what is left of the pointer: a List's item has its index in front."""
    at: Any = document
    while tokens[:1] == ["items"] and len(tokens) > 1 and isinstance(_below(at, "items"), list):
        index = tokens[1]
        if not index.isdecimal() or int(index) >= len(at["items"]):
            break
        at, tokens = at["items"][int(index)], tokens[2:]
    return (at if isinstance(at, dict) else {}), tokens


def _policy_tokens(tokens: list[str]) -> list[str]:
    """Where the values have what a policy has: ``spec.components`` at the root, all else below ``policy``."""
    rest = tokens[1:] if tokens[:1] == ["spec"] else tokens
    return rest if rest[:1] == ["components"] else ["policy", *rest]


def _said(start: Map, path: "Path", tokens: list[str]) -> "tuple[Path, Map | Leaf] | None":
    """What stands at a path of the policy, or the list in which it stands; None where the files do not have it."""
    at: Map | Leaf = start
    for token in tokens:
        if isinstance(at, Leaf):
            break
        if token not in at:
            return None
        at = at[token]
        path = (*path, token)
    return path, at


def _block(
    finding: "Finding", item: "dict[str, Any]", tokens: list[str], values: Map, path: "Path"
) -> "tuple[Path, Map | Leaf] | None":
    """The policy's block of a type of endpoint that a value is derived from, or the key in it."""
    told = re.search(_BLOCK, finding.remedy)
    found = _said(values, path, ["policy", *told[1].split(".")]) if told else None
    return found and (_walk(found[1], found[0], _words(item, tokens)) or found)


def _caller(principal: "Any", values: Map, path: "Path") -> "tuple[Path, Map | Leaf] | None":
    """The caller who runs as a principal; by its name, as the defaults have it, where its account is not written."""
    _, sign, account = principal.rpartition("/sa/") if isinstance(principal, str) else ("", "", "")
    callers = values.get("callers")
    for key, held in callers.items() if sign and isinstance(callers, Map) else ():
        said = held.get("serviceAccount") if isinstance(held, Map) else None
        if account == (f"{key}-sa" if said is None else said.plain()):
            return (*path, "callers", key), held
    return None


def _walk(start: "Map | Leaf", path: "Path", tokens: "Iterable[str]") -> "tuple[Path, Map | Leaf] | None":
    """Follow those of the keys that are there; None where none is."""
    at = start
    for token in tokens:
        if isinstance(at, Map) and token in at:
            at = at[token]
            path = (*path, token)
    return None if at is start else (path, at)


def _words(item: "dict[str, Any]", tokens: list[str]) -> "Iterator[str]":
    """The keys of a pointer; of an item of a list its name: the values have maps there."""
    at: Any = item
    for token in tokens:
        if isinstance(at, list):
            at = at[int(token)] if token.isdecimal() and int(token) < len(at) else None
            name = _below(at, "name")
            if isinstance(name, str):
                yield name
        else:
            at = _below(at, token)
            yield token


def _value(item: "dict[str, Any]", tokens: list[str]) -> "Any":
    at: Any = item
    for token in tokens:
        if isinstance(at, list):
            at = at[int(token)] if token.isdecimal() and int(token) < len(at) else None
        else:
            at = _below(at, token)
    return at


def _alike(start: "Map | Leaf", path: "Path", tokens: list[str], value: "Any") -> "tuple[Path, Map | Leaf] | None":
    """The one value below that has the pointer's last key and says the same."""
    if not tokens or value is None:
        return None
    found = [each for each in _nodes(start, path) if each[0][-1] == tokens[-1] and each[1].plain() == value]
    return found[0] if len(found) == 1 else None


def _nodes(value: "Map | Leaf", path: "Path") -> "Iterator[tuple[Path, Map | Leaf]]":
    if isinstance(value, Map):
        for key, below in value.items():
            yield (*path, key), below
            yield from _nodes(below, (*path, key))


def _named(finding: "Finding", item: "dict[str, Any]", values: Map) -> tuple[str, str] | None:
    """The map of values and the key in it that an object is named after, or whose host it is for."""
    names = [finding.name]
    spec = _below(item, "spec")
    hosts = [_below(spec, "host"), *(_below(spec, "hosts") or ())]
    names += [host.partition(".")[0] for host in hosts if isinstance(host, str)] + [
        host for host in hosts if isinstance(host, str)
    ]
    scope = values.get("scope")
    team = scope is not None and scope.plain() == "team"
    best: tuple[int, str, str] | None = None
    for root in _ROOTS.get(finding.kind, _OTHERS):
        below = values.get(root)
        for key in below if isinstance(below, Map) else ():
            if key in names:
                return root, key
            # the chart puts a word behind a name (-access, -admin), and in a team's release its name in front
            called = any(f"{name}-".startswith(f"{key}-") or (team and f"-{key}-" in f"-{name}-") for name in names)
            if called and (best is None or len(key) > best[0]):
                best = len(key), root, key
    return best[1:] if best else None


def _below(value: "Any", *keys: str) -> "Any":
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
