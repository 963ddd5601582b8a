"""Gateways of which istiod makes less than they say: MLM701, MLM706."""

from mlmesh.graph.fields import entries, maps
from mlmesh.graph.gateways import ISTIO_CLASSES, NAME_ANNOTATION, gateway_class, listeners, made_name
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.model.findings import ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

STANDARD = ("HTTP", "HTTPS", "TLS", "TCP", "UDP")
_LONGEST = 63  # k8s.io/apimachinery pkg/util/validation: of a DNS label, and of a label's value
_DEPLOYED = ("istio", "istio-waypoint", "istio-east-west")  # istiod makes nothing for istio-remote


def listener_protocol_unknown(release: "Release") -> "Iterator[Violation]":
    """A Gateway's listener with a protocol that its controller does not serve: the listener is left out.

    Why: The Gateway API's schema takes any word as a protocol. istiod sets Accepted=False on a listener whose protocol
    it does not know and leaves it out: nothing listens on its port.

    Bad: `protocol: GRPC`

    Good: `protocol: HTTP` (gRPC over h2c) or `HTTPS`, with a GRPCRoute

    Source: istio/istio pilot/pkg/config/kube/gateway/conversion.go listenerProtocolToIstio.
    """
    for gateway in release.of("gateway.networking.k8s.io", "Gateway"):
        name = gateway_class(gateway)
        if name in ISTIO_CLASSES:
            served = ("HTTP", "HTTPS", "TLS", "TCP") + (("HBONE",) if name != "istio" else ())
        else:
            served = (*STANDARD, "HBONE")
        for index, listener in enumerate(listeners(gateway)):
            protocol = listener.get("protocol")
            if not isinstance(protocol, str) or protocol in served:
                continue
            if name not in ISTIO_CLASSES and "/" in protocol:
                continue  # a protocol of that implementation's own
            yield Violation(
                gateway,
                f"/spec/listeners/{index}/protocol",
                f"listener {listener.get('name', index)} has protocol {protocol}, which "
                + ("Istio does not serve" if name in ISTIO_CLASSES else "Gateway API does not have")
                + ": the listener is left out, and nothing listens on its port",
                _instead(protocol, served),
                operations=_operations(f"/spec/listeners/{index}/protocol", protocol, served),
            )


def _operations(place: str, protocol: str, served: tuple[str, ...]) -> "tuple[Operation, ...]":
    known = protocol.upper()
    value = known if known in served else "HTTP" if known in ("GRPC", "H2C", "HTTP2") else ""
    return ({"op": "replace", "path": place, "value": value},) if value else ()


def _instead(protocol: str, served: tuple[str, ...]) -> str:
    if protocol.upper() in served:
        return f"protocol {protocol.upper()}"
    if protocol.upper().startswith("GRPC"):
        return "protocol HTTP (gRPC over h2c) or HTTPS, with a GRPCRoute"
    return f"one of {', '.join(served)}"


def gateway_name_long(release: "Release") -> "Iterator[Violation]":
    """A Gateway's name is too long for the Service, or the label, that istiod makes of it: no gateway comes up.

    Why: istiod names the Deployment and the Service `<name>-<class>`, and puts the Gateway's name into a label of the
    pods. The API server takes 63 characters of either, and refuses what is longer. Nothing tells that but istiod's log.

    Bad: a Gateway of class istio whose name has 60 characters

    Good: a shorter name, or the annotation `gateway.istio.io/name-override` on the Gateway

    Source: istio/istio pilot/pkg/config/kube/gatewaycommon GetDefaultName, manifests/charts/istio-control/
    istio-discovery/files/kube-gateway.yaml.
    """
    for gateway in release.of("gateway.networking.k8s.io", "Gateway"):
        if gateway_class(gateway) not in _DEPLOYED or not _is_managed(gateway):
            continue
        made = made_name(gateway)
        if len(gateway.name) > _LONGEST:
            what, length = f"the label gateway.networking.k8s.io/gateway-name: {gateway.name}", len(gateway.name)
        else:
            what, length = f"a Service {made}", len(made)
        if length > _LONGEST:
            yield Violation(
                gateway,
                "/metadata/name",
                f"istiod makes {what}, of {length} characters, and the API server takes {_LONGEST}: it refuses that, "
                "and the Gateway gets no pods and no address",
                "a shorter name"
                + ("" if len(gateway.name) > _LONGEST else f", or one in the annotation {NAME_ANNOTATION}"),
            )


def _is_managed(gateway: "KubeObject") -> bool:
    """Whether istiod makes the Gateway's pods: no, where its addresses name a Service that somebody else runs."""
    spec = gateway.data.get("spec")
    addresses = entries(spec.get("addresses") if isinstance(spec, dict) else None)
    return not addresses or [each.get("type", "IPAddress") for _, each in maps(addresses)] == ["IPAddress"]


RULES = (
    Rule(
        "MLM701",
        listener_protocol_unknown,
        severity=ERROR,
        confidence=OBJECT,
        judges=("Gateway",),
        scope="object",
        fix="unsafe",
    ),
    Rule("MLM706", gateway_name_long, severity=ERROR, confidence=OBJECT, judges=("Gateway",), scope="object"),
)
