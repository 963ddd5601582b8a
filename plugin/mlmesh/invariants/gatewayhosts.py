"""Hosts and ports that Istio's Gateways and what stands beside them do not agree on: MLM955, 967."""

from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.gateways import Gateways, selector
from mlmesh.graph.hosts import covers
from mlmesh.graph.ports import Fronts, target
from mlmesh.graph.route import ISTIO, MESH
from mlmesh.graph.routes import route_of
from mlmesh.graph.servers import servers
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Parent
    from mlmesh.manifests.objects import KubeObject

SHOWN = 6


def host_not_on_gateway(release: "Release") -> "Iterator[Violation]":
    """A VirtualService is for a Gateway that serves none of its hosts: no request gets to its rules there.

    Why: A gateway has the hosts that its servers name, those with a namespace before them for VirtualServices of that
    namespace alone. What a VirtualService says of other hosts is left out, and requests for them are answered 404.

    Bad: `hosts: [llm.example.com]` on a Gateway with `hosts: [chat.example.com]`

    Good: a host that the Gateway has, or `*.example.com` there

    Source: istio/istio pkg/config/analysis/analyzers/virtualservice/gateways.go (IST0132),
    pilot/pkg/networking/core/gateway.go pickMatchingGatewayHosts.
    """
    gateways = Gateways(release)
    own = {id(item) for item in release.of(ISTIO, "Gateway")}
    for item in release.of(ISTIO, "VirtualService"):
        route = route_of(item, release)
        written = [str(host) for host in entries(at(item.data, "spec.hosts"))]
        if not written or not any(parent.kind == "Gateway" for parent in route.parents):
            continue
        dead: list[tuple[Parent, KubeObject]] = []
        served: set[str] = set()
        is_open = False  # followed elsewhere, as far as anybody here knows
        for parent in route.parents:
            gateway = gateways.of(parent) if parent.kind == "Gateway" else None
            patterns = None if gateway is None else _patterns(gateway, release.namespace(item), release)
            if patterns is None or gateway is None:
                is_open = True
                continue
            # A short name is completed before it is looked for; the text as it is written is let pass, too.
            fit = {
                host
                for host, full in zip(written, route.hosts, strict=True)
                if _on(full, patterns) or _on(host, patterns)
            }
            served |= fit
            if not fit:
                dead.append((parent, gateway))
        for parent, gateway in dead:
            alone = not is_open and not served
            yield _nowhere(item, parent, gateway, written, alone=alone and id(gateway) in own)
        if served and not is_open:
            yield from _left_out(item, written, served)


def _patterns(gateway: "KubeObject", namespace: str, release: "Release") -> list[str] | None:
    """The hosts that a Gateway has for the VirtualServices of a namespace; None where nobody can tell."""
    hosts = [host for server in servers(gateway, release) for host in server.hosts]
    if not hosts or not namespace or any(not where for where, _ in hosts):
        return None
    return [name for where, name in hosts if where in ("*", namespace)]


def _on(host: str, patterns: list[str]) -> bool:
    return any(covers(each, host.lower()) or covers(host.lower(), each) for each in patterns)


def _nowhere(
    item: "KubeObject", parent: "Parent", gateway: "KubeObject", hosts: list[str], *, alone: bool
) -> Violation:
    listed = list(
        dict.fromkeys(
            str(host) for _, server in maps(at(gateway.data, "spec.servers")) for host in entries(server.get("hosts"))
        )
    )
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    scoped = " to this namespace" if any("/" in host for host in listed) else ""
    return Violation(
        item,
        parent.pointer,
        f"{gateway.title} serves {', '.join(listed[:SHOWN])}{more}, but not {' or '.join(hosts)}{scoped}: "
        + ("nobody follows the VirtualService" if alone else "it follows none of the rules"),
        f"add {' and '.join(hosts)} to the hosts of a server there, or name the Gateway that serves them",
        severity=ERROR if alone else WARNING,
        evidence=gateway.title,
    )


def _left_out(item: "KubeObject", hosts: list[str], served: set[str]) -> "Iterator[Violation]":
    for index, host in enumerate(hosts):
        if host not in served:
            yield Violation(
                item,
                f"/spec/hosts/{index}",
                f"none of its Gateways serves {host}: no request for it gets to these rules",
                f"add {host} to the hosts of a server there, or {MESH} to the gateways if sidecars are to follow it",
                evidence=host,
            )


def gateway_port_not_exposed(release: "Release") -> "Iterator[Violation]":
    """A Gateway has a port that no Service in front of its pods leads to: nobody outside the cluster gets there.

    Why: The pods of the gateway listen on the port; clients come by a Service, which passes on only the ports that it
    names. A Gateway's number is a port of the Service, or the port of the pods that it leads to.

    Bad: `number: 8443` on gateway pods whose Service has 80 and 443

    Good: 8443 among the Service's ports, too

    Source: istio/istio pkg/config/analysis/analyzers/gateway/gateway.go (IST0162), pilot/pkg/model/gateway.go
    resolvePorts.
    """
    fronts: Fronts | None = None
    for gateway in release.of(ISTIO, "Gateway"):
        pods = list(release.selected(None, selector(gateway)))
        if not pods or any(each.host_network or each.mentions(b"hostPort") for each in pods):
            continue
        fronts = fronts or Fronts(release)
        exposed, services = _exposed(pods, fronts)
        if not services and not all(release.owns(each.namespace) for each in pods):
            continue  # whoever has the namespace may have a Service there
        for server in servers(gateway, release):
            if server.number not in exposed:
                listed = f"{', '.join(services)} leads to {', '.join(map(str, sorted(exposed))) or 'none of TCP'}"
                yield Violation(
                    gateway,
                    f"/spec/servers/{server.index}/port/number",
                    f"the pods of {pods[0].title} are this gateway's, and "
                    + (listed if services else "no Service is in front of them")
                    + f": nobody gets to port {server.number} by it",
                    f"add port {server.number} to the Service"
                    if services
                    else f"add a Service with port {server.number} that selects them",
                    evidence=str(server.number),
                )


def _exposed(pods: "list[Pods]", fronts: Fronts) -> tuple[set[int], list[str]]:
    """The ports that Services have, or lead to, and the Services' titles."""
    exposed: set[int] = set()
    services: dict[str, None] = {}
    for one in pods:
        for service, _, port in fronts.of(one):
            services[service.title] = None
            if port.get("protocol") in (None, "TCP"):
                exposed |= {number for number in (port.get("port"), target(port, one)) if isinstance(number, int)}
    return exposed, list(services)


RULES = (
    Rule(
        "MLM955",
        host_not_on_gateway,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("VirtualService",),
        reads=("Gateway",),
    ),
    Rule(
        "MLM967",
        gateway_port_not_exposed,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("Gateway",),
        reads=("Service", PODS),
    ),
)
