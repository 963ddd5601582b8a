"""Routes that their Gateway does not take, or whose backends it may not reach: MLM702, MLM704."""

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.gateways import listeners
from mlmesh.graph.route import GATEWAY_API
from mlmesh.graph.routes import route_of
from mlmesh.graph.stamps import additions
from mlmesh.invariants.grants import KINDS, grant_missing
from mlmesh.invariants.rule import ABSENCE, CONTRADICTION, Rule, Violation
from mlmesh.model.findings import ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Parent
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

    Operations = tuple[Operation, ...]
    Refusal = tuple[str, str, tuple[KubeObject, Operations]]  # why, what to write, and operations that write it

_BY_PROTOCOL = {
    "HTTP": ("HTTPRoute", "GRPCRoute"),
    "HTTPS": ("HTTPRoute", "GRPCRoute"),
    "TLS": ("TLSRoute", "TCPRoute"),
    "TCP": ("TCPRoute",),
}
_NAME = "kubernetes.io/metadata.name"  # every namespace has it, whoever made it


def route_not_attached(release: "Release") -> "Iterator[Violation]":
    """No listener of its Gateway takes a route: requests for it are answered 404, or by another route.

    Why: a listener takes routes of its own namespace alone, unless `allowedRoutes` says otherwise, and only those whose
    kind, hostnames, sectionName and port fit it.

    Bad: an HTTPRoute in `team-a` for a Gateway in `ml` whose listeners say nothing of other namespaces

    Good: `allowedRoutes: {namespaces: {from: Selector, selector: ...}}` on the listener, with a label of `team-a`

    Source: kubernetes-sigs/gateway-api apis/v1/gateway_types.go; istio/istio
    pilot/pkg/config/kube/gateway/conversion.go referenceAllowed; llm-d/llm-d-batch-gateway pull request 352.
    """
    gateways: dict[tuple[str, str], list[KubeObject]] = {}
    for item in release.known(GATEWAY_API, "Gateway"):
        gateways.setdefault((release.namespace(item), item.name), []).append(item)
    extended = {str(at(item.data, "spec.parentRef.name")) for item in release.known(GATEWAY_API, "ListenerSet")}
    for kind in KINDS:
        for item in release.of(GATEWAY_API, kind) if gateways else ():
            for parent in route_of(item, release).parents:
                found = gateways.get((parent.namespace, parent.name), [])
                if parent.kind != "Gateway" or len(found) != 1 or parent.name in extended:
                    continue  # not here, or there twice: which of them nobody can tell
                port = at(item.data, "spec.parentRefs")[int(parent.pointer.rpartition("/")[2])].get("port")
                meant = [each for each in listeners(found[0]) if each.get("name") == parent.section]
                told = [
                    _refuses(each, item, found[0], parent, port=port, release=release)
                    for each in meant or listeners(found[0])
                ]
                if told and all(told):
                    reasons = dict.fromkeys(refusal[0] for refusal in told if refusal)
                    remedies = dict.fromkeys(refusal[1] for refusal in told if refusal)
                    one = told[0] if len(told) == 1 else None  # of several nobody can tell which is meant
                    mended = one[2] if one else (item, ())
                    yield Violation(
                        item,
                        parent.pointer,
                        f"no listener of Gateway {parent.namespace}/{parent.name} takes this route: "
                        + "; ".join(reasons),
                        ", or ".join(remedies),
                        evidence=f"{parent.namespace}/{parent.name}/{parent.section}",
                        mends=mended[0],
                        operations=mended[1],
                    )


def _refuses(
    listener: "dict[str, Any]",
    item: "KubeObject",
    gateway: "KubeObject",
    parent: "Parent",
    *,
    port: object,
    release: "Release",
) -> "Refusal | None":
    """Why a listener does not take a route, and what to write; None where it does, or nobody here can tell."""
    name = listener.get("name")
    if parent.section and parent.section != name:
        names = ", ".join(str(each.get("name")) for each in listeners(gateway))
        said: Operation = {"op": "replace", "path": f"{parent.pointer}/sectionName", "value": name}
        return f"none is called {parent.section}", f"for sectionName, one of {names}", (item, (said,))
    if port is not None and port != listener.get("port"):
        number = listener.get("port")
        said = {"op": "replace", "path": f"{parent.pointer}/port", "value": number}
        return f"{name} has port {number}, not {port}", f"port: {number} in parentRefs", (item, (said,))
    allowed = [str(each.get("kind")) for _, each in maps(mapping(listener.get("allowedRoutes")).get("kinds"))]
    kinds = allowed or list(_BY_PROTOCOL.get(str(listener.get("protocol")), KINDS))
    if item.kind not in kinds:
        why = "" if allowed else f", as its protocol is {listener.get('protocol')}"
        return f"{name} takes {' and '.join(kinds)} only{why}", f"a listener that takes {item.kind}s", (item, ())
    return _refuses_namespace(listener, item, gateway, release) or _refuses_hosts(listener, item)


