"""Routes as one thing: VirtualService, and HTTPRoute, GRPCRoute, TCPRoute and TLSRoute of Gateway API."""

from math import inf

from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.route import GATEWAY_API, ISTIO, MESH, Backend, Match, Parent, Route, Rule
from mlmesh.manifests.objects import KubeObject
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release


def routes(release: "Release") -> "Iterator[Route]":
    """All routes of a release and its context, the release's own of each kind first."""
    for item in release.known(ISTIO, "VirtualService"):
        yield route_of(item, release)
    for kind in ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"):
        for item in release.known(GATEWAY_API, kind):
            yield route_of(item, release)


def route_of(item: KubeObject, release: "Release") -> Route:
    """A VirtualService, or a route of Gateway API, as a route."""
    read = _virtual_service if item.kind == "VirtualService" else _gateway_route
    return item.remembered("route", lambda: read(item, release))


def _virtual_service(item: KubeObject, release: "Release") -> Route:
    """A VirtualService as a route."""
    namespace = release.namespace(item)
    spec = item.data.get("spec")
    hosts = [release.host(str(host), namespace) for host in entries(at(spec, "hosts"))]
    parents = []
    for index, name in enumerate(entries(at(spec, "gateways")) or (MESH,)):
        pointer = f"/spec/gateways/{index}"
        if name == MESH:
            parents.append(Parent("", MESH, "", "", pointer=pointer))
        else:
            parents.append(Parent(ISTIO, "Gateway", *_gateway(str(name), namespace), pointer=pointer))
    rules = []
    for protocol in ("http", "tls", "tcp"):
        for index, data in maps(at(spec, protocol)):
            pointer = f"/spec/{protocol}/{index}"
            backends = list(_destinations(data, pointer, namespace, release))
            matches = [istio_match(match) for _, match in maps(data.get("match"))] if protocol == "http" else []
            timeout = _seconds(data.get("timeout")) if protocol == "http" else None
            rules.append(Rule(data, pointer, protocol, matches=matches, timeout=timeout, backends=backends))
    return Route(item, hosts, parents, rules)


def _gateway(name: str, namespace: str) -> tuple[str, str]:
    """The namespace and the name of the Gateway that a VirtualService names: NAMESPACE/NAME, NAME, or NAME.NAMESPACE
    with or without the rest of a full name, as it was written once.

    istio/istio pilot/pkg/model/virtualservice.go resolveGatewayName.
    """
    where, slash, own = name.partition("/")
    if slash:
        return (namespace if where == "." else where), own
    own, _, rest = name.partition(".")
    return rest.partition(".")[0] or namespace, own


def _destinations(rule: "dict[str, Any]", pointer: str, namespace: str, release: "Release") -> "Iterator[Backend]":
    found = [(entry, f"{pointer}/route/{index}", False) for index, entry in maps(rule.get("route"))]
    found += [(entry, f"{pointer}/mirrors/{index}", True) for index, entry in maps(rule.get("mirrors"))]
    found += [({"destination": rule["mirror"]}, f"{pointer}/mirror", True)] if "mirror" in rule else []
    for entry, place, mirror in found:
        target = entry.get("destination")
        if isinstance(target, dict) and isinstance(target.get("host"), str):
            yield Backend(
                ISTIO,
                "Hostname",
                namespace,
                target["host"],
                host=release.host(target["host"], namespace),
                pointer=place if place.endswith("/mirror") else f"{place}/destination",
                port=at(target, "port.number"),
                subset=str(target.get("subset") or ""),
                weight=entry.get("weight"),
                mirror=mirror,
            )


def istio_match(match: "dict[str, Any]") -> Match:
    """What one HTTPMatchRequest of a VirtualService asks for."""
    form, path = _first(match.get("uri"), ("exact", "prefix", "regex"))
    _, method = _first(match.get("method"), ("exact", "regex"))
    headers = match.get("headers")
    return Match(match, form, path, method, [str(name) for name in headers] if isinstance(headers, dict) else [])


