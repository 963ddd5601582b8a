"""What changes or stops a server, within reach of a gateway: MLM405.

Not told: a server that is reached from inside the mesh only, and one of which nothing says that the paths are open.
"""

from mlmesh.graph.exposure import RAY, SGLANG, TORCHSERVE, VLLM_DEV, VLLM_LORA
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import ABSENCE, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend, Match, Route
    from mlmesh.graph.route import Rule as RouteRule
    from mlmesh.graph.way import Way

# What is at a port of its own, by server.
PORTS = {RAY: (8265, "/api/jobs/"), TORCHSERVE: (8081, "/models")}
_DEV = ("/sleep", "/wake_up", "/reset_", "/collective_rpc", "/update_weights")
SHOWN = 4


def _paths(server: str) -> "Iterator[tuple[str, str]]":
    """(method, path) of what a server leaves open on its own port."""
    from mlmesh.endpoints import admin

    if server == VLLM_LORA:
        yield from (("POST", f"/v1{path}") for path in admin.VLLM if path.endswith("lora_adapter"))
    elif server == VLLM_DEV:
        yield from (("POST", path) for path in admin.VLLM if path.startswith(_DEV))
    elif server == SGLANG:
        yield from (("POST", path) for path in (*admin.SGLANG, "/load_lora_adapter", "/unload_lora_adapter"))


def _open(server: str, backend: "Backend") -> "Iterable[tuple[str, str]]":
    if server in PORTS:
        port, path = PORTS[server]
        return (("POST", path),) if backend.port == port else ()
    return _paths(server)


def admin_path_open(release: "Release") -> "Iterator[Violation]":
    """A gateway's route lets through what changes or stops the model server behind it.

    Why: Model servers have paths that load adapters from anywhere, drop what is in memory or stop the server: SGLang
    always, vLLM with VLLM_SERVER_DEV_MODE or VLLM_ALLOW_RUNTIME_LORA_UPDATING, Ray on port 8265, TorchServe on 8081. A
    gateway's route hands them on wherever its match lets the path through.

    Bad: PathPrefix `/` to an SGLang without a key

    Good: matches of the paths that clients need, or an AuthorizationPolicy that denies the others to the gateway

    Source: vllm-project/vllm pull request 29922, sgl-project/sglang issue 26789.
    """
    exposing = any(pods.exposes for pods in release.pods())
    for item in (*release.of(ISTIO, "VirtualService"), *release.of(GATEWAY_API, "HTTPRoute")):
        route = route_of(item, release)
        if any(parent.kind == "Gateway" for parent in route.parents):
            if exposing:
                yield from _led(route, release)
            yield from _named(route, release)


def _led(route: "Route", release: "Release") -> "Iterator[Violation]":
    """Rules that lead to pods which leave such paths open, though they were meant for others."""
    from mlmesh.graph.backends import pods_behind
    from mlmesh.graph.way import Way

    way = Way(route, release)
    for rule in route.rules:
        told: set[str] = set()
        for backend in rule.backends:
            if backend.mirror or rule.protocol != "http":
                continue
            for pods in pods_behind(backend, release):
                for server in pods.exposes:
                    through = way.through(rule, _open(server, backend), pods)
                    what = f"{pods.title} ({server})"
                    if through and what not in told:
                        told.add(what)
                        yield _violation(way, rule, what, pods, through)


def _violation(way: "Way", rule: "RouteRule", what: str, pods: "Pods", through: list[str]) -> Violation:
    shown = ", ".join(through[:SHOWN]) + (f" and {len(through) - SHOWN} more" if len(through) > SHOWN else "")
    return Violation(
        way.route.owner,
        rule.pointer,
        f"everybody at the gateway can call {shown} of {what}, which changes or stops the server",
        f"refuse these paths to the gateway by an AuthorizationPolicy of action DENY for the pods of {pods.title}, or "
        f"match only the paths that clients need",
        severity=ERROR if way.release.owns(pods.namespace) else WARNING,
        evidence=what,
    )


def _named(route: "Route", release: "Release") -> "Iterator[Violation]":
    """Matches that name such a path themselves, and no other server's."""
    from mlmesh.endpoints.match import UNSURE, types_of

    for rule in route.rules:
        for match in rule.matches if rule.protocol == "http" and rule.backends else ():
            try:
                kinds, reason, _ = types_of(match)
            except ValueError:
                continue  # told where the route's types are
            if (
                [kind.name for kind in kinds] == ["admin"]
                and UNSURE not in reason
                and _handed_on(route, rule, match, release)
            ):
                yield Violation(
                    route.owner,
                    rule.pointer,
                    f"the rule's match ({reason}) is a path by which a server is changed or stopped, and hands it to "
                    f"everybody at the gateway",
                    "take the match away; who must call it can do so inside the mesh",
                    severity=WARNING,
                    evidence=match.path,
                )
                break


def _handed_on(route: "Route", rule: "RouteRule", match: "Match", release: "Release") -> bool:
    """Whether no policy of the gateway, or of the pods that are known, refuses what a match names."""
    from mlmesh.graph.backends import pods_behind
    from mlmesh.graph.way import Way

    way, method = Way(route, release), match.method or "POST"
    pods = [pods for backend in rule.backends for pods in pods_behind(backend, release)]
    return way.enters(method, match.path) and (not pods or any(way.arrives(method, match.path, each) for each in pods))


RULES = (
    Rule(
        "MLM405",
        admin_path_open,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("VirtualService", "HTTPRoute"),
        reads=("AuthorizationPolicy", "Gateway", PODS),
        scope="set",
    ),
)
