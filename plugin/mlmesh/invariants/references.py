"""Names in routes and rules that nobody answers to: MLM102."""

from mlmesh.graph.fields import at
from mlmesh.graph.names import Names
from mlmesh.graph.route import GATEWAY_API, ISTIO, POOL
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import ABSENCE, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend, Parent, Route
    from mlmesh.graph.route import Rule as RouteRule
    from mlmesh.manifests.objects import KubeObject

ROUTES = {"VirtualService": ISTIO, "HTTPRoute": GATEWAY_API, "GRPCRoute": GATEWAY_API}
ABSENT = "this release has no"


def route_to_nothing(release: "Release") -> "Iterator[Violation]":
    """A route, or a DestinationRule, names a host, a pool or a Gateway that is not there.

    Why: Where nothing stands behind a destination, Envoy has no cluster for it: a VirtualService's requests are
    answered 503, an HTTPRoute's or GRPCRoute's 500. A route of a Gateway that is not there is followed by nobody, and a
    DestinationRule for such a host guards nothing. Istio completes only names without a dot: `llm.ml` and `llm.ml.svc`
    are hosts of their own to it, which nobody has.

    Bad: `host: lmm` where the Service is `llm`

    Good: the Service's name; or the host under the policy's `external.hosts`, where another release has it

    Source: istio/istio pkg/config/analysis/analyzers/virtualservice/destinationhosts.go (IST0101),
    pilot/pkg/model/config.go ResolveShortnameToFQDN, pilot/pkg/config/kube/gateway/conversion.go.
    """
    names = Names(release)
    for kind, group in ROUTES.items():
        for item in release.of(group, kind):
            route = route_of(item, release)
            told: set[str] = set()  # what is missing is told once a route
            for violation in _of_route(route, names):
                if violation.evidence not in told:
                    told.add(violation.evidence)
                    yield violation
    for item in release.of(ISTIO, "DestinationRule"):
        yield from _rule_for_nobody(item, names)


def _of_route(route: "Route", names: Names) -> "Iterator[Violation]":
    for parent in route.parents:
        if not names.parent(parent):
            yield _without_parent(route, parent, names)
    for rule in route.rules:
        for backend in sorted(rule.backends, key=_is_idle):
            yield from _backend(route, rule, backend, names)


def _is_idle(backend: "Backend") -> bool:
    """Whether no client waits for what is sent there: then it is a warning that nothing is there."""
    return backend.mirror or backend.weight == 0


def _without_parent(route: "Route", parent: "Parent", names: Names) -> Violation:
    place = f"{parent.namespace}/{parent.name}" if parent.namespace else parent.name
    others = sum(1 for each in route.parents if names.parent(each))
    declared = (
        f"external.hosts: [{names.release.host(parent.name, parent.namespace)}]"
        if parent.kind == "Service"
        else f"external.gateways: [{place}]"
    )
    return Violation(
        route.owner,
        parent.pointer,
        f"{ABSENT} {parent.kind} {place}: if no other has it, nobody follows the route by it"
        + ("" if others else ", and none of its requests arrives"),
        f"name the {parent.kind} that is there, or, where another release has it, write {declared} into the policy",
        severity=INFO,  # a gateway is mostly another release's
        evidence=place,
    )


def _backend(route: "Route", rule: "RouteRule", backend: "Backend", names: Names) -> "Iterator[Violation]":
    if backend.kind == POOL:
        if not names.pool(backend.namespace, backend.name):
            what = f"InferencePool {backend.namespace}/{backend.name}"
            yield _nothing(
                route,
                rule,
                backend,
                what,
                severity=names.weight(backend.namespace, backend.name),
                remedy=_remedy(what, names),
            )
    elif backend.host and not names.host(backend.host, backend.namespace):
        place = names.place(backend.host)
        if place is None:
            entry = f"a ServiceEntry with hosts: [{backend.host}], its ports and resolution: DNS"
            remedy = f"add {entry}; or, where another release has one, " + _external(backend.host)
            yield _nothing(route, rule, backend, f"host {backend.host}", severity=INFO, remedy=remedy)
        else:
            what = f"Service {place[0]}/{place[1]}"
            remedy = f"{_remedy(what, names)}; or, where another release has it, {_external(backend.host)}"
            yield _nothing(route, rule, backend, what, severity=names.weight(*place), remedy=remedy)
    elif backend.group == ISTIO and names.meant(backend.name):
        full = names.meant(backend.name)
        yield Violation(
            route.owner,
            f"{backend.pointer}/host",
            f"Istio completes only names without a dot, and nothing is called {backend.name}: " + _answer(route, rule),
            f"host: {full}",
            severity=names.release.weight(full.split(".")[1]),
            evidence=backend.name,
            operations=({"op": "replace", "path": f"{backend.pointer}/host", "value": full},),
        )


def _nothing(
    route: "Route", rule: "RouteRule", backend: "Backend", what: str, *, severity: str, remedy: str
) -> Violation:
    """The violation where nothing stands behind a backend: one that gets no answers, or no requests, is a warning."""
    idle = _is_idle(backend)
    told = (
        "what is mirrored there is lost"
        if backend.mirror
        else f"it has weight 0 now, with any other {_answer(route, rule)}"
        if idle
        else _answer(route, rule)
    )
    return Violation(
        route.owner,
        backend.pointer,
        f"{ABSENT} {what}: {'' if severity == ERROR else 'if no other has it, '}{told}",
        remedy,
        severity=WARNING if idle and severity == ERROR else severity,
        evidence=what,
    )


def _answer(route: "Route", rule: "RouteRule") -> str:
    """What becomes of requests that are sent to nothing."""
    if rule.protocol in ("tcp", "tls"):
        return "connections are closed"
    return f"requests that are sent there are answered {503 if route.owner.kind == 'VirtualService' else 500}"


def _remedy(what: str, names: Names) -> str:
    kind, _, place = what.partition(" ")
    there = names.there(place.partition("/")[0]) if kind == "Service" else ""
    return f"add {what}, or name the one that is meant{there}"


def _external(host: str) -> str:
    return f"write external.hosts: [{host}] into the policy"


def _rule_for_nobody(item: "KubeObject", names: Names) -> "Iterator[Violation]":
    release, host = names.release, at(item.data, "spec.host")
    if not isinstance(host, str) or not host:
        return
    namespace = release.namespace(item)
    full = release.host(host, namespace)
    if not names.host(full, namespace):
        place = names.place(full)
        yield Violation(
            item,
            "/spec/host",
            f"{ABSENT} host {full}: the rule's limits, ejection and TLS settings hold for nobody",
            f"name the host that routes send to; or, where another release has it, {_external(full)}",
            severity=INFO if place is None else names.weight(*place),
            evidence=full,
        )
    elif names.meant(host):
        full = names.meant(host)
        yield Violation(
            item,
            "/spec/host",
            f"Istio completes only names without a dot, and nothing is called {host}: the rule's limits, ejection and "
            f"TLS settings hold for nobody",
            f"host: {full}",
            severity=release.weight(full.split(".")[1]),
            evidence=host,
            operations=({"op": "replace", "path": "/spec/host", "value": full},),
        )


RULES = (
    Rule(
        "MLM102",
        route_to_nothing,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("VirtualService", "HTTPRoute", "GRPCRoute", "DestinationRule"),
        reads=("Gateway", "InferencePool", "ServiceEntry", "Service"),
        scope="set",
        fix="safe",
    ),
)
