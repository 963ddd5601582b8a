"""Gateways: of Gateway API as istiod runs them, and Istio's own, which name their pods by a selector."""

from mlmesh.graph.fields import at, mapping, maps
from mlmesh.manifests.objects import KubeObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.graph.release import Release

ISTIO_CLASSES = ("istio", "istio-remote", "istio-waypoint", "istio-east-west")
ACCOUNT_ANNOTATION = "gateway.istio.io/service-account"
NAME_ANNOTATION = "gateway.istio.io/name-override"


def gateway_class(gateway: KubeObject) -> str:
    """The name of the Gateway's class."""
    spec = gateway.data.get("spec")
    return str(spec.get("gatewayClassName", "")) if isinstance(spec, dict) else ""


def service_account(gateway: KubeObject) -> str:
    """The ServiceAccount that istiod gives a Gateway's pods.

    istio/istio pilot/pkg/config/kube/gatewaycommon: the annotation, else ``<name>-<class>``; for a waypoint and an
    east-west gateway its bare name.
    """
    return str(gateway.annotations().get(ACCOUNT_ANNOTATION) or _default_name(gateway))


def made_name(gateway: KubeObject) -> str:
    """The name of the Deployment and the Service that istiod makes for a Gateway."""
    return str(gateway.annotations().get(NAME_ANNOTATION) or _default_name(gateway))


def accounts(gateway: KubeObject, release: "Release") -> set[tuple[str, str]]:
    """(namespace, ServiceAccount) that a Gateway's pods run as; empty where its pods are in no stream.

    Of Gateway API: istiod makes the pods, unless ``spec.addresses`` names a Service that somebody else runs
    (istio/istio pilot/pkg/config/kube/gatewaycommon IsManaged). Istio's own Gateway has pods by labels, anywhere.
    """
    if gateway.group == "networking.istio.io":
        return {(pods.namespace, pods.account) for pods in release.selected(None, selector(gateway))}
    addresses = [address for _, address in maps(at(gateway.data, "spec.addresses"))]
    if not addresses or (len(addresses) == 1 and addresses[0].get("type", "IPAddress") == "IPAddress"):
        return {(release.namespace(gateway), service_account(gateway))}
    found = set()
    for address in addresses:
        namespace, labels = release.service(release.host(str(address.get("value")), release.namespace(gateway)))
        found |= {(pods.namespace, pods.account) for pods in release.selected(namespace, labels or {})}
    return found


def selector(gateway: KubeObject) -> "dict[str, Any]":
    """The labels of the pods that a Gateway of networking.istio.io is for; they can be in any namespace."""
    return mapping(at(gateway.data, "spec.selector"))


def _default_name(gateway: KubeObject) -> str:
    name = gateway_class(gateway)
    return gateway.name if name in ("istio-waypoint", "istio-east-west") else f"{gateway.name}-{name}"


def listeners(gateway: KubeObject) -> "list[dict[str, Any]]":
    """The Gateway's listeners; what is not a map is an empty one, so that indices stay true."""
    spec = gateway.data.get("spec")
    found = spec.get("listeners") if isinstance(spec, dict) else None
    return [item if isinstance(item, dict) else {} for item in found] if isinstance(found, list) else []
