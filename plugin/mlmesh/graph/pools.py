"""InferencePools (gateway-api-inference-extension api/v1): their pods and their picker."""

from mlmesh.graph.fields import at, mapping
from mlmesh.manifests.objects import KubeObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release

# Istio reads the first only; the second is what the pool was before 1.0.
POOL_GROUP = "inference.networking.k8s.io"  # Istio reads no other
POOL_GROUPS = (POOL_GROUP, "inference.networking.x-k8s.io")


def selector(pool: KubeObject) -> "dict[str, Any]":
    """The labels of the pool's pods, which are in its namespace; before 1.0 without ``matchLabels``."""
    found = at(pool.data, "spec.selector")
    return mapping(found.get("matchLabels", found) if isinstance(found, dict) else None)


def picker(pool: KubeObject) -> "tuple[str, Any]":
    """(name of the picker's Service, its port), in the pool's namespace; empty where the pool names none."""
    ref = at(pool.data, "spec.endpointPickerRef") or at(pool.data, "spec.extensionRef")
    if not isinstance(ref, dict) or ref.get("kind", "Service") != "Service" or ref.get("group", "") not in ("", None):
        return "", None
    port = ref.get("port")
    return str(ref.get("name") or ""), port.get("number") if isinstance(port, dict) else ref.get("portNumber", port)


def named(namespace: str, name: str, release: "Release") -> KubeObject | None:
    """The pool of this name, of the release or its context."""
    for group in POOL_GROUPS:
        for pool in release.known(group, "InferencePool"):
            if (release.namespace(pool), pool.name) == (namespace, name):
                return pool
    return None


def maker(namespace: str, name: str, release: "Release") -> "tuple[str, str, str] | None":
    """Kind, namespace and name of the object whose controller makes a pool of this name."""
    place = (namespace, name)
    return release.own.made_pools.get(place) or release.context.made_pools.get(place)


def pods_of(pool: KubeObject, release: "Release") -> "Iterator[Pods]":
    """The pods, of the release and its context, that the pool selects."""
    return release.selected(release.namespace(pool), selector(pool))
