"""The protocol of a Service's port as Istio takes it.

istio/istio pkg/config/kube/conversion.go ConvertProtocol, pkg/config/protocol/instance.go: appProtocol goes before the
name, of which what stands before the first hyphen counts. Without either the protocol is told by the first bytes.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HTTP2 = frozenset({"http2", "grpc", "grpc-web"})
HTTP = HTTP2 | {"http", "http_proxy"}
TLS = frozenset({"https", "tls"})
TCP = TLS | {"tcp", "mongo", "redis", "mysql"}
UNTOLD = ""
UDP = "udp"
_KUBERNETES = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https"}
# SMTP, DNS, MySQL, MongoDB: where nothing is said Istio takes these for TCP.
_WELL_KNOWN = frozenset({25, 53, 3306, 27017})


def protocol(port: "dict[str, Any]") -> str:
    """The protocol of a Service's port in lower case; empty where Istio finds it out by what is sent."""
    if port.get("protocol") == "UDP":
        return UDP
    said = port.get("appProtocol")
    found = by_name(port.get("name")) if said is None else by_app_protocol(said)
    return found or ("tcp" if port.get("port") in _WELL_KNOWN else UNTOLD)


def by_name(name: object) -> str:
    """The protocol that a name begins with; empty where it begins with none."""
    text = str(name or "").lower()
    if text.startswith("grpc-web"):
        return "grpc-web"
    word = text.partition("-")[0]
    return word if word in HTTP or word in TCP or word == UDP else ""


def by_app_protocol(said: object) -> str:
    """The protocol that an appProtocol names; empty where Istio knows none of that name."""
    return _KUBERNETES.get(str(said)) or by_name(said)
