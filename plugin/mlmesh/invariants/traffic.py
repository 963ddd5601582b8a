"""Traffic policies that guard no traffic, and circuit breakers that cannot eject: MLM101, MLM210."""

from mlmesh.graph.fields import at, entries, mapping, policies
from mlmesh.graph.kinds import SCALERS
from mlmesh.graph.ports import TCP, ServicePorts, protocol
from mlmesh.graph.route import ISTIO
from mlmesh.graph.routes import routes
from mlmesh.invariants.rule import ABSENCE, CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.newcomers import Wanted
    from mlmesh.graph.ports import Listening
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Route
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.manifests.stream import Document
    from mlmesh.model.patches import Operation


def _maps(value: object) -> "list[dict[str, Any]]":
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _spec(item: "KubeObject") -> "dict[str, Any]":
    spec = item.data.get("spec")
    return spec if isinstance(spec, dict) else {}


EVERYWHERE = "*"
_SAID = ("trafficPolicy", "exportTo", "workloadSelector")  # what holds for any host; subsets are of one


def _guarded(release: "Release") -> "dict[str, set[str]]":
    """Hosts with a traffic policy of their own: an empty subset stands for the host's own block."""
    found: dict[str, set[str]] = {}
    for item in release.known(ISTIO, "DestinationRule"):
        spec = _spec(item)
        host = release.host(str(spec.get("host")), release.namespace(item))
        blocks = [("", spec), *((str(subset.get("name")), subset) for subset in _maps(spec.get("subsets")))]
        found.setdefault(host, set()).update(name for name, block in blocks if block.get("trafficPolicy"))
    return found


def dead_traffic_policy(release: "Release") -> "Iterator[Violation]":
    """A DestinationRule for a host whose routes all send elsewhere: its circuit breaker guards none of it.

    Why: Envoy applies a DestinationRule to the host that a route sends to. Where every route for a host sends to other
    hosts, its connection limits and its outlier detection bind nobody.

    Bad: a DestinationRule for `llm`, whose VirtualService sends to `llm-v1` and `llm-v2`

    Good: the same trafficPolicy in a DestinationRule for each of `llm-v1` and `llm-v2`

    Source: istio/istio pilot/pkg/model/push_context.go destinationRule.
    """
    claims: dict[str, list[tuple[Route, set[str], dict[str, set[str]]]]] = {}
    reached: set[str] = set()
    for route in routes(release):
        targets: dict[str, set[str]] = {}
        for backend in (backend for rule in route.rules for backend in rule.backends if backend.host):
            targets.setdefault(backend.host, set()).add(backend.subset)
        reached.update(targets)
        if targets and route.in_mesh:
            callers = _exported(route.owner, release)
            for host in _claimed(route, release):
                claims.setdefault(host, []).append((route, callers, targets))
    guarded = _guarded(release)
    listening: ServicePorts | None = None
    for rule in release.of(ISTIO, "DestinationRule"):
        spec, namespace = _spec(rule), release.namespace(rule)
        host = release.host(str(spec.get("host")), namespace)
        if not spec.get("trafficPolicy") or host in reached or "*" in host:
            continue
        name, _, rest = host.partition(".")
        owned = release.owns(namespace) or (rest.partition(".")[0], name) in release.services
        callers = _exported(rule, release)
        for route, followers, targets in claims.get(host, ()):
            if EVERYWHERE not in followers and not callers <= followers:
                continue  # who does not follow the route sends to the host itself
            listening = listening or ServicePorts(release)
            if _passes_by(route, listening.behind(host)):
                continue
            bare = [
                target
                for target, subsets in targets.items()
                if not all(subset in guarded.get(target, ()) or "" in guarded.get(target, ()) for subset in subsets)
            ]
            found = _dead(rule, host, route.owner, bare, targets=list(targets), owned=owned)
            if not any(target in guarded for target in bare):  # a rule that is there would have to be changed
                from mlmesh.graph.newcomers import newcomers

                wanted = [_guard(target, spec, namespace) for target in bare]
                found.documents = newcomers(f"{ISTIO}/v1", "DestinationRule", wanted, release) if bare else None
            yield found


def _claimed(route: "Route", release: "Release") -> list[str]:
    """The hosts whose requests a route of the mesh takes from all callers.

    A route that is attached to a Service of another namespace is followed by the callers of its own alone.
    """
    if route.owner.kind == "VirtualService":
        return route.hosts
    own = release.namespace(route.owner)
    parents = (each for each in route.parents if each.kind == "Service" and each.namespace == own)
    return [release.host(each.name, each.namespace) for each in parents]


def _passes_by(route: "Route", found: "Listening | None") -> bool:
    """Whether a host has a port of TCP, and a route rules for requests alone: what comes there goes to the host."""
    plain = found is not None and any(protocol(port) in TCP for port in found[1].values())
    return plain and all(rule.protocol not in ("tcp", "tls") for rule in route.rules)


