"""Traffic policies that guard no traffic: MLM101."""

from mlmesh.graph.newcomers import newcomers
from mlmesh.graph.route import ISTIO
from mlmesh.graph.routes import routes
from mlmesh.invariants.rule import ABSENCE, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.newcomers import Wanted
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject


def _maps(value: object) -> "list[dict[str, Any]]":
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _spec(item: "KubeObject") -> "dict[str, Any]":
    spec = item.data.get("spec")
    return spec if isinstance(spec, dict) else {}


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
    claims: dict[str, list[tuple[KubeObject, dict[str, set[str]]]]] = {}
    reached: set[str] = set()
    for route in routes(release):
        targets: dict[str, set[str]] = {}
        for backend in (backend for rule in route.rules for backend in rule.backends if backend.host):
            targets.setdefault(backend.host, set()).add(backend.subset)
        reached.update(targets)
        if targets and route.owner.kind == "VirtualService" and route.in_mesh:
            for host in route.hosts:
                claims.setdefault(host, []).append((route.owner, targets))
    guarded = _guarded(release)
    for rule in release.of(ISTIO, "DestinationRule"):
        spec, namespace = _spec(rule), release.namespace(rule)
        host = release.host(str(spec.get("host")), namespace)
        if not spec.get("trafficPolicy") or host in reached or "*" in host:
            continue
        name, _, rest = host.partition(".")
        owned = release.owns(namespace) or (rest.partition(".")[0], name) in release.services
        for item, targets in claims.get(host, ()):
            bare = [
                target
                for target, subsets in targets.items()
                if not all(subset in guarded.get(target, ()) or "" in guarded.get(target, ()) for subset in subsets)
            ]
            found = _dead(rule, host, item, bare, targets=list(targets), owned=owned)
            if not any(target in guarded for target in bare):  # a rule that is there would have to be changed
                wanted = [_guard(target, spec, namespace) for target in bare]
                found.documents = newcomers(f"{ISTIO}/v1", "DestinationRule", wanted, release) if bare else None
            yield found


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


RULES = (
    Rule(
        "MLM101",
        dead_traffic_policy,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("DestinationRule",),
        reads=("VirtualService", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "Service"),
        scope="set",
        fix="unsafe",
    ),
)
