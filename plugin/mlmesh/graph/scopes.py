"""Sidecar resources: what the proxies of some pods know of the mesh.

istio/istio pilot/pkg/model/sidecar.go: a Sidecar that selects a pod, else its namespace's, else the root namespace's;
pods that none is for know everything. Destinations of the VirtualServices that a Sidecar takes in are taken in too.
"""

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.hosts import covers
from mlmesh.graph.membership import has_sidecar
from mlmesh.graph.route import ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.graph.selection import Selectors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

REGISTRY_ONLY = "REGISTRY_ONLY"


def egress(scope: "KubeObject") -> list[str]:
    """The ``namespace/host`` entries of a Sidecar; empty where it leaves everything in."""
    return [str(host) for _, each in maps(at(scope.data, "spec.egress")) for host in entries(each.get("hosts"))]


def is_closed(scope: "KubeObject") -> bool:
    """Whether its proxies call only what the mesh knows."""
    return bool(at(scope.data, "spec.outboundTrafficPolicy.mode") == REGISTRY_ONLY)


def knows(hosts: list[str], namespace: str, host: str, own: str) -> bool:
    """Whether egress entries take in a host of a namespace, for proxies of the namespace ``own``."""
    found = False
    for entry in hosts:
        where, _, name = entry.partition("/")
        excluded, where = where.startswith("~"), where.removeprefix("~")
        if (own if where == "." else where) in ("*", namespace) and (
            name == "*" or covers(name, host) or covers(host, name)
        ):
            if excluded:
                return False
            found = True
    return found


class Scopes:
    """The Sidecars of a release and its context, by namespace."""

    def __init__(self, release: "Release") -> None:
        self._release = release
        self._root = release.mesh("rootNamespace")
        self._scopes = Selectors(
            (release.namespace(item), _labels(item), item) for item in release.known(ISTIO, "Sidecar")
        )
        self._routes: dict[str, list[KubeObject]] | None = None

    def of(self, namespace: str, pods: "Pods | None" = None) -> "list[KubeObject]":
        """The Sidecars, of which one counts, for pods (None: for any that none selects) of a namespace."""
        selecting = [] if pods is None else self._scopes.selecting(pods, namespace)
        wide = self._scopes.wide
        return selecting or wide.get(namespace) or wide.get(self._root) or []

    def pods(self, scope: "KubeObject") -> "Iterator[Pods]":
        """The pods with a sidecar that a Sidecar alone is for."""
        release, namespace, labels = self._release, self._release.namespace(scope), _labels(scope)
        found: Iterator[Pods]
        if labels:
            found = release.selected(namespace, labels)
        else:
            found = release.pods() if namespace == self._root else iter(release.selection.within(namespace))
        return (pods for pods in found if self.of(pods.namespace, pods) == [scope] and has_sidecar(pods, release))

    def routes(self, namespaces: "Iterable[str]") -> "Iterator[KubeObject]":
        """The VirtualServices of some namespaces; ``*`` stands for all."""
        if self._routes is None:
            self._routes = {}
            for item in self._release.known(ISTIO, "VirtualService"):
                self._routes.setdefault(self._release.namespace(item), []).append(item)
        wanted = set(namespaces)
        for namespace in self._routes if "*" in wanted else sorted(wanted):
            yield from self._routes.get(namespace, ())

    def led_to(self, hosts: list[str], own: str) -> "set[str]":
        """The hosts to which VirtualServices lead that egress entries take in."""
        places = (entry.partition("/")[0] for entry in hosts)
        return {
            backend.host
            for item in self.routes(own if place == "." else place for place in places)
            if self.takes_in(hosts, item, own)
            for rule in route_of(item, self._release).rules
            for backend in rule.backends
            if backend.host
        }

    def takes_in(self, hosts: list[str], item: "KubeObject", own: str) -> bool:
        """Whether egress entries take in a VirtualService of the mesh."""
        route = route_of(item, self._release)
        where = self._release.namespace(item)
        return route.in_mesh and any(knows(hosts, where, host, own) for host in route.hosts)


def _labels(scope: "KubeObject") -> "dict[str, object]":
    return mapping(at(scope.data, "spec.workloadSelector.labels"))
