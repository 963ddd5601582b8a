"""WebSockets that never open, or are thought to end: MLM214 and MLM215."""

from mlmesh.endpoints.routes import rules
from mlmesh.graph.fields import at, maps
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.invariants.rule import CONTRADICTION, OBJECT, Rule, Violation
from mlmesh.model.findings import ERROR, INFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.endpoints.routes import Rule as Served
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend
    from mlmesh.manifests.objects import KubeObject


def _realtime(release: "Release") -> "Iterator[Served]":
    """The rules that serve WebSockets, among other things maybe."""
    for item in (*release.of(ISTIO, "VirtualService"), *release.of(GATEWAY_API, "HTTPRoute")):
        for rule in rules(item, release):
            if any(kind.name == "realtime" for kind in rule.types):
                yield rule


def websocket_over_h2(release: "Release") -> "Iterator[Violation]":
    """A rule for WebSockets to a host with h2UpgradePolicy UPGRADE: none of them opens.

    Why: With h2UpgradePolicy UPGRADE the next hop is asked over HTTP/2, where a WebSocket needs extended CONNECT, which
    no listener of Istio's takes: the handshake is refused, or hangs until its timeout.

    Bad: `h2UpgradePolicy: UPGRADE` for the host of `/v1/realtime`

    Good: `h2UpgradePolicy: DO_NOT_UPGRADE` for it

    Source: seen on Envoy 1.40; istio/istio pilot/pkg/networking/core/listener_builder.go.
    """
    policies: dict[str, list[KubeObject]] = {}
    for item in release.known(ISTIO, "DestinationRule"):
        host = release.host(str(at(item.data, "spec.host")), release.namespace(item))
        policies.setdefault(host, []).append(item)
    if not policies:
        return
    for rule in _realtime(release):
        for backend in rule.backends:
            for item in policies.get(backend.host, ()):
                if _upgrades(item, backend):
                    yield Violation(
                        rule.owner,
                        rule.path,
                        f"the rule takes WebSockets to {backend.host}, and {item.title} has h2UpgradePolicy UPGRADE "
                        f"for it: over HTTP/2 the handshake is refused or never answered, and no WebSocket opens",
                        f"h2UpgradePolicy DO_NOT_UPGRADE in {item.title}, for this host, port or subset",
                        evidence=f"{backend.host} {item.title}",
                    )
                    break


def _upgrades(item: "KubeObject", backend: "Backend") -> bool:
    """Whether requests to a backend are upgraded: a port's settings stand before a subset's, and these before all's."""
    spec = item.data.get("spec")
    subset = next((one for _, one in maps(at(spec, "subsets")) if one.get("name") == backend.subset), None)
    for policy in (at(subset, "trafficPolicy"), at(spec, "trafficPolicy")):
        if not isinstance(policy, dict):
            continue
        ports = [one for _, one in maps(policy.get("portLevelSettings")) if at(one, "port.number") == backend.port]
        for settings in (*ports, policy):
            pool = settings.get("connectionPool")
            if pool is not None:
                return bool(at(pool, "http.h2UpgradePolicy") == "UPGRADE")
    return False


def realtime_timeout(release: "Release") -> "Iterator[Violation]":
    """A timeout of a rule for WebSockets bounds the handshake, not the connection.

    Why: A route's timeout ends with the handshake's answer. It does not bound the open connection, which is what the
    number looks like.

    Bad: `timeout: 600s` on `/v1/realtime`

    Good: no timeout; a limit for connections is the server's to hold

    Source: seen on Envoy 1.40.
    """
    for rule in _realtime(release):
        for path, value in _timeouts(rule) if len(rule.types) == 1 else ():
            yield Violation(
                rule.owner,
                f"{rule.path}/{path}",
                f"the rule takes WebSockets, of which {path.replace('/', '.')} {value} bounds the handshake alone: an "
                f"open connection lasts for as long as both ends keep it",
                "leave it out; sessions are ended by the server, or by maxConnectionDuration",
            )


def _timeouts(rule: "Served") -> "Iterator[tuple[str, str]]":
    """Where the rule has a timeout that ends something, and what it is."""
    for path in ("timeout", "timeouts/request", "timeouts/backendRequest"):
        value = at(rule.data, path.replace("/", "."))
        if isinstance(value, str) and value != "0s":
            yield path, value


RULES = (
    Rule(
        "MLM214",
        websocket_over_h2,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("VirtualService", "HTTPRoute"),
        reads=("DestinationRule",),
        scope="set",
    ),
    Rule(
        "MLM215",
        realtime_timeout,
        severity=INFO,
        confidence=OBJECT,
        judges=("VirtualService", "HTTPRoute"),
        scope="object",
    ),
)