def _exported(item: "KubeObject", release: "Release") -> set[str]:
    """The namespaces whose callers an object is for, all of them being ``*``."""
    named = [str(each) for each in entries(at(item.data, "spec.exportTo"))] or [EVERYWHERE]
    return {release.namespace(item) if each == "." else each for each in named}


def _guard(host: str, spec: "dict[str, Any]", namespace: str) -> "Wanted":
    """What a rule says of a host, as another does of its own, in the namespace of that one."""
    return (namespace, host.partition(".")[0]), {"host": host, **{key: spec[key] for key in _SAID if key in spec}}


def _dead(
    rule: "KubeObject", host: str, item: "KubeObject", bare: list[str], *, targets: list[str], owned: bool
) -> Violation:
    """The violation where a VirtualService sends a host's traffic to targets, of which ``bare`` have no policy."""
    message = (
        f"Envoy applies a traffic policy to the host that a route sends to, and {item.title} sends all traffic for "
        f"{host} to {', '.join(targets)}: "
    )
    if bare:
        return Violation(
            rule,
            "/spec/host",
            f"{message}callers get no connection limit and no outlier detection for {', '.join(bare)} from this rule",
            f"give {' and '.join(bare)} a DestinationRule with this trafficPolicy",
            severity=ERROR if owned else WARNING,
            evidence=item.title,
        )
    return Violation(
        rule,
        "/spec/host",
        f"{message}callers use the rules of those hosts, which each have a traffic policy of their own",
        "nothing to do, if those rules say what this one says",
        severity=INFO,
        evidence=item.title,
    )


UNSET = 10  # percent, of Envoy
ENOUGH = 50  # percent: of two or more hosts at least one may go


def breaker_cannot_eject(release: "Release") -> "Iterator[Violation]":
    """Outlier detection whose maxEjectionPercent is less than one of the pods: it never ejects any.

    Why: Envoy ejects a host only where the share of ejected ones stays within maxEjectionPercent, which is 10 where it
    is not set. Of fewer than ten pods one is more than that: none is ejected, however often it fails.

    Bad: `outlierDetection: {consecutive5xxErrors: 5}` for 2 replicas

    Good: `maxEjectionPercent: 50` beside it

    Source: envoyproxy/envoy pull request 27909; istio/istio pilot/pkg/networking/core/cluster_traffic_policy.go
    applyOutlierDetection.
    """
    scalers = release.holding(*SCALERS)
    for item in release.of(ISTIO, "DestinationRule"):
        host = release.host(str(at(item.data, "spec.host")), release.namespace(item))
        namespace, selector = release.service(host)
        for place, policy, labels in policies(at(item.data, "spec")) if selector else ():
            outlier = policy.get("outlierDetection")
            if not isinstance(outlier, dict) or not _ejects(outlier):
                continue
            percent = outlier.get("maxEjectionPercent") or UNSET
            if type(percent) is not int or percent >= ENOUGH:
                continue
            pods = list(release.selected(namespace, {**mapping(selector), **labels}))
            count = _count(pods, scalers)
            if count < 2 or 100 / count <= percent:
                continue
            set_ = "maxEjectionPercent" in outlier
            operations: tuple[Operation, ...] = (
                {
                    "op": "replace" if set_ else "add",
                    "path": f"{place}/outlierDetection/maxEjectionPercent",
                    "value": ENOUGH,
                },
            )
            said = f"maxEjectionPercent {percent}" if outlier.get("maxEjectionPercent") else f"the default of {UNSET}%"
            yield Violation(
                item,
                f"{place}/outlierDetection",
                f"{host} has {count} pods ({' and '.join(each.title for each in pods[:2])}), so one is "
                f"{100 / count:.0f}% of them, and {said} allows less: no pod is ever ejected, however often it fails",
                f"maxEjectionPercent: {ENOUGH}",
                evidence=place,
                operations=operations,
            )


def _ejects(outlier: "dict[str, Any]") -> bool:
    """Whether it counts errors at all: with 0 it only switches on failover between localities."""
    return outlier.get("consecutive5xxErrors") != 0 or bool(outlier.get("consecutiveGatewayErrors"))


def _count(pods: "list[Pods]", scalers: "list[Document]") -> int:
    """How many pods there are; 0 where that is not known, or something scales them."""
    if not pods or any(each.replicas is None for each in pods):
        return 0
    names = [each.name.encode() for each in pods]
    if any(document.mentions(name) for document in scalers for name in names):
        return 0
    return sum(each.replicas or 0 for each in pods)


RULES = (
    Rule(
        "MLM101",
        dead_traffic_policy,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("DestinationRule",),
        reads=("VirtualService", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "Service", "ServiceEntry"),
        scope="set",
        fix="unsafe",
    ),
    Rule(
        "MLM210",
        breaker_cannot_eject,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("DestinationRule",),
        reads=("Service", PODS),
        scope="set",
        fix="unsafe",
    ),
)
