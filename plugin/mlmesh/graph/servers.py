"""Servers of Istio's own Gateways, as istiod joins them for the pods that they select.

istio/istio pilot/pkg/model/gateway.go mergeGateways. A Gateway without a selector is for all gateways' pods.
"""

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.gateways import selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

TLS, HTTP, TCP = "TLS", "HTTP", "TCP"
_HTTP = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
_REVISION = "istio.io/rev"


class Server:
    """One server of a Gateway: ``hosts`` are (namespace, name) of each, the namespace ``*`` where any may use it."""

    __slots__ = ("bind", "gateway", "hosts", "index", "number", "protocol", "tls")

    def __init__(self, gateway: "KubeObject", index: int, data: "dict[str, object]", namespace: str) -> None:
        self.gateway = gateway
        self.index = index
        self.number = at(data, "port.number")
        self.protocol = str(at(data, "port.protocol") or "").upper()
        self.bind = str(data.get("bind") or "")
        self.tls = mapping(data.get("tls"))
        self.hosts = [_host(str(each), namespace) for each in entries(data.get("hosts"))]

    @property
    def kind(self) -> str:
        """What istiod makes of it: of TLS, told by names; of HTTP, told by hosts; or of TCP, which tells nothing."""
        if self.protocol in _HTTP:
            return HTTP
        return TLS if self.tls else TCP

    @property
    def names(self) -> str:
        """Its hosts, for a message."""
        return ", ".join(name if where == "*" else f"{where}/{name}" for where, name in self.hosts)


def servers(gateway: "KubeObject", release: "Release") -> "Iterator[Server]":
    """The servers of a Gateway of networking.istio.io that have a port."""
    namespace = release.namespace(gateway)
    for index, data in maps(at(gateway.data, "spec.servers")):
        server = Server(gateway, index, data, namespace)
        if isinstance(server.number, int):
            yield server


def _host(text: str, namespace: str) -> tuple[str, str]:
    where, slash, name = text.lower().rpartition("/")
    return (namespace if where == "." else where) if slash else "*", name


def together(one: "KubeObject", other: "KubeObject", release: "Release") -> bool:
    """Whether two Gateways are for the same pods: the labels of one are among the other's, or some pods have both."""
    revisions = {str(mapping(at(each.data, "metadata.labels")).get(_REVISION) or "") for each in (one, other)}
    if len(revisions - {""}) > 1:
        return False
    mine, others = selector(one), selector(other)
    if mine.items() <= others.items() or others.items() <= mine.items():
        return True
    if any(others.get(key, value) != value for key, value in mine.items()):
        return False
    return next(release.selected(None, {**mine, **others}), None) is not None


def is_same(one: "KubeObject", other: "KubeObject", release: "Release") -> bool:
    """Whether two objects are one that is written twice."""
    return one is not other and (release.namespace(one), one.name) == (release.namespace(other), other.name)
