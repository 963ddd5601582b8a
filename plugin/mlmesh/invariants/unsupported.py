"""What Istio has given up, or keeps for itself: MLM950 and MLM968."""

from mlmesh.graph.fields import at, entries, mapping, maps, policies
from mlmesh.graph.gateways import MADE
from mlmesh.graph.route import ISTIO
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.manifests.objects import objects
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

    Found = tuple[str, str, str, tuple[Operation, ...]]  # the field's place, what becomes of it, what to write, how

REMOVED, REMOVED_KINDS = "rbac.istio.io", ("ClusterRbacConfig", "RbacConfig", "ServiceRole", "ServiceRoleBinding")
CRD = "CustomResourceDefinition"
_KEPT = "is deprecated: Istio still reads it, and may not for much longer"


def field_deprecated(release: "Release") -> "Iterator[Violation]":
    """A field that Istio has deprecated, or a kind that it has removed: it does nothing, or not for much longer.

    Why: What is deprecated is dropped some day without an error, and `consecutiveErrors` has been: istiod does not
    read it, and a rule that has it alone ejects by the default of 5. Kinds of `rbac.istio.io` guard nothing at all.

    Bad: `outlierDetection: {consecutiveErrors: 3}`, `fault: {delay: {percent: 50}}`, a ServiceRole

    Good: `consecutive5xxErrors: 3`, `percentage: {value: 50}`, an AuthorizationPolicy

    Source: istio/api networking/v1alpha3 (deprecated = true), istio/istio pilot/pkg/networking/core; IST0002.
    """
    for item in release.of(ISTIO, "VirtualService"):
        for index, rule in maps(at(item.data, "spec.http")):
            for found in _of_route(f"/spec/http/{index}", rule):
                yield _told(item, found)
    for item in release.of(ISTIO, "DestinationRule"):
        for place, policy, _ in policies(item.data.get("spec")):
            for found in _of_policy(place, policy):
                yield _told(item, found)
    for document in release.holding(CRD, *REMOVED_KINDS):
        if document.mentions(REMOVED.encode()):
            for item in objects(document, document.data):
                if item.group == REMOVED or (item.kind == CRD and at(item.data, "spec.group") == REMOVED):
                    yield Violation(
                        item,
                        "/kind",
                        f"Istio has removed {REMOVED}: nobody reads it, and what it was to guard is open",
                        "an AuthorizationPolicy",
                        evidence=REMOVED,
                    )
            document.forget()


def _told(item: "KubeObject", found: "Found") -> Violation:
    place, effect, wanted, operations = found
    name = place.rpartition("/")[2]
    return Violation(item, place, f"{name} {effect}", wanted, evidence=place, operations=operations)


def _of_route(place: str, rule: "dict[str, Any]") -> "Iterator[Found]":
    """Deprecated fields of a VirtualService's HTTP rule."""
    for path, old, new in (
        (("fault", "delay"), "percent", "percentage"),
        ((), "mirrorPercent", "mirrorPercentage"),
        ((), "mirror_percent", "mirrorPercentage"),
    ):
        holder = mapping(at(rule, ".".join(path)))
        value = holder.get(old)
        if isinstance(value, int) and value is not True:
            at_old = "/".join((place, *path, old))
            moved = (f"{at_old.rpartition('/')[0]}/{new}", {"value": value})
            yield at_old, _KEPT, f"{new}: {{value: {value}}}", _moved(at_old, () if new in holder else moved)
    origins = entries(at(rule, "corsPolicy.allowOrigin"))
    if origins:
        field = f"{place}/corsPolicy/allowOrigin"
        exact = () if at(rule, "corsPolicy.allowOrigins") else (f"{field}s", [{"exact": each} for each in origins])
        yield field, _KEPT, "allowOrigins: [{exact: ...}]", _moved(field, exact)


