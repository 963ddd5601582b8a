"""Services that tell a sidecar different things about one port of its pod: MLM952."""

from mlmesh.graph.membership import has_sidecar
from mlmesh.graph.protocols import HTTP2, UDP, protocol
from mlmesh.graph.targets import Fronts, target
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.graph.targets import Leading

_LOSS = {
    "http": "what is not HTTP/1.1 does not get through",
    "http2": "what is not HTTP/2 does not get through",
    "tcp": "rules of HTTP, such as paths in an AuthorizationPolicy, do not hold",
}


def services_clash(release: "Release") -> "Iterator[Violation]":
    """Services say different protocols of one port of the same pods: the sidecar takes the older one's for all.

    Why: A sidecar has one listener for each port of its pod, whichever Services lead there. Of those the oldest says
    what is spoken. Callers go by their own Service, and what they send is read as another protocol.

    Bad: a Service with port `http`, and another for the same pods with `tcp-debug`, both to 8080

    Good: the same protocol in the names, or appProtocol, of both; or a port of its own for each

    Source: istio/istio pilot/pkg/networking/core/listener_inbound.go getFilterChainsByServicePort,
    pkg/config/analysis/analyzers/deployment/services.go (IST0116, IST0137).
    """
    fronts: Fronts | None = None
    own = {id(item) for item in release.of("", "Service")}
    told: set[tuple[int, int]] = set()
    for pods in release.own.pods:
        if not has_sidecar(pods, release):
            continue
        fronts = fronts or Fronts(release)
        for place, listed in _by_port(pods, fronts).items():
            for clashing in _clashing(listed, own):
                (service, index, _), _, _ = clashing
                if (id(service), index) not in told:
                    told.add((id(service), index))
                    yield _two_say(*clashing, place, pods)


def _by_port(pods: "Pods", fronts: Fronts) -> "dict[int, list[Leading]]":
    """The Services' ports by the port of the pods that they lead to; those of UDP no sidecar reads."""
    found: dict[int, list[Leading]] = {}
    for leading in fronts.of(pods):
        inner = None if protocol(leading[2]) == UDP else target(leading[2], pods)
        if inner is not None and not pods.bypasses(inner):
            found.setdefault(inner, []).append(leading)
    return found


def _clashing(listed: "list[Leading]", own: set[int]) -> "Iterator[tuple[Leading, Leading, str]]":
    """(one that is judged, another, the other's family) for each port of which another says something else."""
    families = [(each, _family(each[2])) for each in listed]
    told = [(each, family) for each, family in families if family]
    for number, (each, family) in enumerate(told):
        other = next(((one, said) for one, said in told[:number] if said != family), None)
        if other is not None:
            judged, against, said = (each, *other) if id(each[0]) in own else (other[0], each, family)
            if id(judged[0]) in own:
                yield judged, against, said


def _family(port: "dict[str, Any]") -> str:
    """What a sidecar makes of a port's protocol; empty where it finds out by itself."""
    spoken = protocol(port)
    return spoken and (
        "http2" if spoken in HTTP2 else "http" if spoken.startswith("http") and spoken != "https" else "tcp"
    )


def _two_say(judged: "Leading", other: "Leading", family: str, inner: int, pods: "Pods") -> Violation:
    (service, index, port), (there, _, beside) = judged, other
    mine = _family(port)
    where = f"its port {beside.get('port')}" if there is service else f"{there.title}, port {beside.get('port')},"
    return Violation(
        service,
        f"/spec/ports/{index}",
        f"port {port.get('port')} is {protocol(port)} and leads to port {inner} of {pods.title}, as does {where} "
        f"which is {protocol(beside)}: the sidecar takes what the older says for both, and either {_LOSS[mine]}, or "
        f"{_LOSS[family]}",
        "write one protocol, by name or appProtocol, for all ports of Services that lead there, or a port for each",
        evidence=f"{inner} {there.title}",
    )


RULES = (
    Rule(
        "MLM952",
        services_clash,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("Service",),
        reads=("Namespace", PODS),
    ),
)
