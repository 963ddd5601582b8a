"""Every reference in a release that names another object, and whether the graph knows what it names."""

from collections.abc import Iterator

from mlmesh.graph.backends import pods_behind
from mlmesh.graph.fields import at
from mlmesh.graph.gateways import selector as gateway_selector
from mlmesh.graph.hosts import UNKNOWN, resolve
from mlmesh.graph.pools import POOL_GROUPS, maker, named, picker, pods_of
from mlmesh.graph.release import Release
from mlmesh.graph.route import ISTIO, POOL, Backend, Parent, Route
from mlmesh.graph.routes import routes
from mlmesh.manifests.objects import KubeObject


def references(release: Release) -> Iterator[tuple[str, str, bool]]:
    """(kind of reference, from and to as a person writes them, whether it leads somewhere)."""
    for route in routes(release):
        yield from _of_route(route, release)
    for item in release.of(ISTIO, "DestinationRule"):
        host = str(at(item.data, "spec.host"))
        found = resolve(release, host, release.namespace(item)).how != UNKNOWN
        yield "DestinationRule to host", f"{item.title} to {host}", found
    for group in POOL_GROUPS:
        for pool in release.of(group, "InferencePool"):
            yield from _of_pool(pool, release)
    for (namespace, name), labels in release.services.items():
        if labels:
            yield "Service to pods", f"{namespace}/{name} to {labels}", any(release.selected(namespace, labels))
    for kind in ("PeerAuthentication", "AuthorizationPolicy"):
        for item in release.of("security.istio.io", kind):
            labels = at(item.data, "spec.selector.matchLabels")
            if labels:
                where = release.namespace(item)
                everywhere = where == release.mesh("rootNamespace")
                found = any(release.selected(None if everywhere else where, labels))
                yield f"{kind} to pods", f"{item.title} to {labels}", found
    for item in release.of(ISTIO, "Gateway"):
        labels = gateway_selector(item)
        if labels:
            yield "Gateway to pods", f"{item.title} to {labels}", any(release.selected(None, labels))


def _of_route(route: Route, release: Release) -> Iterator[tuple[str, str, bool]]:
    item = route.owner
    for parent in route.parents:
        if parent.kind != "mesh":
            name = f"{item.title} to {parent.kind} {parent.namespace}/{parent.name}"
            yield f"{item.kind} on {parent.kind}", name, _has_parent(parent, release)
    for backend in (backend for rule in route.rules for backend in rule.backends):
        kind = "host" if item.kind == "VirtualService" else backend.kind
        name = f"{item.title} to {backend.host or f'{backend.namespace}/{backend.name}'}"
        found = _has_backend(backend, item, release)
        yield f"{item.kind} to {kind}", name, found
        if found:
            yield f"{item.kind} to pods", name, any(pods_behind(backend, release))


def _has_parent(parent: Parent, release: Release) -> bool:
    if parent.kind == "Service":
        host = release.host(parent.name, parent.namespace)
        return resolve(release, host, parent.namespace).how != UNKNOWN
    return _named(parent.group, parent.kind, parent.namespace, parent.name, release)


def _has_backend(backend: Backend, item: KubeObject, release: Release) -> bool:
    if backend.host:
        return resolve(release, backend.host, release.namespace(item)).how != UNKNOWN
    if backend.kind == POOL:
        place = (backend.namespace, backend.name)
        return named(*place, release) is not None or maker(*place, release) is not None
    return _named(backend.group, backend.kind, backend.namespace, backend.name, release)


def _named(group: str, kind: str, namespace: str, name: str, release: Release) -> bool:
    return any((release.namespace(item), item.name) == (namespace, name) for item in release.known(group, kind))


def _of_pool(pool: KubeObject, release: Release) -> Iterator[tuple[str, str, bool]]:
    name, _ = picker(pool)
    where = release.namespace(pool)
    found = resolve(release, release.host(name, where), where).how != UNKNOWN
    yield "InferencePool to picker", f"{pool.title} to {name}", found
    yield "InferencePool to pods", pool.title, any(pods_of(pool, release))