def _gateway_route(item: KubeObject, release: "Release") -> Route:
    """A route of Gateway API. HTTPRoutes with a Service as parent are followed by sidecars."""
    namespace = release.namespace(item)
    spec = item.data.get("spec")
    hosts = [str(host) for host in entries(at(spec, "hostnames"))]
    parents = [
        Parent(
            str(ref.get("group", GATEWAY_API)),
            str(ref.get("kind", "Gateway")),
            str(ref.get("namespace") or namespace),
            str(ref.get("name")),
            pointer=f"/spec/parentRefs/{index}",
            section=str(ref.get("sectionName") or ""),
        )
        for index, ref in maps(at(spec, "parentRefs"))
    ]
    protocol = item.kind.removesuffix("Route").lower()
    rules = []
    for index, data in maps(at(spec, "rules")):
        pointer = f"/spec/rules/{index}"
        timeout = _request_timeout(data) if protocol == "http" else inf if protocol == "grpc" else None
        matches = [_gateway_match(match, protocol) for _, match in maps(data.get("matches"))]
        backends = list(_backends(data, pointer, namespace, release))
        rules.append(Rule(data, pointer, protocol, matches=matches, timeout=timeout, backends=backends))
    return Route(item, hosts, parents, rules)


def _backends(rule: "dict[str, Any]", pointer: str, namespace: str, release: "Release") -> "Iterator[Backend]":
    refs = [(ref, f"{pointer}/backendRefs/{index}", False) for index, ref in maps(rule.get("backendRefs"))]
    for index, filter_ in maps(rule.get("filters")):
        mirror = at(filter_, "requestMirror.backendRef")
        if isinstance(mirror, dict):
            refs.append((mirror, f"{pointer}/filters/{index}/requestMirror/backendRef", True))
    for ref, place, mirrored in refs:
        kind, name = str(ref.get("kind", "Service")), str(ref.get("name"))
        where = str(ref.get("namespace") or namespace)
        host = ""
        if kind == "Service":
            host = release.host(name, where)
        elif kind == "Hostname":
            host = name
        yield Backend(
            str(ref.get("group", "")),
            kind,
            where,
            name,
            host=host,
            pointer=place,
            port=ref.get("port"),
            weight=ref.get("weight"),
            mirror=mirrored,
        )


def _gateway_match(match: "dict[str, Any]", protocol: str) -> Match:
    headers = [str(header.get("name")) for _, header in maps(match.get("headers"))]
    if protocol == "grpc":
        method = match.get("method")
        if not isinstance(method, dict) or not (method.get("service") or method.get("method")):
            return Match(match, "", "", "", headers)
        service, name = str(method.get("service") or ""), str(method.get("method") or "")
        if method.get("type") == "RegularExpression" or not service:
            return Match(match, "regex", f"/{service or '[^/]+'}/{name or '[^/]+'}", "", headers)
        return Match(match, "exact" if name else "prefix", f"/{service}/{name}", "", headers)
    path = match.get("path")
    forms = {"Exact": "exact", "PathPrefix": "path-prefix", "RegularExpression": "regex"}
    if not isinstance(path, dict):
        return Match(match, "", "", str(match.get("method") or ""), headers)
    form = forms.get(str(path.get("type", "PathPrefix")), "")
    return Match(match, form, str(path.get("value", "/")), str(match.get("method") or ""), headers)


def _request_timeout(rule: "dict[str, Any]") -> float:
    """What ends a request of an HTTPRoute: without ``retry``, backendRequest takes request's place.

    istio/istio pilot/pkg/config/kube/gateway/conversion.go convertHTTPRoute.
    """
    timeouts = rule.get("timeouts")
    if not isinstance(timeouts, dict):
        return inf
    each = timeouts.get("backendRequest")
    return _seconds(each if each is not None and "retry" not in rule else timeouts.get("request"))


def _seconds(value: object) -> float:
    """Seconds of a timeout; none, ``0s`` and what is no duration (which the API server refuses) end nothing."""
    try:
        return (duration_ms(value) if isinstance(value, str) else 0) / 1000 or inf
    except ValueError:
        return inf


def _first(holder: object, keys: tuple[str, ...]) -> tuple[str, str]:
    for key in keys:
        if isinstance(holder, dict) and isinstance(holder.get(key), str):
            return key, holder[key]
    return "", ""
