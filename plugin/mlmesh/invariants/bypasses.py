"""What a VirtualService says for the mesh and a gateway does not read: MLM110."""

from mlmesh.endpoints.routes import OWN, rules
from mlmesh.graph.fields import entries, maps
from mlmesh.graph.gateways import Gateways
from mlmesh.graph.route import GATEWAY_API, ISTIO, MESH
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import CONTRADICTION, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.endpoints.routes import Rule as Served
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Route
    from mlmesh.graph.route import Rule as RouteRule
    from mlmesh.model.patches import Operation

_WAYPOINT = b"istio.io/ingress-use-waypoint"


def gateway_skips_mesh_route(release: "Release") -> "Iterator[Violation]":
    """A gateway sends to a host whose timeouts, retries or versions only a VirtualService of the mesh has.

    Why: A gateway follows its own routes alone. The VirtualService of the host that it sends to is for sidecars: its
    timeouts, retries, weights and headers hold for callers inside the mesh, and for nobody who comes by the gateway.

    Bad: an HTTPRoute to `llm` without `timeouts`, and a VirtualService for `llm` with `timeout: 120s`

    Good: `timeouts: {request: 120s}` in the HTTPRoute, too

    Source: istio/istio pilot/pkg/model/push_context.go VirtualServicesForGateway,
    pkg/config/analysis/analyzers/virtualservice/destinationhosts.go (IST0140), issue 6558.
    """
    meshes = _meshes(release)
    if not meshes:
        return
    gateways = Gateways(release)
    entering = _entered(release)
    for item in (*release.of(GATEWAY_API, "HTTPRoute"), *release.of(ISTIO, "VirtualService")):
        route = route_of(item, release)
        if not any(parent.kind == "Gateway" for parent in route.parents) or gateways.istio(route) is False:
            continue
        if not any(backend.host in meshes for rule in route.rules for backend in rule.backends):
            continue
        for rule in rules(item, release):
            for backend in rule.backends:
                mesh = meshes.get(backend.host)
                if mesh is not None and mesh.owner is not item and backend.host not in entering and not backend.subset:
                    violation = _skipped(rule, backend.host, mesh)
                    if violation is not None:
                        yield violation
                        break


def _meshes(release: "Release") -> "dict[str, Route]":
    """The VirtualServices that sidecars follow, by host, of which something is lost to who does not follow them."""
    found: dict[str, Route] = {}
    for item in release.known(ISTIO, "VirtualService"):
        route = route_of(item, release)
        if any(parent.kind == MESH for parent in route.parents):
            for host in route.hosts:
                if "*" not in host and (_timed(route) or _leads_on(route, host)):
                    found.setdefault(host, route)
    return found


def _entered(release: "Release") -> set[str]:
    """Services that have gateways send to a waypoint, which follows their VirtualService: their text tells."""
    return {
        release.host(item.name, release.namespace(item))
        for item in release.known("", "Service")
        if item.document.mentions(_WAYPOINT)
    }


def _of_mesh(route: "Route") -> "list[RouteRule]":
    """The rules of a VirtualService that are not for gateways alone."""
    return [
        rule
        for rule in route.rules
        if rule.protocol == "http"
        and not (
            entries(rule.data.get("match"))
            and all(
                match.get("gateways") and MESH not in entries(match["gateways"])
                for _, match in maps(rule.data.get("match"))
            )
        )
    ]


def _timed(route: "Route") -> "list[str]":
    """What its rules say of time: ``timeout 120s``, ``retries``."""
    said = [f"timeout {rule.data['timeout']}" for rule in _of_mesh(route) if "timeout" in rule.data]
    said += ["retries" for rule in _of_mesh(route) if "retries" in rule.data]
    return list(dict.fromkeys(said))


def _leads_on(route: "Route", host: str) -> list[str]:
    """Where else its rules send a host's requests: other hosts, and subsets."""
    backends = [backend for rule in _of_mesh(route) for backend in rule.backends if not backend.mirror]
    return list(
        dict.fromkeys(
            f"subset {backend.subset}" if backend.host == host else backend.host
            for backend in backends
            if backend.subset or backend.host != host
        )
    )


def _skipped(rule: "Served", host: str, mesh: "Route") -> Violation | None:
    own = [key for key in OWN.get(rule.owner.kind, ()) if key in rule.data]
    timed = [] if own else _timed(mesh)
    leads = _leads_on(mesh, host)
    if not timed and not leads:
        return None
    operations = _operations(rule, mesh, own=bool(own))
    lost = [*timed, *([f"its way on to {' and '.join(leads[:3])}"] if leads else [])]
    remedy = []
    if timed:
        field = "timeouts: {request: ...}" if rule.owner.kind == "HTTPRoute" else "timeout and retries"
        for operation in operations:
            value = operation["value"]
            field = f"timeouts: {{request: {value['request']}}}" if isinstance(value, dict) else f"timeout: {value}"
        remedy.append(f"write {field} into this rule, too")
    if leads:
        remedy.append(f"send to {' and '.join(leads[:3])} from this rule, as {mesh.owner.title} does")
    return Violation(
        rule.owner,
        rule.path,
        f"the gateway sends to {host} and does not read {mesh.owner.title}: who comes by it has nothing of "
        f"{', '.join(lost)}",
        "; ".join(remedy),
        evidence=f"{host} {mesh.owner.title}",
        operations=operations,
    )


def _operations(rule: "Served", mesh: "Route", *, own: bool) -> "tuple[Operation, ...]":
    """The timeout of the mesh's rules, where they all have the same and nothing else is lost."""
    timeouts = {str(each.data.get("timeout")) for each in _of_mesh(mesh)}
    if own or len(timeouts) != 1 or timeouts == {"None"} or _leads_on(mesh, mesh.hosts[0]):
        return ()
    from mlmesh.endpoints.write import gateway_duration

    (timeout,) = timeouts
    try:
        written = gateway_duration(timeout)
    except ValueError:
        return ()
    if rule.owner.kind == "HTTPRoute":
        return ({"op": "add", "path": f"{rule.path}/timeouts", "value": {"request": written}},)
    return ({"op": "add", "path": f"{rule.path}/timeout", "value": timeout},)


RULES = (
    Rule(
        "MLM110",
        gateway_skips_mesh_route,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("HTTPRoute", "VirtualService"),
        reads=("Gateway", "Service"),
        scope="set",
        fix="unsafe",
    ),
)
