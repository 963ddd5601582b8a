"""Routes to InferencePools that do not get there as they seem to: MLM606, MLM607, MLM608, MLM613."""

from mlmesh.graph.fields import at, maps
from mlmesh.graph.gateways import Gateways
from mlmesh.graph.pools import POOL_GROUP, named, picker
from mlmesh.graph.route import GATEWAY_API, POOL
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import OBJECT, VERSION, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend, Route
    from mlmesh.graph.route import Rule as Matched
    from mlmesh.manifests.objects import KubeObject

OLD_GROUP = "inference.networking.x-k8s.io"
_ALONE = "; where no HTTPRoute of a gateway leads to the pool, they are answered 500"


def _pooled(release: "Release", *kinds: str) -> "Iterator[tuple[KubeObject, Route, Matched, list[Backend], str]]":
    """Each rule of routes of these kinds that sends to pools, with those, and how much it weighs.

    Routes of other implementations' Gateways are left out; where nobody here holds the Gateway it is a warning.
    """
    gateways: Gateways | None = None
    for kind in kinds:
        for item in release.of(GATEWAY_API, kind):
            route = route_of(item, release)
            found = [(rule, _pools(rule)) for rule in route.rules]
            found = [(rule, pools) for rule, pools in found if pools]
            if found:
                gateways = gateways or Gateways(release)
                answer = gateways.istio(route)
                for rule, pools in found if answer is not False else ():
                    yield item, route, rule, pools, ERROR if answer else WARNING


def _pools(rule: "Matched") -> "list[Backend]":
    return [backend for backend in rule.backends if backend.kind == POOL and not backend.mirror]


def pools_share_picker(release: "Release") -> "Iterator[Violation]":
    """A rule sends to two InferencePools: the picker of the last chooses for both, and its outage stops both.

    Why: Istio before September 2026 puts one picker on a route, that of the last backend. It knows only its own pool's
    pods, so what is meant for the other is balanced blindly. A Service as the last backend leaves the route without a
    picker.

    Bad: one rule with `backendRefs` to the pools `small` (weight 90) and `large` (weight 10), each with its own picker

    Good: a rule for each, told apart by a header; or one picker for both

    Source: istio/istio issue 61594, mended by pull request 61601, in 1.31 by 61842.
    """
    for item, _, rule, pools, weight in _pooled(release, "HTTPRoute"):
        sent = [backend for backend in rule.backends if not backend.mirror and backend.weight != 0]
        places = {(each.namespace, each.name) for each in pools if each.weight != 0}
        if not places or (len(places) == 1 and sent[-1].kind == POOL):
            continue
        pickers = {_picker(place, release) for place in places}
        if sent[-1].kind == POOL:
            if len(pickers) == 1 and None not in pickers:
                continue  # one picker, which knows both
            severity = WARNING if None in pickers else weight
            effect = f"the picker of pool {sent[-1].name} chooses for all of them, and its outage stops all of them"
        else:
            severity = weight
            effect = f"{sent[-1].kind} {sent[-1].name} has none, so requests to the pool are balanced without one"
        yield Violation(
            item,
            f"{rule.pointer}/backendRefs",
            f"the rule sends to {' and '.join(f'{each.kind} {each.name}' for each in sent)}, and Istio gives a route "
            f"one picker, that of the last backend: {effect}",
            "a rule for each of them, told apart by a header or a path; or an Istio with pull request 61601",
            severity=severity,
            evidence=" ".join(sorted(name for _, name in places)),
        )


def _picker(place: tuple[str, str], release: "Release") -> "tuple[str, ...] | None":
    """(namespace, Service, port) of a pool's picker; None where the pool is not here."""
    pool = named(*place, release)
    return None if pool is None else (place[0], *map(str, picker(pool)))


