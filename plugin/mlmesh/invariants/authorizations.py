"""AuthorizationPolicies that cannot do what they are for: MLM406, 408, 409."""

from mlmesh.graph.authorization import guarded_by
from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.gateways import ISTIO_CLASSES, gateway_class, made_name
from mlmesh.graph.membership import has_sidecar
from mlmesh.graph.mtls import DISABLE, mode, selecting_of
from mlmesh.graph.route import GATEWAY_API
from mlmesh.invariants.rule import CONTRADICTION, OBJECT, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

SECURITY = "security.istio.io"
NAME_LABELS = ("gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name")
WAYPOINT = "istio-waypoint"


def identity_without_mtls(release: "Release") -> "Iterator[Violation]":
    """A policy asks for identities at pods whose mutual TLS is off: no caller has one there.

    Why: principals, namespaces and serviceAccounts are read from a caller's certificate. Without mutual TLS there is
    none: an ALLOW by identity lets nobody in, a DENY refuses nobody.

    Bad: `principals: [...]` for pods under a PeerAuthentication of mode DISABLE

    Good: mode STRICT, or PERMISSIVE while callers move

    Source: istio/istio pilot/pkg/security/authz; Kiali KIA0105.
    """
    modes = (at(item.data, "spec.mtls.mode") for item in release.known(SECURITY, "PeerAuthentication"))
    if DISABLE not in modes:
        return
    for item in release.of(SECURITY, "AuthorizationPolicy"):
        place = next(_identities(item), "")
        if not place or at(item.data, "spec.targetRefs") or at(item.data, "spec.targetRef"):
            continue
        for pods in guarded_by(item, release):
            policy = _disabling(pods, release)
            if policy is not None:
                is_deny = at(item.data, "spec.action") == "DENY"
                yield Violation(
                    item,
                    place,
                    f"the rule asks for an identity, and {policy.title} turns mutual TLS off for {pods.title}, where "
                    f"no caller has one: it {'refuses nobody' if is_deny else 'lets nobody in'}",
                    f"set mode STRICT, or PERMISSIVE while callers move, in {policy.title}",
                    evidence=pods.title,
                )
                break


def _disabling(pods: "Pods", release: "Release") -> "KubeObject | None":
    """The policy by which every port of pods surely takes plain text only."""
    selecting = selecting_of(pods, release)
    if len(selecting) > 1 or any(at(each.data, "spec.portLevelMtls") for each in selecting):
        return None
    found, policy = mode(pods, None, release)
    return policy if found == DISABLE and has_sidecar(pods, release) else None


def _identities(item: "KubeObject") -> "Iterator[str]":
    for r, rule in maps(at(item.data, "spec.rules")):
        for f, origin in maps(rule.get("from")):
            for field in ("principals", "namespaces", "serviceAccounts"):
                if at(origin, f"source.{field}"):
                    yield f"/spec/rules/{r}/from/{f}/source/{field}"


def selector_on_managed_gateway(release: "Release") -> "Iterator[Violation]":
    """A policy selects a Gateway's pods by labels: a waypoint ignores it, and others only do as long as istiod lets it.

    Why: The pods of such a Gateway are istiod's own, and `targetRefs` is the way to name them. At a waypoint a selector
    counts for nothing; at others it does unless istiod has ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY off.

    Bad: `selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: gw}}`

    Good: `targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]`

    Source: istio/istio pilot/pkg/model/policyattachment.go, issue 45140.
    """
    gateways = {(release.namespace(item), item.name): item for item in release.known(GATEWAY_API, "Gateway")}
    for item in release.of(SECURITY, "AuthorizationPolicy") if gateways else ():
        labels = mapping(at(item.data, "spec.selector.matchLabels"))
        name = next((str(labels[key]) for key in NAME_LABELS if key in labels), "")
        gateway = gateways.get((release.namespace(item), name))
        if gateway is None or gateway_class(gateway) not in ISTIO_CLASSES or at(item.data, "spec.targetRefs"):
            continue
        is_waypoint = gateway_class(gateway) == WAYPOINT
        ref = {"group": GATEWAY_API, "kind": "Gateway", "name": name}
        yield Violation(
            item,
            "/spec/selector",
            f"the policy selects the pods of Gateway {name} ({made_name(gateway)}) by their labels, which "
            + (
                "a waypoint ignores: it guards nothing"
                if is_waypoint
                else "counts only as long as istiod's ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY stays on"
            ),
            f"write targetRefs: [{{group: {GATEWAY_API}, kind: Gateway, name: {name}}}] in place of the selector",
            severity=ERROR if is_waypoint else WARNING,
            operations=(
                {"op": "add", "path": "/spec/targetRefs", "value": [ref]},
                {"op": "remove", "path": "/spec/selector"},
            ),
        )


