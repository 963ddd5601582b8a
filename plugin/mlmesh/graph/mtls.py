"""What a workload's port takes, by PeerAuthentication: STRICT, PERMISSIVE or DISABLE.

istio/istio pilot/pkg/security/authn/policy_applier.go composePeerAuthentication: of several that select a pod only the
oldest counts; what one leaves unset it has from its namespace's, then the mesh's, and in the end PERMISSIVE.
"""

from mlmesh.graph.fields import at, mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.graph.selection import Selectors
    from mlmesh.manifests.objects import KubeObject

STRICT, PERMISSIVE, DISABLE = "STRICT", "PERMISSIVE", "DISABLE"
_UNSET = (None, "", "UNSET")


def mode(pods: "Pods", port: int | None, release: "Release") -> "tuple[str, KubeObject | None]":
    """The mode of a container's port (None: of any that no policy names), and the policy that says so."""
    selecting = selecting_of(pods, release)
    if selecting:
        oldest = selecting[0]
        ports = mapping(at(oldest.data, "spec.portLevelMtls"))
        named = at(mapping(ports.get(str(port))), "mode")  # the keys of a map are strings in Go
        if port is not None and named not in _UNSET:
            return str(named), oldest
        own = at(oldest.data, "spec.mtls.mode")
        if own not in _UNSET:
            return str(own), oldest
    return namespace_mode(pods.namespace, release)


def namespace_mode(namespace: str, release: "Release") -> "tuple[str, KubeObject | None]":
    """The mode of a namespace's pods that no policy selects, and the policy that says so."""
    for where in (namespace, release.mesh("rootNamespace")):
        for item in release.peers.wide.get(where, ()):
            found = at(item.data, "spec.mtls.mode")
            if found not in _UNSET:
                return str(found), item
    return PERMISSIVE, None


def selecting_of(pods: "Pods", release: "Release") -> "list[KubeObject]":
    """The PeerAuthentications that select pods. Which is oldest no manifest tells: the first counts here."""
    return release.peers.selecting(pods)


def peers(release: "Release") -> "Selectors":
    """PeerAuthentications by the pods that they are for."""
    from mlmesh.graph.selection import Selectors

    found = release.known("security.istio.io", "PeerAuthentication")
    return Selectors((release.namespace(item), _selector(item), item) for item in found)


def _selector(item: "KubeObject") -> "dict[str, object]":
    return mapping(at(item.data, "spec.selector.matchLabels"))


def any_strict(release: "Release") -> bool:
    """Whether some PeerAuthentication here asks for STRICT: where none does, nothing here is known to be refused."""
    return any(
        at(item.data, "spec.mtls.mode") == STRICT
        or any(at(each, "mode") == STRICT for each in mapping(at(item.data, "spec.portLevelMtls")).values())
        for item in release.known("security.istio.io", "PeerAuthentication")
    )


def refusing(pods: "Pods", port: int | None, release: "Release") -> "KubeObject | None":
    """The policy by which the sidecars of pods surely refuse plain text on a container's port; None where none does.

    Pods that may have no sidecar refuse nothing, nor does a port that goes past it. Of several policies that select
    the pods any can be the oldest: then nothing is sure.
    """
    from mlmesh.graph.membership import has_sidecar

    if pods.bypasses(port) or not has_sidecar(pods, release) or len(selecting_of(pods, release)) > 1:
        return None
    found, policy = mode(pods, port, release)
    return policy if found == STRICT else None
