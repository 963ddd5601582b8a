"""ServiceEntries that say two things of one port: MLM970."""

from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.membership import meet, revision
from mlmesh.graph.route import ISTIO
from mlmesh.invariants.rule import CONTRADICTION, Rule, Violation
from mlmesh.model.findings import INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

EVERYWHERE = "*"


class _Said:
    """What a ServiceEntry says of a port of a host: the protocol, to whom, and where in it."""

    __slots__ = ("item", "place", "protocol", "seen")

    def __init__(self, item: "KubeObject", place: str, protocol: str, seen: frozenset[str]) -> None:
        self.item = item
        self.place = place
        self.protocol = protocol
        self.seen = seen

    def clashes(self, other: "_Said") -> bool:
        """Whether some namespace sees both, with two protocols; two ports of one ServiceEntry are its own matter."""
        return (
            self.protocol != other.protocol
            and self.item is not other.item
            and meet(self.item, other.item)
            and (EVERYWHERE in self.seen or EVERYWHERE in other.seen or not self.seen.isdisjoint(other.seen))
        )


def service_entries_clash(release: "Release") -> "Iterator[Violation]":
    """Two ServiceEntries give one port of a host two protocols: the calls of some clients are taken for the other.

    Why: Clients that see both have one host and one port, and istiod takes the older ServiceEntry's protocol for it:
    the other's port is left out. What is TLS to one is plain HTTP to the other, and its calls fail.

    Bad: `api.example.com` port 443 as TLS in one ServiceEntry and as HTTP in another one

    Good: one ServiceEntry for the host, or each with an `exportTo` of namespaces of its own

    Source: istio/istio pilot/pkg/model/sidecar.go appendSidecarServices; IST0177.
    """
    own = {id(item) for item in release.of(ISTIO, "ServiceEntry")}
    if not own:
        return
    said: dict[tuple[str, object], list[_Said]] = {}
    for item in release.known(ISTIO, "ServiceEntry"):
        seen = _seen(item, release.namespace(item))
        hosts = {str(host).lower() for host in entries(at(item.data, "spec.hosts"))}
        for index, port in maps(at(item.data, "spec.ports")):
            number = port.get("number")
            if not isinstance(number, int):
                continue
            protocol = str(port.get("protocol") or "").upper()
            each = _Said(item, f"/spec/ports/{index}/protocol", protocol, seen)
            for host in hosts:
                said.setdefault((host, number), []).append(each)
    told: set[int] = set()
    for (host, number), found in said.items():
        if len({each.protocol for each in found}) < 2:
            continue
        by_scope = _index(found)
        for one in found:
            if id(one.item) in told or id(one.item) not in own:
                continue
            scopes = ("",) if EVERYWHERE in one.seen else (*one.seen, EVERYWHERE)
            other = next((each for scope in scopes for each in by_scope.get(scope, ()) if each.clashes(one)), None)
            if other is not None:
                told.add(id(one.item))
                yield Violation(
                    one.item,
                    one.place if one.protocol else one.place.rpartition("/")[0],
                    f"port {number} of {host} is {one.protocol or 'TCP'} here and {other.protocol or 'TCP'} in "
                    f"{other.item.title}: for who sees both the older one's protocol counts, and the other's does not",
                    "one ServiceEntry for the host; or an exportTo for each, of namespaces that do not see the other",
                    severity=INFO if _family(one.protocol) == _family(other.protocol) else "",
                    evidence=f"{host} {number} {other.item.title}",
                )


def _seen(item: "KubeObject", namespace: str) -> frozenset[str]:
    """The namespaces that a ServiceEntry is exported to."""
    exported = [str(each) for each in entries(at(item.data, "spec.exportTo"))] or [EVERYWHERE]
    return frozenset(namespace if each == "." else each for each in exported)


def _family(protocol: str) -> str:
    """Protocols that a proxy treats alike."""
    return "TLS" if protocol in ("HTTPS", "TLS") else "TCP" if protocol in ("", "TCP") else protocol


def _index(found: list[_Said]) -> dict[str, list[_Said]]:
    """By namespace, and under "" for all, two of each protocol and revision: enough to find a clash by."""
    kept: dict[str, list[_Said]] = {}
    counted: dict[tuple[str, str, str], int] = {}
    for each in found:
        for scope in ("", *each.seen):
            key = (scope, each.protocol, revision(each.item))
            counted[key] = counted.get(key, 0) + 1
            if counted[key] <= 2:
                kept.setdefault(scope, []).append(each)
    return kept


RULES = (
    Rule(
        "MLM970",
        service_entries_clash,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("ServiceEntry",),
    ),
)
