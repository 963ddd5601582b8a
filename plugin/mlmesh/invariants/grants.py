"""Backends of other namespaces, and the ReferenceGrants that let a route send there: MLM704."""

from mlmesh.graph.fields import at, maps
from mlmesh.graph.pools import POOL_GROUP
from mlmesh.graph.route import GATEWAY_API, POOL
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend
    from mlmesh.manifests.objects import KubeObject

KINDS = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")
_LOST = dict.fromkeys(("HTTPRoute", "GRPCRoute"), "requests are answered 500")


def grant_missing(release: "Release") -> "Iterator[Violation]":
    """A route sends to a backend in another namespace, which has no ReferenceGrant for it: requests are answered 500.

    Why: Gateway API lets a namespace's owner say who may send there. Istio sets ResolvedRefs=False without a grant and
    leaves the backend out.

    Bad: an HTTPRoute in `ml` with a backend in `models`, and no ReferenceGrant in `models`

    Good: a ReferenceGrant in `models` from HTTPRoutes of `ml` to Services

    Source: kubernetes-sigs/gateway-api apis/v1beta1/referencegrant_types.go; istio/istio pull request 56832.
    """
    grants: dict[str, list[KubeObject]] | None = None
    for kind in KINDS:
        for item in release.of(GATEWAY_API, kind):
            namespace, route = release.namespace(item), route_of(item, release)
            if route.in_mesh or not namespace:
                continue  # sidecars follow it by other rules
            for backend in (backend for rule in route.rules for backend in rule.backends):
                if backend.namespace == namespace or backend.kind not in ("Service", POOL):
                    continue
                place = (backend.namespace, backend.name)
                here = place in release.services if backend.kind == "Service" else _own_pool(place, release)
                if not here and not release.owns(backend.namespace):
                    continue  # that namespace's objects are not of this release
                if grants is None:
                    grants = {}
                    for each in release.known(GATEWAY_API, "ReferenceGrant"):
                        grants.setdefault(release.namespace(each), []).append(each)
                if any(_lets(each, item, namespace, backend) for each in grants.get(backend.namespace, ())):
                    continue
                from json import dumps

                from mlmesh.graph.newcomers import newcomer

                wanted = _grant(item, namespace, backend)
                yield Violation(
                    item,
                    backend.pointer,
                    f"{backend.kind} {backend.namespace}/{backend.name} is in another namespace, and no ReferenceGrant "
                    f"there lets {item.kind}s of {namespace} send to it: "
                    + ("no copies are sent" if backend.mirror else _LOST.get(kind, "connections are refused")),
                    f"add: {dumps(wanted)}",
                    severity=release.weight(backend.namespace),
                    evidence=f"{backend.namespace}/{backend.name}",
                    documents=newcomer(
                        wanted["apiVersion"], wanted["kind"], (backend.namespace, item.name), wanted["spec"], release
                    ),
                )


def _own_pool(place: tuple[str, str], release: "Release") -> bool:
    """Whether the release has a pool of this namespace and name."""
    return any((release.namespace(item), item.name) == place for item in release.of(POOL_GROUP, POOL))


def _lets(grant: "KubeObject", item: "KubeObject", namespace: str, backend: "Backend") -> bool:
    """Whether a ReferenceGrant of the backend's namespace lets a route of another send to it."""
    comes = any(
        (each.get("group"), each.get("kind"), each.get("namespace")) == (GATEWAY_API, item.kind, namespace)
        for _, each in maps(at(grant.data, "spec.from"))
    )
    return comes and any(
        (each.get("group") or "", each.get("kind")) == (backend.group or "", backend.kind)
        and each.get("name") in (None, "", backend.name)
        for _, each in maps(at(grant.data, "spec.to"))
    )


def _grant(item: "KubeObject", namespace: str, backend: "Backend") -> "dict[str, Any]":
    """A grant by the route's name, in the backend's namespace, for this backend alone."""
    origin = {"group": GATEWAY_API, "kind": item.kind, "namespace": namespace}
    target = {"group": backend.group, "kind": backend.kind, "name": backend.name}
    metadata = {"name": item.name, "namespace": backend.namespace}
    spec = {"from": [origin], "to": [target]}
    return {"apiVersion": f"{GATEWAY_API}/v1beta1", "kind": "ReferenceGrant", "metadata": metadata, "spec": spec}
