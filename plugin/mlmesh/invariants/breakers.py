"""Traffic policies that do nothing for as many pods as there are: MLM210."""

from mlmesh.graph.fields import at, mapping
from mlmesh.graph.policies import policies
from mlmesh.graph.route import ISTIO
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.model.patches import Operation

UNSET = 10  # percent, of Envoy
ENOUGH = 50  # percent: of two or more hosts at least one may go
_SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def breaker_cannot_eject(release: "Release") -> "Iterator[Violation]":
    """Outlier detection whose maxEjectionPercent is less than one of the pods: it never ejects any.

    Why: Envoy ejects a host only where the share of ejected ones stays within maxEjectionPercent, which is 10 where it
    is not set. Of fewer than ten pods one is more than that: none is ejected, however often it fails.

    Bad: `outlierDetection: {consecutive5xxErrors: 5}` for 2 replicas

    Good: `maxEjectionPercent: 50` beside it

    Source: envoyproxy/envoy pull request 27909; istio/istio pilot/pkg/networking/core/cluster_traffic_policy.go
    applyOutlierDetection.
    """
    for item in release.of(ISTIO, "DestinationRule"):
        host = release.host(str(at(item.data, "spec.host")), release.namespace(item))
        namespace, selector = release.service(host)
        for place, policy, labels in policies(at(item.data, "spec")) if selector else ():
            outlier = policy.get("outlierDetection")
            if not isinstance(outlier, dict) or not _ejects(outlier):
                continue
            percent = outlier.get("maxEjectionPercent") or UNSET
            if type(percent) is not int or percent >= ENOUGH:
                continue
            pods = list(release.selected(namespace, {**mapping(selector), **labels}))
            count = _count(pods, release)
            if count < 2 or 100 / count <= percent:
                continue
            set_ = "maxEjectionPercent" in outlier
            operations: tuple[Operation, ...] = (
                {
                    "op": "replace" if set_ else "add",
                    "path": f"{place}/outlierDetection/maxEjectionPercent",
                    "value": ENOUGH,
                },
            )
            said = f"maxEjectionPercent {percent}" if outlier.get("maxEjectionPercent") else f"the default of {UNSET}%"
            yield Violation(
                item,
                f"{place}/outlierDetection",
                f"{host} has {count} pods ({' and '.join(each.title for each in pods[:2])}), so one is "
                f"{100 / count:.0f}% of them, and {said} allows less: no pod is ever ejected, however often it fails",
                f"maxEjectionPercent: {ENOUGH}",
                evidence=place,
                operations=operations,
            )


def _ejects(outlier: "dict[str, Any]") -> bool:
    """Whether it counts errors at all: with 0 it only switches on failover between localities."""
    return outlier.get("consecutive5xxErrors") != 0 or bool(outlier.get("consecutiveGatewayErrors"))


def _count(pods: "list[Pods]", release: "Release") -> int:
    """How many pods there are; 0 where that is not known, or something scales them."""
    if not pods or any(each.replicas is None for each in pods):
        return 0
    if not release.kinds.isdisjoint(_SCALERS):
        names = [each.name.encode() for each in pods]
        for document in release.documents:
            if document.kind in _SCALERS and any(map(document.mentions, names)):
                return 0
    return sum(each.replicas or 0 for each in pods)


RULES = (
    Rule(
        "MLM210",
        breaker_cannot_eject,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("DestinationRule",),
        reads=("Service", PODS),
        scope="set",
        fix="unsafe",
    ),
)
