"""Ports that routes name and nothing listens on: MLM105."""

from mlmesh.graph.fields import at, maps
from mlmesh.graph.gateways import Gateways
from mlmesh.graph.ports import ServicePorts
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import CONTRADICTION, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend, Route
    from mlmesh.graph.route import Rule as RouteRule
    from mlmesh.model.patches import Operation

    Ports = dict[int, dict[str, Any]]

_HTTP = ("HTTP", "HTTP2", "HTTPS", "GRPC", "GRPC-WEB")


def destination_port_wrong(release: "Release") -> "Iterator[Violation]":
    """A route sends to a port that its Service does not have: every request is answered with an error.

    Why: Envoy has one cluster for each port of a Service. A route to another port names a cluster that is not there: a
    VirtualService's requests are answered 503, an HTTPRoute's or GRPCRoute's 500. The number is the Service's `port`,
    not the container's. A VirtualService may leave it out where there is only one; of several, Istio takes the one
    that the request came in by, and a gateway's is another one.

    Bad: `port: {number: 80}` to a Service with port 8080

    Good: `port: {number: 8080}`

    Source: istio/istio pilot/pkg/networking/core/route/route.go GetDestinationCluster,
    pkg/config/analysis/analyzers/virtualservice/destinationhosts.go (IST0112).
    """
    listening = ServicePorts(release)
    gateways = Gateways(release)
    kinds = ((ISTIO, "VirtualService"), (GATEWAY_API, "HTTPRoute"), (GATEWAY_API, "GRPCRoute"))
    for item in (item for kind in kinds for item in release.of(*kind)):
        route = route_of(item, release)
        entering: list[tuple[str, set[int]]] | None = None
        for rule in route.rules:
            for backend in rule.backends:
                found = listening.behind(backend.host) if backend.host else None
                if found is None:
                    continue
                what, ports, is_own = found
                if backend.port is None:
                    if len(ports) > 1 and rule.protocol == "http" and item.kind == "VirtualService":
                        if entering is None:
                            entering = _entering(route, listening, gateways)
                        yield from _by_entry(route, backend, what, ports, entering=entering, is_own=is_own)
                elif type(backend.port) is int and backend.port not in ports:
                    yield _wrong(route, rule, backend, what, ports, is_own=is_own)


def _wrong(
    route: "Route", rule: "RouteRule", backend: "Backend", what: str, ports: "Ports", *, is_own: bool
) -> Violation:
    inner = [number for number, port in ports.items() if port.get("targetPort") == backend.port]
    right = inner if len(inner) == 1 else list(ports) if len(ports) == 1 else []
    number = 503 if route.owner.kind == "VirtualService" else 500
    answer = (
        "what is mirrored there is lost"
        if backend.mirror
        else "connections are closed"
        if rule.protocol in ("tcp", "tls")
        else f"requests that are sent there are answered {number}"
    )
    hint = f" ({backend.port} is the pods' port behind {inner[0]})" if inner else ""
    idle = backend.mirror or backend.weight == 0
    path = f"{backend.pointer}/port" + ("/number" if backend.group == ISTIO else "")
    operations: tuple[Operation, ...] = ({"op": "replace", "path": path, "value": right[0]},) if right else ()
    return Violation(
        route.owner,
        path,
        f"{what} has no port {backend.port}, but {_listed(ports)}{hint}: {answer}",
        f"port {right[0]}" if right else f"one of the ports that {what} has, or add {backend.port} to it",
        severity=ERROR if is_own and not idle else WARNING,
        evidence=f"{what} {backend.port}",
        operations=operations,
    )


def _by_entry(
    route: "Route",
    backend: "Backend",
    what: str,
    ports: "Ports",
    *,
    entering: "list[tuple[str, set[int]]]",
    is_own: bool,
) -> "Iterator[Violation]":
    """The violation where requests come in by ports of which a destination of several has none."""
    for where, numbers in entering:
        if numbers and numbers.isdisjoint(ports):
            came = ", ".join(map(str, sorted(numbers)))
            yield Violation(
                route.owner,
                backend.pointer,
                f"the destination names no port: of several Istio takes the one that a request came in by, which at "
                f"{where} is {came}, and {what} has {_listed(ports)}: "
                + (
                    "what is mirrored there is lost"
                    if backend.mirror
                    else "requests that are sent there are answered 503"
                ),
                f"port: {{number: ...}} in the destination, one of {_listed(ports)}",
                severity=ERROR if is_own and not backend.mirror else WARNING,
                evidence=f"{what} {where}",
            )
            return


def _entering(route: "Route", listening: ServicePorts, gateways: Gateways) -> "list[tuple[str, set[int]]]":
    """By what ports requests for a VirtualService come in: at its gateways, and in the mesh; left out if unknown."""
    found = []
    for parent in route.parents:
        gateway = gateways.of(parent) if parent.kind == "Gateway" else None
        if gateway is not None and parent.group == ISTIO:
            servers = [at(server, "port") for _, server in maps(at(gateway.data, "spec.servers"))]
            numbers = {
                port["number"]
                for port in servers
                if isinstance(port, dict)
                and type(port.get("number")) is int
                and str(port.get("protocol")).upper() in _HTTP
            }
            found.append((gateway.title, numbers))
        elif parent.kind == "mesh":
            behind = [listening.behind(host) for host in route.hosts]
            if behind and all(behind):
                numbers = {number for each in behind if each for number in each[1]}
                found.append((" and ".join(each[0] for each in behind if each), numbers))
    return found


def _listed(ports: "Ports") -> str:
    return ", ".join(
        f"{number} ({port['name']})" if port.get("name") else str(number) for number, port in ports.items()
    )


RULES = (
    Rule(
        "MLM105",
        destination_port_wrong,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("VirtualService", "HTTPRoute", "GRPCRoute"),
        reads=("Service", "ServiceEntry", "Gateway"),
        scope="set",
        fix="unsafe",
    ),
)
