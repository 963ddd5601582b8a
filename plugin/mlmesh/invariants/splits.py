"""How a rule divides its traffic: MLM106."""

from mlmesh.graph.fields import entries, maps
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.model.findings import ERROR, INFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Rule as RouteRule
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

WHOLE = 100


def weights_zero(release: "Release") -> "Iterator[Violation]":
    """All destinations of a rule have weight 0: istiod refuses a VirtualService, and an HTTPRoute answers 500.

    Why: A VirtualService's weight is 0 where it is left out. Of several destinations that all have 0 none is asked, so
    istiod's webhook refuses the object. Gateway API's weight is 1 where it is left out; where all are 0 Istio answers
    every request of the rule with 500. Weights are shares of their sum, which need not be 100.

    Bad: `weight: 0` on both destinations

    Good: `weight: 90` on one, `weight: 10` on the other

    Source: istio/istio pkg/config/validation/validation.go validateHTTPRouteDestinations,
    pilot/pkg/config/kube/gateway/conversion.go convertHTTPRoute.
    """
    for item in release.of(ISTIO, "VirtualService"):
        for rule in route_of(item, release).rules:
            weights = _weights(rule, "route", unset=0)
            if len(weights) < 2:
                continue
            total = sum(weights)
            if not total:
                yield _refused(item, rule, len(weights))
            elif total != WHOLE:
                yield _shares(item, rule, weights)
    for kind in ("HTTPRoute", "GRPCRoute"):
        for item in release.of(GATEWAY_API, kind):
            for rule in route_of(item, release).rules:
                weights = _weights(rule, "backendRefs", unset=1)
                if weights and not sum(weights) and not _redirects(rule):
                    yield _nobody(item, rule, len(weights))


def _weights(rule: "RouteRule", key: str, *, unset: int) -> list[int]:
    """The weights of a rule's destinations; none where one of them is no number that the API takes."""
    found = [entry.get("weight", unset) for _, entry in maps(rule.data.get(key))]
    found = [unset if weight is None else weight for weight in found]
    numbers = [weight for weight in found if type(weight) is int and weight >= 0]
    return numbers if len(numbers) == len(entries(rule.data.get(key))) else []


def _redirects(rule: "RouteRule") -> bool:
    return any("requestRedirect" in each for _, each in maps(rule.data.get("filters")))


def _refused(item: "KubeObject", rule: "RouteRule", count: int) -> Violation:
    written = any("weight" in entry for _, entry in maps(rule.data.get("route")))
    operations: list[Operation] = []
    for index, entry in maps(rule.data.get("route")):
        share = WHOLE // count + (WHOLE % count if not index else 0)
        path = f"{rule.pointer}/route/{index}/weight"
        operations.append({"op": "replace" if "weight" in entry else "add", "path": path, "value": share})
    return Violation(
        item,
        f"{rule.pointer}/route",
        f"all {count} destinations have weight 0"
        + ("" if written else ", which is what a VirtualService has where none is written")
        + ": istiod's webhook refuses the VirtualService (total destination weight = 0)",
        "give each destination the share of requests that it is to have, such as weight: 90 and weight: 10",
        operations=tuple(operations),
    )


def _shares(item: "KubeObject", rule: "RouteRule", weights: list[int]) -> Violation:
    total = sum(weights)
    shares = ", ".join(f"{weight} is {weight / total:.0%}" for weight in weights)
    return Violation(
        item,
        f"{rule.pointer}/route",
        f"the weights' sum is {total}: they are shares of it, not percent ({shares})",
        "nothing to do, if that is meant; weights that add up to 100 say what they do",
        severity=INFO,
    )


def _nobody(item: "KubeObject", rule: "RouteRule", count: int) -> Violation:
    operations: list[Operation] = [
        {"op": "replace", "path": f"{rule.pointer}/backendRefs/{index}/weight", "value": 1} for index in range(count)
    ]
    which = f"all {count} backends have" if count > 1 else "its one backend has"
    return Violation(
        item,
        f"{rule.pointer}/backendRefs",
        f"{which} weight 0: Istio answers every request of the rule with 500",
        "leave weight out (it is then 1) on a backend that is to serve, or take the rule away",
        operations=tuple(operations),
    )


RULES = (
    Rule(
        "MLM106",
        weights_zero,
        severity=ERROR,
        confidence=OBJECT,
        judges=("VirtualService", "HTTPRoute", "GRPCRoute"),
        scope="object",
        fix="unsafe",
    ),
)
