"""The protocols of Services' ports, as Istio takes them: MLM308, 309, 310."""

from mlmesh.graph.fields import at
from mlmesh.graph.gateways import Gateways
from mlmesh.graph.membership import has_sidecar
from mlmesh.graph.ports import HTTP, HTTP2, TLS, by_app_protocol, by_name, pods_of, ports_of, protocol, target
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import CONTRADICTION, OBJECT, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

_TRITON = (8001, b"tritonserver")


def grpc_port_not_http2(release: "Release") -> "Iterator[Violation]":
    """gRPC is sent to a Service's port of a protocol that is not HTTP/2: every call fails.

    Why: A proxy speaks to a port as its Service says. To one that is named http it speaks HTTP/1.1, which carries no
    gRPC, whatever the caller speaks.

    Bad: a GRPCRoute, or a container's port grpc, behind a Service's port with the name http

    Good: `appProtocol: grpc` or `kubernetes.io/h2c` on that port, or a name that begins with `grpc-`

    Source: istio/istio issue 57294, knative/serving pull request 2539.
    """
    services = {release.host(item.name, release.namespace(item)): item for item in release.known("", "Service")}
    grpc = release.of(GATEWAY_API, "GRPCRoute")
    gateways = Gateways(release) if grpc else None
    for item in grpc:
        route = route_of(item, release)
        if gateways is None or gateways.istio(route) is not True:
            continue
        for backend in (each for rule in route.rules for each in rule.backends if not each.mirror):
            service = services.get(backend.host)
            if service is not None:
                yield from _routed(item, backend, service, release)
    for item in release.of("", "Service"):
        for index, port in ports_of(item):
            if protocol(port) == "http":
                yield from _served(item, index, port, release)


def _routed(item: "KubeObject", backend: "Backend", service: "KubeObject", release: "Release") -> "Iterator[Violation]":
    index, port = next(
        ((index, port) for index, port in ports_of(service) if port.get("port") == backend.port), (0, {})
    )
    said = protocol(port) if port else ""
    if not said or said in HTTP2 or said in TLS or said == "udp" or _upgraded(backend.host, release):
        return
    from mlmesh.graph.newcomers import is_own

    own = (release.namespace(service), service.name) in release.services
    found = Violation(
        item,
        backend.pointer,
        f"port {backend.port} of {service.title} is {said} by its {_by(port)}, so proxies speak HTTP/1.1 to it: every "
        f"gRPC call of this route fails",
        f"set appProtocol: kubernetes.io/h2c on port {backend.port} of {service.title}",
        severity=ERROR if own else WARNING,
        evidence=f"{service.title} {backend.port}",
    )
    if is_own(service, release) and by_name(port.get("name")) in ("", "http"):  # else its name says another one
        found.mends = service
        place = f"/spec/ports/{index}/appProtocol"
        found.operations = (
            {"op": "replace" if "appProtocol" in port else "add", "path": place, "value": "kubernetes.io/h2c"},
        )
    yield found


def _by(port: "dict[str, Any]") -> str:
    app = port.get("appProtocol")
    return f"name {port.get('name')}" if app is None else f"appProtocol {app}"


def _upgraded(host: str, release: "Release") -> bool:
    """Whether a DestinationRule may have callers of a host speak HTTP/2."""
    for item in release.known(ISTIO, "DestinationRule"):
        named = release.host(str(at(item.data, "spec.host")), release.namespace(item))
        if named == host or (named.startswith("*") and host.endswith(named[1:])):
            text = repr(item.data.get("spec"))
            if "'UPGRADE'" in text or "useClientProtocol" in text:
                return True
    return False


def _served(item: "KubeObject", index: int, port: "dict[str, Any]", release: "Release") -> "Iterator[Violation]":
    """A Service's port that is named http, before a container's that is named grpc, or is Triton's for gRPC."""
    for pods in pods_of(item, release):
        number = target(port, pods)
        names = [name for name, each, _ in pods.ports if each == number]
        triton = number == _TRITON[0] and pods.mentions(_TRITON[1])
        if not (triton or any(by_name(name) == "grpc" for name in names)) or not has_sidecar(pods, release):
            continue
        operations: tuple[Operation, ...] = (
            {"op": "add", "path": f"/spec/ports/{index}/appProtocol", "value": "grpc"},
        )
        yield Violation(
            item,
            f"/spec/ports/{index}",
            f"the port is http by its {_by(port)}, and port {number} of {pods.title}, to which it leads, is "
            f"{'the one for gRPC of Triton' if triton else f'named {names[0]}'}: proxies speak HTTP/1.1 to it, and "
            f"gRPC calls fail",
            "appProtocol: grpc",
            severity="" if triton and not pods.mentions(b"grpc-port") else WARNING,
            evidence=pods.title,
            operations=operations,
        )
        return


