"""VirtualServices that stand in each other's way: MLM107 and MLM108."""

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.gateways import Gateways
from mlmesh.graph.hosts import covers
from mlmesh.graph.route import ISTIO, MESH
from mlmesh.graph.routes import route_of
from mlmesh.invariants.order import takes_all
from mlmesh.invariants.rule import CONTRADICTION, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Route
    from mlmesh.manifests.objects import KubeObject

_REVISION = "istio.io/rev"


class _Claim:
    """A VirtualService as sidecars see it: who sees it, in which revision, and for which ports it has rules."""

    def __init__(self, route: "Route", namespace: str, *, is_own: bool) -> None:
        item = route.owner
        exported = [str(each) for each in entries(at(item.data, "spec.exportTo"))]
        # Istio takes those of the client's own namespace first, so one for all and one for few do not clash.
        self.seen = frozenset() if "*" in exported or not exported else frozenset(_seen(exported, namespace))
        self.revision = str(mapping(at(item.data, "metadata.labels")).get(_REVISION) or "")
        self.item = item
        self.namespace = namespace
        self.is_own = is_own
        self.ports = _ports(item)

    def meets(self, other: "_Claim") -> bool:
        """Whether a client has to choose between the two."""
        if (self.namespace, self.item.name) == (other.namespace, other.item.name):
            return False  # one object, that is written twice
        if self.revision and other.revision and self.revision != other.revision:
            return False
        if bool(self.seen) != bool(other.seen) or (self.seen and self.seen.isdisjoint(other.seen)):
            return False
        return not (self.ports and other.ports and self.ports.isdisjoint(other.ports))


def _seen(exported: list[str], namespace: str) -> "Iterator[str]":
    return (namespace if each == "." else each for each in exported)


def _ports(item: "KubeObject") -> set[int]:
    """The ports of its rules, where each match asks for one; empty: any."""
    ports: set[int] = set()
    for _, rule in maps(at(item.data, "spec.http")):
        asked = [match.get("port") for _, match in maps(rule.get("match"))]
        numbers = [port for port in asked if isinstance(port, int)]
        if not asked or len(numbers) < len(asked):
            return set()
        ports.update(numbers)
    return ports


def _for_all_sidecars(item: "KubeObject") -> bool:
    """Whether every sidecar gets one of its HTTP rules: not for a gateway's, or some clients' alone."""
    for _, rule in maps(at(item.data, "spec.http")):
        matches = [match for _, match in maps(rule.get("match"))]
        if not entries(rule.get("match")):
            return True
        for match in matches:
            gateways = entries(match.get("gateways"))
            if MESH in gateways or not (gateways or match.get("sourceLabels") or match.get("sourceNamespace")):
                return True
    return False


def mesh_host_twice(release: "Release") -> "Iterator[Violation]":
    """Two VirtualServices claim one host in the mesh: sidecars follow the rules of one, and never the other's.

    Why: A gateway joins the rules of several VirtualServices for a host, a sidecar does not: it takes the first, which
    is the older, and of one second the first by name. All rules of the other, its timeouts, retries and weights, are
    used by nobody in the mesh.

    Bad: `llm-timeouts` and `llm-canary`, both with `hosts: [llm]`

    Good: one VirtualService for the host, with the rules of both in the order in which they are to match

    Source: istio/istio pkg/config/analysis/analyzers/virtualservice/conflictingmeshgatewayhosts.go (IST0109),
    pilot/pkg/networking/core/route/route.go BuildSidecarVirtualHostWrapper; knative/serving issue 2359.
    """
    own = {id(item) for item in release.of(ISTIO, "VirtualService")}
    claims: dict[str, list[_Claim]] = {}
    for item in release.known(ISTIO, "VirtualService"):
        route = route_of(item, release)
        if any(parent.kind == MESH for parent in route.parents) and _for_all_sidecars(item):
            claim = _Claim(route, release.namespace(item), is_own=id(item) in own)
            for host in route.hosts:
                claims.setdefault(host.lower(), []).append(claim)
    told: set[int] = set()
    for host, found in claims.items():
        found.sort(key=lambda claim: (claim.item.name, claim.namespace))  # as istiod does, whatever the stream's order
        for number, claim in enumerate(found if len(found) > 1 else ()):
            other = next((each for each in found[:number] if each.meets(claim)), None)
            if other is not None:
                judged, other = (claim, other) if claim.is_own else (other, claim)
                if judged.is_own and id(judged.item) not in told:
                    told.add(id(judged.item))
                    yield _twice(judged, other, host, release)


