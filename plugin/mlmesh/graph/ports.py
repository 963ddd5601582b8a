"""Ports: of Services and ServiceEntries, the containers' that they lead to, and the protocol that Istio takes them for.

istio/istio pkg/config/kube/conversion.go ConvertProtocol, pkg/config/protocol/instance.go: appProtocol goes before the
name, of which what stands before the first hyphen counts. Without either the protocol is told by the first bytes.
"""

from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.hosts import fqdn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

    Leading = tuple[KubeObject, int, dict[str, Any]]  # a Service, the index of one of its ports, and the port
    # What it is ("Service ml/llm"), its ports by number as its API writes them, and whether the release itself has it.
    Listening = tuple[str, dict[int, dict[str, Any]], bool]


def target(port: "dict[str, Any]", pods: "Pods") -> int | None:
    """The container's port that a Service's port leads to; None where the pods have none of its name."""
    wanted = port.get("targetPort")
    if wanted is None or wanted in (0, ""):
        wanted = port.get("port")
    if isinstance(wanted, int):
        return wanted
    return named(str(wanted), str(port.get("protocol") or "TCP"), pods)


def named(name: str, transport: str, pods: "Pods") -> int | None:
    """The number of a container's port by its name and protocol: TCP or UDP."""
    return next((number for own, number, said in pods.ports if (own, said) == (name, transport)), None)


def ports_of(service: "KubeObject") -> "Iterator[tuple[int, dict[str, Any]]]":
    """A Service's ports, each with its index."""
    return maps(at(service.data, "spec.ports"))


def is_headless(service: "KubeObject") -> bool:
    """Whether a Service has no address of its own, and its name stands for those of its pods."""
    return bool(at(service.data, "spec.clusterIP") == "None")


class Fronts:
    """The Services, of a release and its context, in front of pods. Each Service's pods are looked up once."""

    __slots__ = ("_by_pods",)

    def __init__(self, release: "Release") -> None:
        self._by_pods: dict[int, list[KubeObject]] = {}
        for service in release.known("", "Service"):
            for pods in pods_of(service, release):
                self._by_pods.setdefault(id(pods), []).append(service)

    def of(self, pods: "Pods") -> "Iterator[Leading]":
        """Each port of each Service in front of some pods."""
        for service in self._by_pods.get(id(pods), ()):
            for index, port in ports_of(service):
                yield service, index, port


def pods_of(service: "KubeObject", release: "Release") -> "Iterator[Pods]":
    """The pods that a Service selects."""
    labels = at(service.data, "spec.selector")
    return release.selected(release.namespace(service), labels) if isinstance(labels, dict) else iter(())


HTTP2 = frozenset({"http2", "grpc", "grpc-web"})
HTTP = HTTP2 | {"http", "http_proxy"}
TLS = frozenset({"https", "tls"})
TCP = TLS | {"tcp", "mongo", "redis", "mysql"}
UNTOLD = ""
UDP = "udp"
_KUBERNETES = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https"}
# SMTP, DNS, MySQL, MongoDB: where nothing is said Istio takes these for TCP.
_WELL_KNOWN = (25, 53, 3306, 27017)


def protocol(port: "dict[str, Any]") -> str:
    """The protocol of a Service's port in lower case; empty where Istio finds it out by what is sent."""
    if port.get("protocol") == "UDP":
        return UDP
    said = port.get("appProtocol")
    found = by_name(port.get("name")) if said is None else by_app_protocol(said)
    number = port.get("port")
    return found or ("tcp" if isinstance(number, int) and number in _WELL_KNOWN else UNTOLD)


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


class ServicePorts:
    """The ports of hosts, by full name. Of several objects for one host the ports of all."""

    __slots__ = ("_found",)

    def __init__(self, release: "Release") -> None:
        self._found: dict[str, tuple[list[KubeObject], bool]] = {}
        domain = release.mesh("clusterDomain")
        for group, kind in (("", "Service"), ("networking.istio.io", "ServiceEntry")):
            own = {id(item) for item in release.of(group, kind)}
            for item in release.known(group, kind):
                for name in _names(item, release, domain):
                    items, is_own = self._found.get(name, ([], False))
                    self._found[name] = [*items, item], is_own or id(item) in own

    def behind(self, host: str) -> "Listening | None":
        """What listens behind a full name; None where nobody knows, or an object there names no ports."""
        items, is_own = self._found.get(host, ([], False))
        ports: dict[int, dict[str, Any]] = {}
        for item in items:
            found = _ports(item, at(item.data, "spec"))
            if not found:
                return None
            ports |= found
        return (items[0].title, ports, is_own) if items else None


def _names(item: "KubeObject", release: "Release", domain: str) -> "Iterable[str]":
    if item.kind == "Service":
        return (fqdn(item.name, release.namespace(item), domain),)
    return (str(host) for host in entries(at(item.data, "spec.hosts")))


def _ports(item: "KubeObject", spec: "Any") -> "dict[int, dict[str, Any]]":
    """Ports by number; none of an ExternalName, of which Istio asks the name that it stands for, and none half read."""
    if not isinstance(spec, dict) or spec.get("type") == "ExternalName":
        return {}
    number = "port" if item.kind == "Service" else "number"
    ports = [port for _, port in maps(spec.get("ports"))]
    if len(ports) != len(entries(spec.get("ports"))) or not all(type(port.get(number)) is int for port in ports):
        return {}
    return {port[number]: port for port in ports}
