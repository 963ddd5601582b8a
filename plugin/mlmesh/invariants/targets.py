"""Ports of Services that lead to no container's: MLM313."""

from mlmesh.graph.targets import pods_of, ports_of, target
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
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
)
