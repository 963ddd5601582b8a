"""Ports of Services that lead to no container's, or of which two contradict each other: MLM313, MLM952."""

from mlmesh.graph.membership import has_sidecar
from mlmesh.graph.ports import HTTP2, UDP, Fronts, pods_of, ports_of, protocol, target
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.ports import Leading
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

# Groups of kinds whose PodSpec is in the object as it runs; controllers of others add containers and ports.
_WHOLE = ("", "apps", "batch", "argoproj.io")
_PROXYS = ("http-envoy-prom",)


def target_port_missing(release: "Release") -> "Iterator[Violation]":
    """A Service's targetPort is a name that no container of its pods has: the port leads nowhere.

    Why: A targetPort by name is looked up in each pod. Where none has a port of this name and protocol the Service's
    port has no endpoints, and calls are answered 503 or refused.

    Bad: `targetPort: grpc` where the container's ports are called http and metrics

    Good: the name or the number of a port that the container has

    Source: kiali/kiali KIA0701, the Service API of kubernetes/api core/v1.
    """
    for item in release.of("", "Service"):
        named = [(index, port) for index, port in ports_of(item) if isinstance(port.get("targetPort"), str)]
        named = [(index, port) for index, port in named if port["targetPort"] and port["targetPort"] not in _PROXYS]
        pods = list(pods_of(item, release)) if named else []
        if not pods or not all(each.group in _WHOLE for each in pods):
            continue
        for index, port in named:
            if not port["targetPort"].isdecimal() and all(target(port, each) is None for each in pods):
                yield _nowhere(item, index, port, pods)


def _nowhere(item: "KubeObject", index: int, port: "dict[str, Any]", pods: "list[Pods]") -> Violation:
    place = f"/spec/ports/{index}/targetPort"
    ports = [each for one in pods for each in one.ports]
    spoken = str(port.get("protocol") or "TCP")
    right = [each for each in ports if each[2] == spoken]
    same = [each for each in right if each[1] == port.get("port")]
    fits = {each[0] or each[1] for each in (same or right if len(list(ports_of(item))) == 1 else same)}
    operations: tuple[Operation, ...] = ()
    if len(fits) == 1 and len(pods) == 1:
        operations = ({"op": "replace", "path": place, "value": next(iter(fits))},)
    listed = ", ".join(
        dict.fromkeys(
            (f"{name} " if name else "") + (f"({number})" if said == "TCP" else f"({number}, {said})")
            for name, number, said in ports
        )
    )
    return Violation(
        item,
        place,
        f"no container of {pods[0].title} has a {spoken} port named {port['targetPort']} "
        f"({listed or 'they declare none'}): port {port.get('port')} of the Service has no endpoints: calls fail",
        f"targetPort: {next(iter(fits))}"
        if len(fits) == 1
        else f"name a container's port {port['targetPort']}, or give targetPort the number on which it listens",
        evidence=port["targetPort"],
        operations=operations,
    )


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
        "MLM313",
        target_port_missing,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("Service",),
        reads=(PODS,),
        fix="unsafe",
    ),
    Rule(
        "MLM952",
        services_clash,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("Service",),
        reads=("Namespace", PODS),
    ),
)
