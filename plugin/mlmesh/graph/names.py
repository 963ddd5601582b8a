"""What the names in routes and rules lead to: hosts, pools and Gateways that a release or its context has."""

from mlmesh.graph.fields import at, entries
from mlmesh.graph.gateways import MADE, Gateways
from mlmesh.graph.hosts import UNKNOWN, resolve
from mlmesh.graph.kinds import MESH_KINDS, POD_KINDS, WITHOUT_PODS
from mlmesh.graph.route import ISTIO
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Parent

SHOWN = 6
_READ = MESH_KINDS | POD_KINDS | WITHOUT_PODS


class Names:
    """What of a release's names leads somewhere, each asked for once."""

    def __init__(self, release: "Release") -> None:
        self.release = release
        self.gateways = Gateways(release)
        found = release.known(ISTIO, "ServiceEntry")
        self._said = release.external("hosts").union(
            *(map(str, entries(at(item.data, "spec.hosts"))) for item in found)
        )
        self._declared = release.external("gateways")
        self._hosts: dict[str, bool] = {}
        self._custom: list[tuple[str, str, str]] | None = None
        groups = ("inference.networking.k8s.io", "inference.networking.x-k8s.io")
        self._pools = {
            (release.namespace(item), item.name) for group in groups for item in release.known(group, "InferencePool")
        } | {*release.own.made_pools, *release.context.made_pools}

    def host(self, full: str, namespace: str) -> bool:
        """Whether something stands behind a full name; a name of another cluster domain is somebody else's to know."""
        if full not in self._hosts:
            self._hosts[full] = "*" in full or resolve(self.release, full, namespace).how != UNKNOWN
        return self._hosts[full]

    def meant(self, name: str) -> str:
        """The full name of the Service that is meant by half of it (``llm.ml``); empty for every other name."""
        parts = name.split(".")
        if len(parts) not in (2, 3) or parts[2:] not in ([], ["svc"]) or name in self._said:
            return ""
        full = f"{parts[0]}.{parts[1]}.svc.{self.release.mesh('clusterDomain')}"
        return full if self.host(full, parts[1]) else ""

    def pool(self, namespace: str, name: str) -> bool:
        """Whether there is such a pool, or a controller makes it."""
        return (namespace, name) in self._pools

    def parent(self, parent: "Parent") -> bool:
        """Whether there is what a route is attached to, of the kinds that are read here."""
        release = self.release
        if parent.kind == "Service" and parent.group in ("", "core"):
            return self.host(release.host(parent.name, parent.namespace), parent.namespace)
        if parent.kind != "Gateway" or MADE in parent.name or f"{parent.namespace}/{parent.name}" in self._declared:
            return True
        return self.gateways.of(parent) is not None

    def place(self, host: str) -> tuple[str, str] | None:
        """(namespace, name) of the Service that a full name would be."""
        name, _, rest = host.partition(".")
        namespace, _, domain = rest.partition(".")
        return (namespace, name) if domain == f"svc.{self.release.mesh('clusterDomain')}" else None

    def there(self, namespace: str) -> str:
        """Which Services a namespace has, in words, where they are few."""
        found = sorted(name for where, name in self.release.services if where == namespace)
        return f" ({namespace} has {', '.join(found)})" if 0 < len(found) <= SHOWN else ""

    def weight(self, namespace: str, name: str) -> str:
        """An error where the release answers for the namespace, and no controller of its own objects may make it.

        Elsewhere an info: most releases name what another has.
        """
        if not self.release.owns(namespace):
            return INFO
        made = any(where == namespace and name.startswith(of) for where, of in self._makers())
        return WARNING if made else ERROR

    def _makers(self) -> "Iterator[tuple[str, str]]":
        """Namespace and name of objects whose kinds nobody here knows: what their controllers make neither."""
        if self._custom is None:
            from mlmesh.manifests.objects import objects

            self._custom = [
                (self.release.namespace(item), item.name, item.group)
                for document in self.release.documents
                if document.kind not in _READ
                for item in objects(document, document.data)
                if item.kind not in _READ
            ]
        return ((where, name) for where, name, group in self._custom if "." in group and not group.endswith(".k8s.io"))
