"""Generations that nothing ends, and streams that something else ends: MLM208 and MLM209."""

from math import inf

from mlmesh.endpoints.routes import rules
from mlmesh.endpoints.write import inherited, numbers
from mlmesh.graph import idling
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import CONTRADICTION, OBJECT, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.endpoints.routes import Rule as Served
    from mlmesh.graph.idling import Idling
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation


def generation_unbounded(release: "Release") -> "Iterator[Violation]":
    """A rule for generations without any timeout, where the policy has one for them: Istio sets none either.

    Why: Envoy's 15 seconds never apply in Istio: a rule without a timeout has none. A server that hangs keeps the
    client, its connection and its place in the server's queue for as long as the connection stands.

    Bad: `/v1/chat/completions` with `retries` alone: a rule with one of the two fields has nothing derived into it

    Good: `timeout: 120s`, or neither field, to have both derived. `request: 0s`, or a perTryTimeout, says that it is
    meant

    Source: istio/istio pilot/pkg/networking/core/route/route.go setTimeout.
    """
    for item in (*release.of(ISTIO, "VirtualService"), *release.of(GATEWAY_API, "HTTPRoute")):
        for rule in rules(item, release):
            generated = [kind.name for kind in rule.types if kind.generates]
            if rule.matched.timeout != inf or not rule.sure or not generated or not rule.backends or _is_meant(rule):
                continue
            if "timeout" in inherited(rule, release):
                continue
            timeout = _wanted(rule, release)
            if timeout:
                yield _endless(rule, generated, timeout)


def _is_meant(rule: "Served") -> bool:
    """Whether somebody thought of time: an explicit 0s, or a bound of each try, such as for the first token."""
    retries = rule.data.get("retries")
    return (
        "timeouts" in rule.data or "timeout" in rule.data or (isinstance(retries, dict) and "perTryTimeout" in retries)
    )


def _wanted(rule: "Served", release: "Release") -> str:
    """The timeout that the policy gives to what a rule serves; empty where it gives none."""
    found = numbers(rule, release)
    return str(found["timeout"].value) if "timeout" in found else ""


def _endless(rule: "Served", generated: list[str], timeout: str) -> Violation:
    from mlmesh.endpoints.write import gateway_duration

    istio = rule.owner.kind == "VirtualService"
    written = timeout if istio else f"{{request: {gateway_duration(timeout)}}}"
    value: Any = timeout if istio else {"request": gateway_duration(timeout)}
    field = "timeout" if istio else "timeouts"
    operations: tuple[Operation, ...] = ({"op": "add", "path": f"{rule.path}/{field}", "value": value},)
    other = "retries" if "retries" in rule.data else "retry" if "retry" in rule.data else ""
    return Violation(
        rule.owner,
        rule.path,
        f"the rule serves {' and '.join(generated)} and has no timeout, and neither has Istio: a request to a server "
        f"that hangs goes on for as long as the connection stands",
        f"{field}: {written}, as the policy has it"
        + (f"; or leave {other} out, too, to have both derived" if other else "; mlmesh-post derives it"),
        operations=operations,
    )


def stream_idle_cut(release: "Release") -> "Iterator[Violation]":
    """A gateway ends what is silent for longer than its own limit, while the route gives it more time.

    Why: Istio has no limit for a silent stream, but connectionSettings of a gateway's proxy can set one, and the
    profile EDGE sets 5 minutes; an EnvoyFilter can, too. A generation that is not streamed sends nothing until its
    end: it is cut at the limit, whatever the route's timeout.

    Bad: `proxy.istio.io/config: {connectionSettings: {profile: EDGE}}` on a Gateway with a route of `request: 900s`

    Good: `httpStreamIdleTimeout: 900s` beside the profile

    Source: istio/istio pilot/pkg/networking/core/connection_settings.go; gpustack/gpustack issue 4725.
    """
    limits = [*idling.of_gateways(release), *idling.of_filters(release)]
    if not limits:
        return
    asked = [
        (route_of(item, release), item)
        for kind, group in (("HTTPRoute", GATEWAY_API), ("GRPCRoute", GATEWAY_API), ("VirtualService", ISTIO))
        for item in release.of(group, kind)
    ]
    for limit in limits:
        cut: list[tuple[float, str, str]] = []
        for route, item in asked:
            if any(parent.kind == "Gateway" and limit.holds_at(parent) for parent in route.parents):
                cut += _longer(item, limit.seconds, release)
        if cut:
            yield _cut(limit, cut)


def _longer(item: "KubeObject", seconds: float, release: "Release") -> "Iterator[tuple[float, str, str]]":
    """The time of each rule that has more than some seconds, with the route and what it serves.

    Endless ones count where they generate; what is always streamed is not silent for long.
    """
    for rule in rules(item, release):
        time = rule.matched.timeout
        if time is None or time <= seconds or not rule.backends or (rule.types and not rule.sure):
            continue
        silent = [kind.name for kind in rule.types if kind.generates and kind.streaming != "S"]
        if silent or (time != inf and not rule.types):
            yield time, item.title, " and ".join(silent)


def _cut(limit: "Idling", cut: list[tuple[float, str, str]]) -> Violation:
    longest, title, serves = max(cut)
    given = "no timeout" if longest == inf else f"a timeout of {longest:g}s"
    more = f" (and so has {len(cut) - 1} more)" if len(cut) > 1 else ""
    operations: tuple[Operation, ...] = (
        ({"op": "replace", "path": limit.pointer, "value": "0s" if longest == inf else f"{longest:g}s"},)
        if limit.is_field
        else ()
    )
    return Violation(
        limit.item,
        limit.pointer,
        f"{limit.said} ends a request that is silent for {limit.seconds:g}s, and {title} gives "
        f"{serves or 'its requests'} {given}{more}: an answer that is not streamed and takes longer is cut",
        f"{limit.key}: {'0s' if longest == inf else f'{longest:g}s'} or more",
        evidence=title,
        operations=operations,
    )


RULES = (
    Rule(
        "MLM208",
        generation_unbounded,
        severity=WARNING,
        confidence=OBJECT,
        judges=("VirtualService", "HTTPRoute"),
        scope="object",
        fix="unsafe",
    ),
    Rule(
        "MLM209",
        stream_idle_cut,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("Gateway", "EnvoyFilter"),
        reads=("HTTPRoute", "GRPCRoute", "VirtualService"),
        scope="set",
        fix="unsafe",
    ),
)
