"""The pods behind a route's backend."""

from mlmesh.graph import pools
from mlmesh.graph.made import leads_to
from mlmesh.graph.route import POOL, Backend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from mlmesh.graph.inventory import Owner, Pods
    from mlmesh.graph.release import Release


def selected(backend: Backend, release: "Release") -> "tuple[str, Mapping[str, Any] | None]":
    """The namespace and the labels of the pods that a backend's Service or pool selects; none where nobody knows."""
    if backend.kind == POOL:
        pool = pools.named(backend.namespace, backend.name, release)
        return backend.namespace, None if pool is None else pools.selector(pool)
    return release.service(backend.host)


def pods_behind(backend: Backend, release: "Release") -> "Iterator[Pods]":
    """The pods, of the release and its context, that a backend's Service or pool selects or its controller makes.

    None for hosts outside the mesh, and where nobody knows. A subset does not narrow them.
    """
    namespace, labels = selected(backend, release)
    if labels:
        return release.selected(namespace, labels)
    owner = _maker(namespace, backend, release)
    return iter(()) if owner is None else filter(is_behind(backend, release), release.selection.owned(owner))


def is_behind(backend: Backend, release: "Release") -> "Callable[[Pods], bool]":
    """Tells pods behind a backend from others."""
    namespace, labels = selected(backend, release)
    if labels:
        return lambda pods: pods.namespace == namespace and pods.carry(labels)
    owner = _maker(namespace, backend, release)
    if owner is None:
        return lambda pods: False
    if backend.kind == POOL:
        return lambda pods: pods.owner == owner and pods.part != "scheduler"
    kind, _, of = owner
    name = backend.host.partition(".")[0]
    return lambda pods: pods.owner == owner and leads_to(name, kind, of, pods.part)


def _maker(namespace: str, backend: Backend, release: "Release") -> "Owner | None":
    """The object whose controller makes a backend's pool or Service."""
    if backend.kind == POOL:
        return pools.maker(backend.namespace, backend.name, release)
    name = backend.host.partition(".")[0]
    return release.own.maker(namespace, name) or release.context.maker(namespace, name)