def picker_dropped(release: "Release") -> "Iterator[Violation]":
    """A route to an InferencePool whose picker Istio leaves out: requests are balanced blindly.

    Why: a CORS filter takes the place in Envoy's configuration that the picker's has; a GRPCRoute, and a route that
    sidecars follow, get no picker at all.

    Bad: a CORS filter on the rule that sends to a pool; a GRPCRoute with a pool as backend

    Good: an HTTPRoute at a gateway, and CORS on a rule of its own or in the server

    Source: istio/istio pilot/pkg/networking/core/route/route.go, pilot/pkg/config/kube/gateway/conversion.go and
    inferencepool_collection.go.
    """
    for item, route, rule, pools, weight in _pooled(release, "HTTPRoute", "GRPCRoute"):
        why = ""
        if item.kind == "GRPCRoute":
            why = f"Istio makes no picker for a GRPCRoute{_ALONE}"
        elif route.in_mesh:
            why = f"sidecars follow the route (a Service is its parent), and they have no picker{_ALONE}"
        elif any(each.get("type") == "CORS" for _, each in maps(rule.data.get("filters"))):
            why = "the rule's CORS filter takes the picker's place"
        if why:
            yield Violation(
                item,
                rule.pointer,
                f"requests to pool {pools[0].name} are balanced without its picker: {why}",
                "an HTTPRoute whose parent is a Gateway, with no CORS filter in the rule",
                severity=weight,
            )


def pool_old_group(release: "Release") -> "Iterator[Violation]":
    """A route names an InferencePool of the group that it had before 1.0, which Istio does not read.

    Why: Istio knows `inference.networking.k8s.io` alone. A backend of the old group is no backend to it: 500.

    Bad: `group: inference.networking.x-k8s.io`

    Good: `group: inference.networking.k8s.io`, and the pool itself as v1 of that group

    Source: kubernetes-sigs/gateway-api-inference-extension issues 1344 and 1530.
    """
    for item, _, _, pools, weight in _pooled(release, "HTTPRoute", "GRPCRoute"):
        for backend in pools:
            if backend.group == OLD_GROUP:
                place = f"{backend.pointer}/group"
                yield Violation(
                    item,
                    place,
                    f"pool {backend.name} is named in group {OLD_GROUP}, which Istio does not read: requests are "
                    "answered 500",
                    f"group: {POOL_GROUP}, and the pool as apiVersion {POOL_GROUP}/v1",
                    severity=weight,
                    operations=({"op": "replace", "path": place, "value": POOL_GROUP},),
                )


def pool_backend_port(release: "Release") -> "Iterator[Violation]":
    """A `port` beside a reference to an InferencePool is ignored: the pool's targetPorts decide.

    Why: who changes it believes that requests go elsewhere now.

    Bad: `backendRefs: [{kind: InferencePool, name: llm, port: 8080}]`

    Good: the same without `port`

    Source: kubernetes-sigs/gateway-api pull request 3924.
    """
    for item, _, _, pools, _ in _pooled(release, "HTTPRoute"):
        for backend in pools:
            own = None if backend.port is None else named(backend.namespace, backend.name, release)
            if own is None:
                continue
            targets = [each.get("number") for _, each in maps(at(own.data, "spec.targetPorts"))]
            targets = targets or [at(own.data, "spec.targetPortNumber")]  # before 1.0
            if backend.port not in targets:
                place = f"{backend.pointer}/port"
                yield Violation(
                    item,
                    place,
                    f"port {backend.port} is ignored: pool {backend.name} sends to its own targetPorts "
                    f"({', '.join(map(str, targets))})",
                    "leave it out",
                    operations=({"op": "remove", "path": place},),
                )


_READS = ("Gateway", "InferencePool")

RULES = (
    Rule("MLM606", pools_share_picker, severity=ERROR, confidence=VERSION, judges=("HTTPRoute",), reads=_READS),
    Rule("MLM607", picker_dropped, severity=ERROR, confidence=OBJECT, judges=("HTTPRoute", "GRPCRoute"), reads=_READS),
    Rule(
        "MLM608",
        pool_old_group,
        severity=ERROR,
        confidence=OBJECT,
        judges=("HTTPRoute", "GRPCRoute"),
        reads=_READS,
        fix="unsafe",
    ),
    Rule(
        "MLM613", pool_backend_port, severity=INFO, confidence=OBJECT, judges=("HTTPRoute",), reads=_READS, fix="safe"
    ),
)
