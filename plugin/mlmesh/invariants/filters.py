"""Filters of routes that Istio does not know: MLM705."""

from mlmesh.graph.fields import entries, maps
from mlmesh.graph.gateways import Gateways
from mlmesh.graph.route import GATEWAY_API
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.model.findings import ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.model.patches import Operation

_HEADERS = ("RequestHeaderModifier", "ResponseHeaderModifier")
_KNOWN = {
    "HTTPRoute": (*_HEADERS, "RequestRedirect", "RequestMirror", "URLRewrite", "CORS"),
    "GRPCRoute": (*_HEADERS, "RequestMirror"),
}
_ARTICLE = {"HTTPRoute": "an HTTPRoute", "GRPCRoute": "a GRPCRoute"}
_MOVED = ("RequestMirror", "URLRewrite")  # these do the same on a rule with one backend


def filter_unsupported(release: "Release") -> "Iterator[Violation]":
    """A route has a filter that Istio does not know there: the whole route is left out, and its requests are 404.

    Why: to Istio a filter of a type that it does not know is an error of the route, not of its rule: none of the
    route's rules comes to a gateway. Of a backend it takes filters of headers only.

    Bad: `filters: [{type: ExtensionRef, ...}]` on a rule; `filters: [{type: URLRewrite, ...}]` on a backendRef

    Good: what the extension does as Istio's own object (an AuthorizationPolicy, an EnvoyFilter); the rewrite on the
    rule, which then has one backend

    Source: istio/istio pilot/pkg/config/kube/gateway/conversion.go convertHTTPRoute and buildHTTPDestination,
    route_collections.go computeRoute.
    """
    gateways: Gateways | None = None
    for kind, known in _KNOWN.items():
        for item in release.of(GATEWAY_API, kind):
            route = route_of(item, release)
            found = [each for rule in route.rules for each in _unknown(rule.data, rule.pointer, known)]
            if found and gateways is None:
                gateways = Gateways(release)
            if not found or gateways is None or gateways.istio(route) is not True:
                continue  # another implementation may well know it
            for place, name, of_backend, operations in found:
                allowed = _HEADERS if of_backend else known
                yield Violation(
                    item,
                    place,
                    f"Istio takes no filter {name} of {'a backend' if of_backend else _ARTICLE[kind]}, and leaves the "
                    f"whole route out for it: none of its rules ({len(route.rules)}) takes a request",
                    f"leave it out, or do the same by one of {', '.join(allowed)}"
                    + ("; the filters of the rule itself are for all of its backends" if of_backend else ""),
                    evidence=name,
                    operations=operations,
                )


def _unknown(
    rule: "dict[str, Any]", pointer: str, known: tuple[str, ...]
) -> "Iterator[tuple[str, str, bool, tuple[Operation, ...]]]":
    """(place, type, whether it is a backend's, what mends it) of each filter of a rule that Istio does not know there.

    A backend's filter that the rule may have is for the rule where that has no other backend.
    """
    for index, each in maps(rule.get("filters")):
        if each.get("type") not in known:
            yield f"{pointer}/filters/{index}", str(each.get("type")), False, ()
    backends = entries(rule.get("backendRefs"))
    for number, backend in maps(backends):
        filters = entries(backend.get("filters"))
        for index, each in maps(filters):
            name = each.get("type")
            if name in _HEADERS:
                continue
            place = f"{pointer}/backendRefs/{number}"
            there = {own.get("type") for _, own in maps(rule.get("filters"))}
            operations: tuple[Operation, ...] = ()
            if name in _MOVED and name in known and name not in there and len(backends) == len(filters) == 1:
                operations = (
                    {"op": "remove", "path": f"{place}/filters"},
                    {"op": "add", "path": f"{pointer}/filters/-", "value": each}
                    if "filters" in rule
                    else {"op": "add", "path": f"{pointer}/filters", "value": [each]},
                )
            yield f"{place}/filters/{index}", str(name), True, operations


RULES = (
    Rule(
        "MLM705",
        filter_unsupported,
        severity=ERROR,
        confidence=OBJECT,
        judges=("HTTPRoute", "GRPCRoute"),
        reads=("Gateway",),
        fix="unsafe",
    ),
)
