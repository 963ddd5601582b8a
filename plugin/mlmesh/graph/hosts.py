"""Host names as Istio resolves them, and what stands behind one."""

from mlmesh.graph.fields import at, entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlmesh.graph.inventory import Inventory
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

# How a host is resolved.
SERVICE = "service"  # a Service of the release
MADE = "made"  # a Service that the controller of one of its objects makes
ENTRY = "service-entry"  # a ServiceEntry of the release
EXTERNAL = "external"  # the policy declares it to exist outside
CONTEXT = "context"  # any of the first three, in the context
ANY = "any"  # `*`: every host, none in particular
UNKNOWN = "unknown"


class Resolution:
    """How a host is resolved, its full name, what stands behind it (``Service ml/llm``), and what is odd about that."""

    __slots__ = ("detail", "host", "how", "what")

    def __init__(self, how: str, host: str, what: str = "", detail: str = "") -> None:
        self.how = how
        self.host = host
        self.what = what
        self.detail = detail


def fqdn(host: str, namespace: str, domain: str) -> str:
    """A Service's full name: ``llm`` in ``ml`` is ``llm.ml.svc.cluster.local``.

    Istio expands only names without a dot (istio/istio pilot/pkg/model ResolveShortnameToFQDN); ``name.namespace.svc``
    is expanded here too, since what its author means is plain. A short name stays as it is where the namespace is
    unknown; wildcards and outside names always do.
    """
    if "*" in host:
        return host
    parts = host.split(".")
    if len(parts) == 1:
        return f"{host}.{namespace}.svc.{domain}" if namespace else host
    if parts[2:] == ["svc"]:
        return f"{host}.{domain}"
    return host


def resolve(release: "Release", host: str, namespace: str) -> Resolution:
    """What stands behind a host that an object of ``namespace`` names.

    A wildcard is resolved by any name that it covers. A name with a cluster domain that is not the mesh's is resolved
    by what is declared under it, never by a Service.
    """
    full = release.host(host, namespace)
    if full == "*":
        return Resolution(ANY, full)
    declared = [release.host(name, release.policy.namespace) for name in release.external("hosts")]
    for inventory, is_context in ((release.own, False), (release.context, True)):
        how, what, detail = _held(release, inventory, full, namespace)
        if how:
            return Resolution(CONTEXT if is_context else how, full, what, detail)
        if not is_context and any(covers(name, full) for name in declared):
            return Resolution(EXTERNAL, full)
    return Resolution(UNKNOWN, full, detail=_oddity(release, full))


def _held(release: "Release", inventory: "Inventory", full: str, namespace: str) -> tuple[str, str, str]:
    """(how, what, detail) of a full name in the release or in the context; empty where it holds nothing of that."""
    domain = release.mesh("clusterDomain")
    if full.startswith("*"):
        for where, name in inventory.services:
            if covers(full, f"{name}.{where}.svc.{domain}"):
                return SERVICE, f"Service {where}/{name}", ""
    place, detail = _place(full, domain, namespace)
    if place is not None:
        if place in inventory.services:
            return SERVICE, f"Service {place[0]}/{place[1]}", detail
        maker = inventory.maker(*place)
        if maker:
            return MADE, f"{maker[0]} {maker[1]}/{maker[2]}", detail
    entry = inventory.entries.of(full)
    return (ENTRY, entry.title, "") if entry else ("", "", "")


def _place(full: str, domain: str, namespace: str) -> tuple[tuple[str, str] | None, str]:
    """(namespace, name) of the Service that a full name means, and what is odd about the name."""
    name, _, rest = full.partition(".")
    where, _, tail = rest.partition(".")
    if tail == f"svc.{domain}":
        return (where, name), ""
    if not rest:
        return (namespace, name), ""  # a short name of an unknown namespace
    if not tail:
        return (where, name), f"Istio expands only names without a dot: write {full}.svc.{domain}"
    return None, ""


def _oddity(release: "Release", full: str) -> str:
    domain = release.mesh("clusterDomain")
    parts = full.split(".", 3)
    if len(parts) == 4 and parts[2] == "svc" and parts[3] != domain:
        return f"its cluster domain is {parts[3]}, the mesh's is {domain}"
    return ""


class Entries:
    """ServiceEntries by the hosts that they name, wildcards apart; of several for one host the first counts."""

    __slots__ = ("_by_name", "_wildcards")

    def __init__(self, items: "Iterable[KubeObject]") -> None:
        self._by_name: dict[str, tuple[int, KubeObject]] = {}
        self._wildcards: list[tuple[str, tuple[int, KubeObject]]] = []
        for found in enumerate(items):
            for name in map(str, entries(at(found[1].data, "spec.hosts"))):
                if name.startswith("*"):
                    self._wildcards.append((name, found))
                else:
                    self._by_name.setdefault(name, found)

    def of(self, full: str) -> "KubeObject | None":
        """The one that has a host, or for a wildcard any host that it covers."""
        found = [entry for name, entry in self._wildcards if covers(name, full) or covers(full, name)]
        if full.startswith("*"):
            found += [entry for name, entry in self._by_name.items() if covers(full, name)]
        elif full in self._by_name:
            found.append(self._by_name[full])
        return min(found, key=lambda entry: entry[0])[1] if found else None


def covers(pattern: str, full: str) -> bool:
    """Whether a name, or a wildcard such as ``*.example.com``, covers a name, or all that a wildcard covers."""
    return full.endswith(pattern[1:]) if pattern.startswith("*") else pattern == full