def _refuses_namespace(
    listener: "dict[str, Any]", item: "KubeObject", gateway: "KubeObject", release: "Release"
) -> "Refusal | None":
    name = listener.get("name")
    where, home = release.namespace(item), release.namespace(gateway)
    namespaces = mapping(at(listener, "allowedRoutes.namespaces"))
    origin = namespaces.get("from", "Same")
    if not where or not home:
        return None
    if origin == "Same" and where != home:
        selector = f"{{matchLabels: {{{_NAME}: {where}}}}}"
        return (
            f"{name} takes routes of namespace {home} only, and this one is in {where}",
            f"allowedRoutes: {{namespaces: {{from: Selector, selector: {selector}}}}} on listener {name}",
            (gateway, _letting_in(listener, gateway, where, release)),
        )
    listed = _listed(namespaces) if origin == "Selector" else []
    if listed:
        return (
            None
            if where in listed
            else (
                f"{name} takes routes of namespaces {', '.join(listed)} only, and this one is in {where}",
                f"{where} among the values of the selector in allowedRoutes of listener {name}",
                (gateway, _letting_in(listener, gateway, where, release)),
            )
        )
    if origin != "Selector":
        return None
    labels = release.namespace_labels(where)
    asked = list(_asked(mapping(namespaces.get("selector"))))
    if labels is None and any(key != _NAME for key, _, _ in asked):
        return None
    held = {_NAME: where, **(labels or {})}
    lacks = [
        f"{key}: {' or '.join(values)}" if values else key
        for key, values, wanted in asked
        if wanted and (key not in held or (values and str(held[key]) not in values))
    ]
    has = [
        f"{key}: {held[key]}"
        for key, values, wanted in asked
        if not wanted and key in held and (not values or str(held[key]) in values)
    ]
    if lacks:
        said = f"{name} takes routes of namespaces with the label {', '.join(lacks)}, which {where} lacks"
        return said, f"that label on namespace {where}", (item, ())  # what else it does there, nobody here knows
    if has:
        said = f"{name} takes no routes of namespaces with the label {', '.join(has)}, which {where} has"
        return said, f"a namespace without that label, or a selector that takes {where}", (item, ())
    return None


def _asked(selector: "dict[str, Any]") -> "Iterator[tuple[str, list[str], bool]]":
    """What a selector asks of labels: a key, its values (none: any), and whether it is to be there, or not to be."""
    for key, value in mapping(selector.get("matchLabels")).items():
        yield key, [str(value)], True
    for _, each in maps(selector.get("matchExpressions")):
        values = list(map(str, entries(each.get("values"))))
        yield str(each.get("key")), values, each.get("operator") in ("In", "Exists")


def _listed(namespaces: "dict[str, Any]") -> list[str]:
    """The namespaces that a selector lists by their names; empty where it says more, or something else."""
    selector = mapping(namespaces.get("selector"))
    asked = entries(selector.get("matchExpressions"))
    if len(asked) != 1 or selector.get("matchLabels"):
        return []
    one = mapping(asked[0])
    return list(map(str, entries(one.get("values")))) if (one.get("key"), one.get("operator")) == (_NAME, "In") else []


def _letting_in(listener: "dict[str, Any]", gateway: "KubeObject", namespace: str, release: "Release") -> "Operations":
    """Operations that have a listener of a Gateway take the routes of one more namespace than its own."""
    from mlmesh.graph.newcomers import is_own

    found = [index for index, each in maps(at(gateway.data, "spec.listeners")) if each is listener]
    if len(found) != 1 or not is_own(gateway, release):
        return ()
    if _listed(mapping(at(listener, "allowedRoutes.namespaces"))):
        place = f"/spec/listeners/{found[0]}/allowedRoutes/namespaces/selector/matchExpressions/0/values/-"
        return ({"op": "add", "path": place, "value": namespace},)
    places = [release.namespace(gateway), namespace]  # with a selector its own is no longer meant by itself
    expression = {"key": _NAME, "operator": "In", "values": places}
    path = ["spec", "listeners", str(found[0]), "allowedRoutes"]
    value = {"from": "Selector", "selector": {"matchExpressions": [expression]}}
    return tuple(additions("", gateway.data, path, {"namespaces": value}))


def _refuses_hosts(listener: "dict[str, Any]", item: "KubeObject") -> "Refusal | None":
    host = str(listener.get("hostname") or "")
    own = [str(name) for name in entries(at(item.data, "spec.hostnames"))]
    if not host or not own or item.kind == "TCPRoute" or any(_meet(host, each) for each in own):
        return None
    names = ", ".join(own)
    why = f"{listener.get('name')} is for {host}, and the route for {names}"
    return why, f"hostnames that {host} covers", (item, ())


def _meet(one: str, other: str) -> bool:
    """Whether two host names, of which either can be a wildcard, have a host in common."""
    one, other = one.lower(), other.lower()
    if one.startswith("*.") and other.startswith("*."):
        return one.endswith(other[1:]) or other.endswith(one[1:])
    if one.startswith("*."):
        return other.endswith(one[1:])
    return one.endswith(other[1:]) if other.startswith("*.") else one == other


RULES = (
    Rule(
        "MLM702",
        route_not_attached,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=KINDS,
        reads=("Gateway", "ListenerSet"),
        fix="unsafe",
    ),
    Rule(
        "MLM704",
        grant_missing,
        severity=ERROR,
        confidence=ABSENCE,
        judges=KINDS,
        reads=("ReferenceGrant", "Service", "InferencePool"),
        fix="unsafe",
    ),
)
