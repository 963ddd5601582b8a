"""Traffic that is sent twice: MLM111 and MLM112."""

from mlmesh.endpoints.routes import rules
from mlmesh.graph.fields import at
from mlmesh.graph.gateways import Gateways
from mlmesh.graph.route import GATEWAY_API, ISTIO, POOL
from mlmesh.graph.routes import route_of, routes
from mlmesh.invariants.rule import CONTRADICTION, OBJECT, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.endpoints.routes import Rule as Served
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend
    from mlmesh.model.patches import Operation

ALL = 100
SOME = 10  # percent, in place of all


def mirror_doubles_load(release: "Release") -> "Iterator[Violation]":
    """Every generation is mirrored to servers that answer clients, too: they do all of the work twice.

    Why: A mirrored request runs a whole generation whose answer nobody reads. Without a percentage all of them are
    mirrored, and where the mirror is a pool or a Service that serves clients as well, it has their load twice.

    Bad: `mirror: {host: llm}` on `/v1/chat/completions`, where another rule sends clients to `llm`

    Good: `mirrorPercentage: {value: 10}`, and a Service or pool of its own for the mirror

    Source: llm-d/llm-d issue 1755; istio/istio pilot/pkg/config/kube/gateway/conversion.go createMirrorFilter.
    """
    serving: set[tuple[str, str, str]] | None = None
    for item in (*release.of(ISTIO, "VirtualService"), *release.of(GATEWAY_API, "HTTPRoute")):
        mirroring = (rule for rule in route_of(item, release).rules if any(each.mirror for each in rule.backends))
        pointers = {rule.pointer for rule in mirroring}
        for rule in rules(item, release) if pointers else ():
            generated = [kind.name for kind in rule.types if kind.generates]
            if rule.path not in pointers or not rule.sure or not generated:
                continue
            if serving is None:
                serving = _serving(release)
            for backend in rule.matched.backends:
                if backend.mirror and _place(backend) in serving and _share(rule, backend) >= ALL:
                    yield _doubled(rule, backend, generated)


def _serving(release: "Release") -> set[tuple[str, str, str]]:
    """Where clients' requests are sent."""
    return {
        _place(backend)
        for route in routes(release)
        for rule in route.rules
        for backend in rule.backends
        if not backend.mirror and backend.weight != 0
    }


def _place(backend: "Backend") -> tuple[str, str, str]:
    return (POOL, backend.namespace, backend.name) if backend.kind == POOL else ("", backend.host, backend.subset)


def _share(rule: "Served", backend: "Backend") -> float:
    """Percent of the requests that are mirrored to a backend; all where nothing says how many."""
    if backend.group == ISTIO:
        entry = at(rule.data, "mirror") if backend.pointer.endswith("/mirror") else None
        if entry is not None:
            percent = at(rule.data, "mirrorPercentage.value")
            old = rule.data.get("mirrorPercent", rule.data.get("mirror_percent"))
            percent = old if percent is None else percent
        else:
            index = int(backend.pointer.split("/")[-2])
            percent = at(rule.data["mirrors"][index], "percentage.value")
    else:
        mirror = rule.data["filters"][int(backend.pointer.split("/")[-3])]["requestMirror"]
        percent = mirror.get("percent")
        numerator, denominator = at(mirror, "fraction.numerator"), at(mirror, "fraction.denominator")
        if isinstance(numerator, int):
            percent = ALL * numerator / (denominator if isinstance(denominator, int) and denominator else ALL)
    return float(percent) if isinstance(percent, (int, float)) else ALL


def _doubled(rule: "Served", backend: "Backend", generated: list[str]) -> Violation:
    value: Any
    what = f"{backend.kind} {backend.namespace}/{backend.name}" if backend.kind == POOL else backend.host
    if backend.group != ISTIO:
        path, value = backend.pointer.removesuffix("/backendRef") + "/percent", SOME
        how = f"percent: {SOME} in the filter"
    elif backend.pointer.endswith("/mirror"):
        path, value = f"{rule.path}/mirrorPercentage", {"value": SOME}
        how = f"mirrorPercentage: {{value: {SOME}}} in the rule"
    else:
        path, value = backend.pointer.removesuffix("/destination") + "/percentage", {"value": SOME}
        how = f"percentage: {{value: {SOME}}} beside the destination"
    operations: tuple[Operation, ...] = ({"op": "add", "path": path, "value": value},)
    return Violation(
        rule.owner,
        backend.pointer,
        f"the rule serves {' and '.join(generated)} and mirrors every request to {what}, which serves clients, too: it "
        f"runs each of these generations a second time, and nobody reads the answers",
        f"{how}, or a {'pool' if backend.kind == POOL else 'Service'} for the mirror that no client's request goes to",
        evidence=what,
        operations=operations if _unsaid(rule, backend) else (),
    )


def _unsaid(rule: "Served", backend: "Backend") -> bool:
    """Whether the percentage is simply left out."""
    if backend.group != ISTIO:
        mirror = rule.data["filters"][int(backend.pointer.split("/")[-3])]["requestMirror"]
        return "percent" not in mirror and "fraction" not in mirror
    if backend.pointer.endswith("/mirror"):
        return not {"mirrorPercentage", "mirrorPercent", "mirror_percent"} & rule.data.keys()
    return "percentage" not in rule.data["mirrors"][int(backend.pointer.split("/")[-2])]


def mirror_without_picker(release: "Release") -> "Iterator[Violation]":
    """A RequestMirror to an InferencePool: no picker is asked for what is mirrored.

    Why: Istio asks the picker of the pool that a rule sends to. For a mirror it has no picker: what is mirrored goes
    round the pool's pods, whatever their load, their cache and their adapters.

    Bad: filter `requestMirror: {backendRef: {kind: InferencePool, name: shadow}}`

    Good: a mirror to a Service of the pods that are to be tried

    Source: istio/istio pilot/pkg/config/kube/gateway/conversion.go createMirrorFilter.
    """
    gateways: Gateways | None = None
    for item in release.of(GATEWAY_API, "HTTPRoute"):
        route = route_of(item, release)
        for backend in (backend for rule in route.rules for backend in rule.backends):
            if backend.mirror and backend.kind == POOL:
                gateways = gateways or Gateways(release)
                if gateways.istio(route) is False:
                    break
                yield Violation(
                    item,
                    backend.pointer,
                    f"requests are mirrored to InferencePool {backend.namespace}/{backend.name} without its picker: "
                    f"they go round its pods, whatever their load and what their caches hold",
                    "mirror to a Service that selects the pods to be tried; a pool is for clients' own requests",
                    evidence=backend.name,
                )


RULES = (
    Rule(
        "MLM111",
        mirror_doubles_load,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("VirtualService", "HTTPRoute"),
        reads=("GRPCRoute", "TCPRoute", "TLSRoute", "InferencePool"),
        scope="set",
        fix="unsafe",
    ),
    Rule(
        "MLM112",
        mirror_without_picker,
        severity=WARNING,
        confidence=OBJECT,
        judges=("HTTPRoute",),
        reads=("Gateway",),
        scope="object",
    ),
)
