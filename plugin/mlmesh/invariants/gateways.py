"""Listeners that istiod leaves out: MLM701."""

from mlmesh.graph.gateways import ISTIO_CLASSES, gateway_class, listeners
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.model.findings import ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.model.patches import Operation

STANDARD = ("HTTP", "HTTPS", "TLS", "TCP", "UDP")


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
)