def port_without_protocol(release: "Release") -> "Iterator[Violation]":
    """A Service's port says no protocol, so Istio has to guess it from what is sent.

    Why: Without a protocol a proxy waits for the first bytes of the caller. Where the server speaks first, neither
    begins. HTTP is found out, at the price of that look.

    Bad: a port with the name router-sport

    Good: the name http-router, or `appProtocol: http`

    Source: istio/istio pkg/config/analysis/analyzers/service/portnames.go (IST0118).
    """
    for item in release.of("", "Service"):
        ports = [(index, port) for index, port in ports_of(item) if not protocol(port) and "appProtocol" not in port]
        behind = list(pods_of(item, release)) if ports else []
        if any(has_sidecar(pods, release) for pods in behind):
            for index, port in ports:
                told = _told(port, behind)
                name = port.get("name")
                called = f"the name {name} begins with no protocol" if name else "the port has no name"
                yield Violation(
                    item,
                    f"/spec/ports/{index}",
                    f"{called}, and there is no appProtocol: Istio guesses the protocol of port {port.get('port')} "
                    f"from what callers send first, and a server that speaks first is never heard",
                    "appProtocol: http, grpc or tcp, whichever is spoken",
                    evidence=str(port.get("port")),
                    operations=(
                        ({"op": "add", "path": f"/spec/ports/{index}/appProtocol", "value": told},) if told else ()
                    ),
                )


def _told(port: "dict[str, Any]", behind: "list[Pods]") -> str:
    """The protocol by which the containers name the port that a Service's port leads to, where all of them do alike."""
    names = {
        by_name(next((name for name, number, _ in pods.ports if number == target(port, pods)), "")) for pods in behind
    }
    return names.pop() if len(names) == 1 else ""


def name_against_appprotocol(release: "Release") -> "Iterator[Violation]":
    """The name of a Service's port says one protocol and its appProtocol another, which is the one that counts.

    Why: Istio reads the name only where there is no appProtocol. A port named http with `appProtocol: tcp` has no
    requests: no timeouts, no retries, no rules about paths.

    Bad: the name grpc and `appProtocol: tcp`

    Good: the name grpc and `appProtocol: grpc`

    Source: istio/istio pkg/config/kube/conversion.go ConvertProtocol.
    """
    for item in release.of("", "Service"):
        for index, port in ports_of(item):
            named, said = by_name(port.get("name")), by_app_protocol(port.get("appProtocol"))
            if not named or not said or _family(named) == _family(said) or (named == "http" and said in HTTP2):
                continue
            place = f"/spec/ports/{index}/appProtocol"
            effect = (
                "its bytes are passed on, without timeouts, retries or rules about requests"
                if named in HTTP and said not in HTTP
                else f"{said} is what proxies speak there"
            )
            # What takes requests from a port that has them would break what works.
            keeps = named in HTTP or said not in HTTP
            operations: tuple[Operation, ...] = ({"op": "replace", "path": place, "value": named},) if keeps else ()
            yield Violation(
                item,
                place,
                f"port {port.get('port')} is {named} by its name and {said} by its appProtocol, which wins: {effect}",
                f"appProtocol: {named}, or a name that begins with {said}-",
                evidence=str(port.get("name")),
                operations=operations,
            )


def _family(said: str) -> str:
    """Protocols that a proxy treats alike."""
    return "http2" if said in HTTP2 else "tls" if said in TLS else "http" if said in HTTP else "tcp"


RULES = (
    Rule(
        "MLM308",
        grpc_port_not_http2,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("GRPCRoute", "Service"),
        reads=("Gateway", "DestinationRule", "Namespace", PODS),
        fix="unsafe",
    ),
    Rule(
        "MLM309",
        port_without_protocol,
        severity=INFO,
        confidence=OBJECT,
        judges=("Service",),
        reads=("Namespace", PODS),
        fix="unsafe",
    ),
    Rule(
        "MLM310",
        name_against_appprotocol,
        severity=WARNING,
        confidence=OBJECT,
        judges=("Service",),
        scope="object",
        fix="unsafe",
    ),
)
