"""The ports of what stands behind a host: of Services and ServiceEntries of the release and its context."""

from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.hosts import fqdn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

    # What it is ("Service ml/llm"), its ports by number as its API writes them, and whether the release itself has it.
    Listening = tuple[str, dict[int, dict[str, Any]], bool]


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
