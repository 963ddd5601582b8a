"""Servers of Istio's Gateways that are in each other's way: MLM958, 959."""

from mlmesh.graph.route import ISTIO
from mlmesh.graph.servers import HTTP, TLS, Server, is_same, servers, together
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mlmesh.graph.release import Release

_UNENDED = ("PASSTHROUGH", "AUTO_PASSTHROUGH")


def certificate_twice(release: "Release") -> "Iterator[Violation]":
    """Two servers of a gateway's port share a certificate: requests over a reused connection are answered 404.

    Why: A browser that has a connection for one host uses it for every other that its certificate covers. The gateway
    chose the server by the name that the connection was opened for, and that server knows no other's hosts.

    Bad: two Gateways for `a.example.com` and `b.example.com`, both with `credentialName: wildcard`

    Good: one Gateway with `hosts: ["*.example.com"]`, or a certificate for each host

    Source: istio/istio pkg/config/analysis/analyzers/gateway/certificate.go (IST0138), pilot/pkg/model/gateway.go
    mergeGateways.
    """
    own, found = _all(release)
    sharing: dict[tuple[int, str, str], list[Server]] = {}
    for server in found:
        name = _certificate(server)
        if name and server.protocol == "HTTPS":
            sharing.setdefault((server.number, server.bind, name), []).append(server)
    for (number, _, name), group in sharing.items():
        told: set[int] = set()
        for server in group if len(group) > 1 else ():
            if id(server.gateway) not in own or id(server.gateway) in told:
                continue
            hosts = set(server.hosts)
            other = _first(server, group, hosts.isdisjoint, release)
            if other is not None:
                told.add(id(server.gateway))
                where = "another server here" if other.gateway is server.gateway else other.gateway.title
                yield Violation(
                    server.gateway,
                    f"/spec/servers/{server.index}/tls",
                    f"{server.names} has the certificate {name} on port {number}, and so has {where} for "
                    f"{other.names}: a browser that has a connection for one sends the other's requests over it, and "
                    f"they are answered 404",
                    "put the hosts that share a certificate into one server, or give each server its own",
                    evidence=f"{name} {other.gateway.title}",
                )


def gateways_clash(release: "Release") -> "Iterator[Violation]":
    """Two servers claim one port of the same gateway pods, and istiod cannot join them: it leaves one out, silently.

    Why: On a port that ends TLS a host has one server, on a port of HTTP the hosts are joined, and a port of TCP has
    one server in all. Of what does not fit together the older Gateway stays; the other's server, with all of its hosts,
    is nowhere.

    Bad: two Gateways with the same selector, and in both `number: 443` and `hosts: ["*.example.com"]`

    Good: one of them, or other hosts, or other ports

    Source: istio/istio pilot/pkg/model/gateway.go mergeGateways,
    pkg/config/analysis/analyzers/gateway/conflictinggateway.go (IST0145).
    """
    own, found = _all(release)
    places: dict[tuple[int, str], dict[str, list[Server]]] = {}
    for server in found:
        places.setdefault((server.number, server.bind), {}).setdefault(server.kind, []).append(server)
    for kinds in places.values():
        by_host: dict[tuple[str, str], list[Server]] = {}
        for server in kinds.get(TLS, ()):
            for host in server.hosts:
                by_host.setdefault(host, []).append(server)
        for kind, group in kinds.items():
            unlike = _unlike(kind, kinds)
            for server in group:
                if id(server.gateway) in own:
                    yield from _clash(server, unlike, by_host, own, release)


def _unlike(kind: str, kinds: dict[str, list[Server]]) -> list[Server]:
    """The servers of a port that one of a kind cannot be joined with, whatever their hosts are."""
    return [each for other, group in kinds.items() if other != kind or kind not in (HTTP, TLS) for each in group]


def _clash(
    server: Server,
    unlike: list[Server],
    by_host: dict[tuple[str, str], list[Server]],
    own: set[int],
    release: "Release",
) -> "Iterator[Violation]":
    other = _first(server, unlike, None, release)
    shared = ""
    if other is None and server.kind == TLS:
        for host in server.hosts:
            other = _first(server, by_host[host], None, release)
            if other is not None:
                shared = host[1]
                break
    if other is None:
        return
    here, there = server.gateway, other.gateway
    where = "another server here" if there is here else there.title
    kept = "the first of them" if there is here else "the older Gateway's"
    # Other namespaces' Gateways do not count where istiod runs with PILOT_SCOPE_GATEWAY_TO_NAMESPACE.
    sure = id(there) in own and release.namespace(here) == release.namespace(there)
    yield Violation(
        here,
        f"/spec/servers/{server.index}/port",
        (
            f"{where} ends TLS for {shared} on port {server.number} of the same pods too, and a host has one server"
            if shared
            else f"{where} has port {server.number} of the same pods too, with protocol {other.protocol} beside "
            f"{server.protocol}, which cannot be joined"
        )
        + f": istiod keeps {kept}, and leaves the other out with all of its hosts",
        "take the host out of one of them" if shared else "give one of them another port",
        severity=ERROR if sure else WARNING,
        evidence=f"{server.number} {shared} {there.title}",
    )


def _first(
    server: Server,
    group: "Iterable[Server]",
    apart: "Callable[[list[tuple[str, str]]], bool] | None",
    release: "Release",
) -> Server | None:
    """The first of other servers, whose hosts are as they are asked to be, that is for the same pods."""
    gateway = server.gateway
    return next(
        (
            each
            for each in group
            if each is not server
            and (apart is None or apart(each.hosts))
            and not is_same(gateway, each.gateway, release)
            and together(gateway, each.gateway, release)
        ),
        None,
    )


def _all(release: "Release") -> tuple[set[int], list[Server]]:
    """Which Gateways are the release's own, and the servers of all."""
    own = {id(item) for item in release.of(ISTIO, "Gateway")}
    return own, [server for item in release.known(ISTIO, "Gateway") for server in servers(item, release)]


def _certificate(server: Server) -> str:
    """What a server's certificate is called: a Secret, or a file of the gateway's pods; empty where it ends no TLS."""
    tls = server.tls
    if tls.get("mode") in _UNENDED:
        return ""
    return str(tls.get("credentialName") or (tls.get("privateKey") and tls.get("serverCertificate")) or "")


RULES = (
    Rule(
        "MLM958",
        certificate_twice,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("Gateway",),
        reads=(PODS,),
    ),
    Rule(
        "MLM959",
        gateways_clash,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("Gateway",),
        reads=(PODS,),
    ),
)
