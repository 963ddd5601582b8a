"""The rules of routes: what each serves, and why.

The first that tells: the route's annotation, the paths and gRPC methods that the rule matches, its backends. The
catalogue is loaded with the first rule that there is.
"""

from mlmesh.graph.inventory import ENDPOINT
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.manifests.objects import KubeObject
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mlmesh.endpoints.catalogue import EndpointType
    from mlmesh.endpoints.serves import Servers
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend, Route
    from mlmesh.graph.route import Rule as Matched

PREFIX = "endpoint.mlmesh.dev/"
KINDS = {"VirtualService": ISTIO, "HTTPRoute": GATEWAY_API, "GRPCRoute": GATEWAY_API}
# The fields of a rule's timeouts and retries, in KServe's objects too (mlmesh.endpoints.kserve).
OWN = {
    "VirtualService": ("timeout", "retries"),
    "HTTPRoute": ("timeouts", "retry"),
    "GRPCRoute": (),
    "InferenceService": ("timeout",),
    "LLMInferenceService": ("timeouts", "retry"),
}


class Rule:
    """One rule of a route that has requests: the types it serves (none where nothing tells) and why.

    ``sure``: whether a block follows from them; not so where a path can be another server's, too, and neither backend
    nor annotation says it is not.
    """

    __slots__ = ("matched", "reason", "route", "sure", "types")

    def __init__(
        self, route: "Route", matched: "Matched", types: "tuple[EndpointType, ...]", reason: str, *, sure: bool
    ) -> None:
        self.route = route
        self.matched = matched
        self.types = types
        self.reason = reason
        self.sure = sure

    @property
    def owner(self) -> KubeObject:
        """The route."""
        return self.route.owner

    @property
    def data(self) -> "dict[str, Any]":
        """The rule as its API writes it."""
        return self.matched.data

    @property
    def path(self) -> str:
        """The pointer to the rule, from the object."""
        return self.matched.pointer

    @property
    def backends(self) -> "list[Backend]":
        """Where it sends, mirrors apart. Empty for a redirect or a direct response."""
        return [backend for backend in self.matched.backends if not backend.mirror]

    @property
    def grpc(self) -> bool:
        """Whether its requests are gRPC's: a GRPCRoute's, or such as every match of another route asks for by path."""
        matches = self.matched.matches
        return self.matched.protocol == "grpc" or bool(matches and all(_is_grpc(match.path) for match in matches))

    @property
    def sends(self) -> bool:
        """Whether its requests go on: to backends, or by the rules of the VirtualService that it delegates to."""
        return bool(self.backends) or isinstance(self.data.get("delegate"), dict)

    def hosts(self, release: "Release") -> list[str]:
        """The full names of the hosts that it sends to; a pool's is as a Service of its name would have it."""
        return [backend.host or release.host(backend.name, backend.namespace) for backend in self.backends]


def _is_grpc(path: str) -> bool:
    """Whether a path is of the form /package.Service/Method, or is such a service's."""
    names = path.lstrip("/").partition("/")[0].split(".")
    return len(names) > 1 and names[-1][:1].isupper() and all(name.isidentifier() for name in names)


def is_route(item: KubeObject) -> bool:
    """Whether an object is a route that has requests."""
    return KINDS.get(item.kind) == item.group


def rules(item: KubeObject, release: "Release") -> list[Rule]:
    """The rules of a route that is as it leaves, its requests being HTTP's or gRPC's.

    No types where one match tells none and the backends do not either: that is never guessed at. Raises InputError for
    an annotation that names no type and for a regular expression that does not compile.
    """
    return item.remembered("rules", lambda: read(item, release))


def read(item: KubeObject, release: "Release", servers: "Callable[[], Servers] | None" = None) -> list[Rule]:
    """The same, read anew. ``servers`` tells what pods serve; without it they tell what was found out before."""
    route = route_of(item, release)
    requests = (matched for matched in route.rules if matched.protocol in ("http", "grpc"))
    return [_rule(route, matched, release, servers) for matched in requests]


def _rule(route: "Route", matched: "Matched", release: "Release", servers: "Callable[[], Servers] | None") -> Rule:
    item = route.owner
    annotations = item.annotations()
    for key in (f"{PREFIX}{matched.name}", ENDPOINT):
        if key in annotations:
            from mlmesh.endpoints.serves import named

            return Rule(route, matched, named(item, key), f"annotation {key}", sure=True)
    from mlmesh.endpoints.match import UNSURE, types_of_rule

    try:
        types, reason, _ = types_of_rule(matched.matches)
        if "rewrite" in matched.data or "filters" in matched.data:
            from mlmesh.graph.matching import handed

            written, why, _ = types_of_rule(handed(matched))
            types, reason = (written, f"{why}, to which it rewrites") if written else (types, reason)
    except ValueError as error:
        raise InputError(
            f"a match has the regular expression {error}",
            place=item.document.at(item.document.line_of(item.pointer + matched.pointer))
            + f", {item.pointer}{matched.pointer}",
            remedy="write it in RE2's syntax (github.com/google/re2/wiki/Syntax), or match by exact or prefix",
        ) from None
    rule = Rule(route, matched, types, reason, sure=bool(types) and UNSURE not in reason)
    if not rule.sure and rule.backends:
        _by_backend(rule, release, servers)
    return rule


def _by_backend(rule: Rule, release: "Release", servers: "Callable[[], Servers] | None") -> None:
    """What all backends together serve. They speak for paths that may be a base, and for a tail of several servers."""
    if not rule.types and any(match.form == "exact" for match in rule.matched.matches):
        return
    from mlmesh.endpoints.serves import told

    types: dict[EndpointType, None] = {}
    reasons = []
    for backend in rule.backends:
        found, reason = told(backend, release, servers if rule.matched.protocol == "http" else None)
        if not found:
            return
        types |= dict.fromkeys(found)
        reasons.append(f"{backend.kind} {backend.name}: {reason}")
    if rule.types:
        rule.sure = types.keys() >= set(rule.types)
        if not rule.sure:
            return
    else:
        rule.types = tuple(types)
        rule.sure = True
    rule.reason += "; " + " and ".join(dict.fromkeys(reasons))
