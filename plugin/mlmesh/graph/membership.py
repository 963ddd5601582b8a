"""Which pods have a sidecar, and which istiod reads an object, as far as manifests tell.

istio/istio manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml (which namespaces and pods the
webhooks are asked about) and pkg/kube/inject/inject.go injectRequired (what they then do).
"""

from mlmesh.graph.fields import at, mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject


def injected(pods: "Pods", release: "Release") -> bool | None:
    """Whether pods get a sidecar; None where their namespace's labels decide and nobody here holds them."""
    if pods.host_network or pods.injection == "false":
        return False
    namespace = namespace_injects(pods.namespace, release)
    if pods.injection == "true":
        labels = release.namespace_labels(pods.namespace) or {}
        return labels.get("istio-injection") != "disabled"
    return namespace


def has_sidecar(pods: "Pods", release: "Release") -> bool:
    """Whether pods surely have a sidecar beside an application; a gateway's proxy is none."""
    return (
        injected(pods, release) is True and pods.role != "gateway" and not pods.mentions(b"inject.istio.io/templates")
    )


def namespace_injects(namespace: str, release: "Release") -> bool | None:
    """Whether pods that say nothing get a sidecar in a namespace; None where nobody here holds it."""
    labels = release.namespace_labels(namespace)
    if labels is None:
        return None
    injection = labels.get("istio-injection")
    return injection == "enabled" or (injection is None and "istio.io/rev" in labels)


def meet(one: "KubeObject", other: "KubeObject") -> bool:
    """Whether some istiod may read both."""
    mine, its = revision(one), revision(other)
    return not (mine and its) or mine == its


def revision(item: "KubeObject") -> str:
    """The revision that an object is for; empty: for all."""
    return str(mapping(at(item.data, "metadata.labels")).get("istio.io/rev") or "")
