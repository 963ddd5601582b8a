"""Gateways of Gateway API as istiod runs them."""

from mlmesh.manifests.objects import KubeObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ISTIO_CLASSES = ("istio", "istio-remote", "istio-waypoint", "istio-east-west")
ACCOUNT_ANNOTATION = "gateway.istio.io/service-account"


def gateway_class(gateway: KubeObject) -> str:
    """The name of the Gateway's class."""
    spec = gateway.data.get("spec")
    return str(spec.get("gatewayClassName", "")) if isinstance(spec, dict) else ""


def service_account(gateway: KubeObject) -> str:
    """The ServiceAccount that istiod gives a Gateway's pods.

    istio/istio pilot/pkg/config/kube/gatewaycommon: the annotation, else ``<name>-<class>``; for a waypoint and an
    east-west gateway its bare name.
    """
    name = gateway_class(gateway)
    default = gateway.name if name in ("istio-waypoint", "istio-east-west") else f"{gateway.name}-{name}"
    return str(gateway.annotations().get(ACCOUNT_ANNOTATION) or default)


def listeners(gateway: KubeObject) -> "list[dict[str, Any]]":
    """The Gateway's listeners; what is not a map is an empty one, so that indices stay true."""
    spec = gateway.data.get("spec")
    found = spec.get("listeners") if isinstance(spec, dict) else None
    return [item if isinstance(item, dict) else {} for item in found] if isinstance(found, list) else []