def _twice(claim: _Claim, other: _Claim, host: str, release: "Release") -> Violation:
    index = next(number for number, each in enumerate(route_of(claim.item, release).hosts) if each.lower() == host)
    scoped = claim.namespace != other.namespace and bool(release.known(ISTIO, "Sidecar"))
    return Violation(
        claim.item,
        f"/spec/hosts/{index}",
        f"{other.item.title} claims {host} in the mesh too, and sidecars do not join them: they follow the older one "
        f"(of one second the first by name) and no rule of the other",
        f"put the rules of both into one of them, the narrower matches first; or, where one of them is meant for "
        f"gateways alone, name these in its gateways and leave {MESH} out",
        severity=ERROR if other.is_own and not scoped else WARNING,
        evidence=other.item.title,
    )


def wildcard_hides_host(release: "Release") -> "Iterator[Violation]":
    """A gateway has a VirtualService for `*` and another for one host: that host never gets the rules of the first.

    Why: A gateway chooses the rules by the narrowest host that fits, and looks no further: where a VirtualService for
    one host has no rule for a path, the answer is 404, though the one for `*` has a rule for it.

    Bad: a dashboard with `hosts: ["*"]` on the gateway of a model server that has its own host and a rule for `/v1`

    Good: each with hosts of its own; or both with the same hosts, whose rules a gateway joins

    Source: istio/istio issue 57404, pilot/pkg/networking/core/gateway.go; kubeflow/community-distribution pull request
    3247.
    """
    wild: dict[tuple[str, str], list[tuple[str, Route]]] = {}
    narrow: dict[tuple[str, str], dict[str, Route]] = {}
    own = set(map(id, release.of(ISTIO, "VirtualService")))
    for item in release.known(ISTIO, "VirtualService"):
        route = route_of(item, release)
        closed = _is_closed(route)
        for parent in route.parents if closed or "*" in "".join(route.hosts) else ():
            place = (parent.namespace, parent.name)
            for host in route.hosts if parent.kind == "Gateway" else ():
                if host.startswith("*") and id(item) in own:
                    wild.setdefault(place, []).append((host, route))
                elif closed and not host.startswith("*"):
                    narrow.setdefault(place, {})[host] = route
    gateways = Gateways(release) if wild and narrow else None
    for place in wild if gateways else ():
        listed = _listed(wild[place][0][1], place, gateways)
        hosts = {host: route for host, route in narrow.get(place, {}).items() if _wide(host, listed)}
        hidden: dict[str, dict[str, Route]] = {}
        for pattern, route in wild[place]:
            if pattern not in hidden:
                hidden[pattern] = {host: other for host, other in hosts.items() if covers(pattern, host)}
            others = {host: other for host, other in hidden[pattern].items() if other.owner is not route.owner}
            if others and any(rule.protocol == "http" and rule.backends for rule in route.rules):
                yield _hidden(route, pattern, others)


def _is_closed(route: "Route") -> bool:
    """Whether some path is in none of its HTTP rules."""
    rules = [rule for rule in route.rules if rule.protocol == "http"]
    return bool(rules) and not any(takes_all(rule.data) for rule in rules)


def _listed(route: "Route", place: tuple[str, str], gateways: "Gateways | None") -> list[str]:
    """The hosts of a Gateway that a route is attached to; none where nobody here holds it."""
    parent = next(each for each in route.parents if (each.namespace, each.name) == place)
    gateway = gateways.of(parent) if gateways else None
    return [
        str(name).rpartition("/")[2]
        for _, server in maps(at(gateway.data if gateway else None, "spec.servers"))
        for name in entries(server.get("hosts"))
    ]


def _wide(host: str, names: list[str]) -> bool:
    """Whether a Gateway has the host by a wildcard alone: of one that it names itself it has both rules."""
    return host not in names and any(name.startswith("*") and covers(name, host) for name in names)


def _hidden(route: "Route", pattern: str, hidden: "dict[str, Route]") -> Violation:
    host, other = next(iter(hidden.items()))
    index = route.hosts.index(pattern)
    more = f" (and so for {len(hidden) - 1} more)" if len(hidden) > 1 else ""
    return Violation(
        route.owner,
        f"/spec/hosts/{index}",
        f"at the gateway requests for {host} follow {other.owner.title} alone, since its host is narrower than "
        f"{pattern}{more}: a path that it has no rule for is answered 404, and no rule of this one is asked",
        f"hosts of its own in place of {pattern}; or name {host} among these hosts, too: a gateway joins the rules of "
        f"those with the same host",
        evidence=host,
    )


RULES = (
    Rule(
        "MLM107",
        mesh_host_twice,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("VirtualService",),
        reads=("Sidecar",),
        scope="set",
    ),
    Rule(
        "MLM108",
        wildcard_hides_host,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("VirtualService",),
        reads=("Gateway",),
        scope="set",
    ),
)