def _of_policy(place: str, policy: "dict[str, Any]") -> "Iterator[Found]":
    """Deprecated fields of a DestinationRule's traffic policy."""
    balancer = mapping(policy.get("loadBalancer"))
    base = f"{place}/loadBalancer"
    if balancer.get("simple") == "LEAST_CONN":
        field = f"{base}/simple"
        yield (
            field,
            "LEAST_CONN is deprecated: Istio takes it for LEAST_REQUEST, and may not for much longer",
            "simple: LEAST_REQUEST",
            ({"op": "replace", "path": field, "value": "LEAST_REQUEST"},),
        )
    if balancer.get("warmupDurationSecs") is not None:
        field, value = f"{base}/warmupDurationSecs", balancer["warmupDurationSecs"]
        moved = () if "warmup" in balancer else (f"{base}/warmup", {"duration": value})
        yield field, _KEPT, f"warmup: {{duration: {value}}}", _moved(field, moved)
    hashed = mapping(balancer.get("consistentHash"))
    if hashed.get("minimumRingSize"):
        field, value = f"{base}/consistentHash/minimumRingSize", hashed["minimumRingSize"]
        moved = (f"{base}/consistentHash/ringHash", {"minimumRingSize": value})
        yield (
            field,
            _KEPT,
            f"ringHash: {{minimumRingSize: {value}}}",
            _moved(field, () if "ringHash" in hashed or "maglev" in hashed else moved),
        )
    ejection = mapping(policy.get("outlierDetection"))
    if ejection.get("consecutiveErrors"):
        read = [key for key in ("consecutive5xxErrors", "consecutiveGatewayErrors") if key in ejection]
        yield (
            f"{place}/outlierDetection/consecutiveErrors",
            "is no longer read: "
            + (
                f"{' and '.join(read)} beside it {'counts' if len(read) == 1 else 'count'}"
                if read
                else "servers are ejected after the default of 5 errors"
            ),
            f"consecutive5xxErrors: {ejection['consecutiveErrors']}, or consecutiveGatewayErrors",
            (),
        )


def _moved(old: str, new: "tuple[str, Any] | tuple[()]") -> "tuple[Operation, ...]":
    """The old field taken away, and the new one put in its place where it is not there yet."""
    return (*(({"op": "add", "path": new[0], "value": new[1]},) if new else ()), {"op": "remove", "path": old})


def internal_gateway_named(release: "Release") -> "Iterator[Violation]":
    """A VirtualService names the Gateway that istiod makes for itself of a Gateway of Gateway API.

    Why: istiod translates each listener into a Gateway of its own, whose name is nobody else's to use. It has changed:
    today's holds `~`, which the webhook refuses in a VirtualService, and the one of before names nothing.

    Bad: `gateways: [ml-gateway~istio-autogenerated-k8s-gateway~http]`

    Good: an HTTPRoute with `parentRefs: [{name: ml-gateway}]`

    Source: istio/istio pkg/config/gateway/kube/gatewayapi.go, pkg/config/validation/validation.go validateGatewayNames;
    IST0165.
    """
    for item in release.of(ISTIO, "VirtualService"):
        for index, name in enumerate(entries(at(item.data, "spec.gateways"))):
            if MADE not in str(name):
                continue
            refused = "~" in str(name)
            gateway = str(name).partition("~" if refused else f"-{MADE}")[0]
            yield Violation(
                item,
                f"/spec/gateways/{index}",
                f"{name} is a Gateway that istiod makes for itself: "
                + (
                    "its webhook refuses a VirtualService that names one"
                    if refused
                    else "newer ones give it another name, and then nothing comes to this VirtualService by it"
                ),
                f"an HTTPRoute whose parentRefs name {gateway.rpartition('/')[2]}",
                severity=ERROR if refused else WARNING,
                evidence=str(name),
            )


RULES = (
    Rule(
        "MLM950",
        field_deprecated,
        severity=WARNING,
        confidence=OBJECT,
        judges=("VirtualService", "DestinationRule", CRD, *REMOVED_KINDS),
        scope="object",
        fix="safe",
    ),
    Rule(
        "MLM968",
        internal_gateway_named,
        severity=ERROR,
        confidence=OBJECT,
        judges=("VirtualService",),
        scope="object",
    ),
)