def rule_never_matches(release: "Release") -> "Iterator[Violation]":
    """A policy that refuses has no rules, or a rule asks for a gRPC method by GET: it holds for no request.

    Why: Without rules an ALLOW refuses everything, a DENY or CUSTOM nothing, and istiod's webhook refuses these. gRPC
    sends POST alone.

    Bad: `action: DENY` and nothing else

    Good: `rules: [{}]` to refuse everything; without an action, `spec: {}` does so

    Source: istio/istio pkg/config/validation ValidateAuthorizationPolicy.
    """
    for item in release.of(SECURITY, "AuthorizationPolicy"):
        action = at(item.data, "spec.action")
        rules = entries(at(item.data, "spec.rules"))
        if action in ("DENY", "CUSTOM") and not rules:
            yield Violation(
                item,
                "/spec/action",
                f"action {action} without rules holds for no request, and istiod's webhook refuses the policy",
                "write rules: [{}] for every request, or the requests that are meant",
                evidence="no rules",
            )
        elif not rules and at(item.data, "spec"):  # spec: {} is how one says it
            yield Violation(
                item,
                "/spec",
                "without rules the policy lets nobody in: what no other ALLOW policy of these pods lets in is refused",
                "nothing to do, if that is meant; else the rules that let callers in",
                severity=INFO,
                evidence="no rules",
            )
        for r, rule in maps(rules):
            for t, each in maps(rule.get("to")):
                yield from _never_posted(item, f"/spec/rules/{r}/to/{t}/operation", mapping(each.get("operation")))


def _never_posted(item: "KubeObject", place: str, operation: "dict[str, Any]") -> "Iterator[Violation]":
    methods, paths = entries(operation.get("methods")), [str(path) for path in entries(operation.get("paths"))]
    if methods and paths and all(map(_is_grpc, paths)) and not any(str(each)[:1] in ("P", "*") for each in methods):
        yield Violation(
            item,
            f"{place}/methods",
            f"{', '.join(paths)} is asked for by gRPC, whose requests are all POST: with "
            f"{', '.join(map(str, methods))} the rule holds for none",
            "write methods: [POST], or leave them out",
            evidence=paths[0],
            operations=({"op": "replace", "path": f"{place}/methods", "value": ["POST"]},),
        )


def _is_grpc(path: str) -> bool:
    """Whether a path is ``/package.Service/Method``, or all methods of one."""
    words = path.split("/")
    package, _, service = words[1].rpartition(".") if len(words) == 3 else ("", "", "")
    return bool(package) and service[:1].isupper() and (words[2] == "*" or words[2][:1].isupper())


RULES = (
    Rule(
        "MLM406",
        identity_without_mtls,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("AuthorizationPolicy",),
        reads=("PeerAuthentication", "Namespace", PODS),
    ),
    Rule(
        "MLM408",
        selector_on_managed_gateway,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("AuthorizationPolicy",),
        reads=("Gateway",),
        fix="unsafe",
    ),
    Rule(
        "MLM409",
        rule_never_matches,
        severity=ERROR,
        confidence=OBJECT,
        judges=("AuthorizationPolicy",),
        scope="object",
        fix="unsafe",
    ),
)
