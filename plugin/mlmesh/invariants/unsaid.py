"""What nothing tells of a route, and what is said of it nowhere: MLM204, MLM216, MLM217 and MLM218."""

from mlmesh.endpoints.routes import PREFIX, rules
from mlmesh.graph.inventory import ENDPOINT
from mlmesh.graph.route import GATEWAY_API, ISTIO, POOL
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import ABSENCE, OBJECT, Rule, Violation, noted
from mlmesh.model.findings import INFO, WARNING
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.endpoints.routes import Rule as Served
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject


def silent_grpc_retries(release: "Release") -> "Iterator[Violation]":
    """Istio repeats gRPC requests of a route that says no retries without being told to.

    Why: Istio repeats a request of a rule without retries twice, on connect-failure, refused-stream, unavailable and
    cancelled, and a GRPCRoute has no field to say otherwise.

    Bad: a GRPCRoute for a generation, and nothing else for its host; a VirtualService's rule for one, without `retries`

    Good: a VirtualService with `timeout` and `retries` for the methods, or an HTTPRoute with `timeouts` on their path

    Source: istio/istio pilot/pkg/config/kube/gateway/conversion.go, pilot/pkg/networking/core/route/retry/retry.go.
    """
    for item in release.of(ISTIO, "VirtualService"):
        for rule in rules(item, release):
            costly = _costly([rule]) if rule.grpc and rule.sure and rule.backends else []
            if costly and rule.data.get("retries") is None:
                yield Violation(
                    item,
                    rule.path,
                    f"it serves {_names([rule])} by gRPC and says no retries, so Istio repeats a request that is "
                    f"answered with unavailable or cancelled 2 times, which costs a second {' or '.join(costly)}",
                    "retries: {attempts: 0}",
                    operations=({"op": "add", "path": f"{rule.path}/retries", "value": {"attempts": 0}},),
                )
    for item in release.of(GATEWAY_API, "GRPCRoute"):
        of_route = rules(item, release)
        known = [rule for rule in of_route if rule.sure and rule.backends]
        if not known:
            continue
        from json import dumps

        from mlmesh.endpoints.grpc import manifest

        costly = _costly(known)
        better = manifest(of_route, release)
        costs = f", which costs a second {' or '.join(costly)}" if costly else ""
        yield Violation(
            item,
            known[0].path,
            f"it serves {_names(known)}, and a GRPCRoute can say neither timeout nor retries: nothing ends a request, "
            f"and Istio repeats one that is answered with unavailable or cancelled 2 times{costs}",
            f"put in its place: {dumps(better, ensure_ascii=False)}",
            severity="" if costly else INFO,
            operations=tuple(
                {"op": "replace", "path": f"/{key}", "value": better[key]} for key in ("apiVersion", "kind", "spec")
            ),
        )


def _costly(served: "list[Served]") -> list[str]:
    """The types whose repetition costs something."""
    kinds = (kind for rule in served for kind in rule.types)
    return list(dict.fromkeys(kind.name for kind in kinds if kind.retry in ("generation", "creates")))


def endpoint_unknown(release: "Release") -> "Iterator[Violation]":
    """Neither path nor backend tells what a rule serves, so it gets no timeout and no retries.

    Why: Where neither the path nor the backend tells what is served, nothing is derived: the rule has no timeout, and
    Istio's two retries. Where the policy declares the backend external, its owner knows. An annotation for a rule that
    the route does not have tells nothing either: a name that was mistyped leaves the rule to its path. A match of a
    path with a query fits no request.

    Bad: PathPrefix `/` to a Service of which nothing is known

    Good: the annotation `mlmesh.dev/endpoint: chat` on the route or on its Service

    Source: docs/endpoints.md has how a type is told.
    """
    yield from noted(release, "MLM216")  # of KServe's objects, which are read with their pods
    kinds = ((ISTIO, "VirtualService"), (GATEWAY_API, "HTTPRoute"), (GATEWAY_API, "GRPCRoute"))
    for item in (item for kind in kinds for item in release.of(*kind)):
        from mlmesh.endpoints.match import UNSEEN
        from mlmesh.endpoints.write import set_by_user

        of_route = rules(item, release)
        yield from _for_no_rule(item, release)
        others = any(rule.types for rule in of_route)
        for rule in of_route:
            if rule.sure or not rule.backends or set_by_user(rule):
                continue
            if rule.reason.endswith(UNSEEN):
                said = f"{rule.reason}: no request follows that match"
                yield Violation(item, rule.path, said, "match the path alone; a query by queryParams", severity=WARNING)
                continue
            models_below = "stands above" in rule.reason and not _is_elsewhere(rule, release)
            if rule.types or others or models_below or _to_a_pool(rule):
                which = f"may serve {_names([rule])}, or not" if rule.types else "serves nothing that is known"
                yield Violation(
                    item,
                    rule.path,
                    f"the rule {which} ({rule.reason}), and what it leads to does not tell either: no timeout and no "
                    f"retries are derived for it",
                    "annotation mlmesh.dev/endpoint, on the route, the Service or the pool, names the types; so does "
                    "`serves` of a component in the policy",
                )


def _for_no_rule(item: "KubeObject", release: "Release") -> "Iterator[Violation]":
    """Annotations for a rule that a route does not have."""
    names = {rule.name for rule in route_of(item, release).rules}
    for key in item.annotations():
        name = str(key).removeprefix(PREFIX)
        if name != key and name not in names:
            known = " or ".join(PREFIX + each for each in sorted(names) if each)
            yield Violation(
                item,
                pointer("metadata", "annotations", key),
                f"the annotation {key} is for a rule named {name!r}, which the route does not have: it tells nothing",
                f"{known or 'a name for the rule that is meant'}; or {ENDPOINT}, for all of its rules",
                severity=WARNING,
                evidence=key,
            )


def _is_elsewhere(rule: "Served", release: "Release") -> bool:
    """Whether the policy declares all that a rule leads to as external."""
    declared = release.external("hosts")
    return all(backend.host in declared for backend in rule.backends)


def retries_not_said(release: "Release") -> "Iterator[Violation]":
    """An HTTPRoute cannot say all of the retries of what it serves.

    Why: An HTTPRoute has retries in Gateway API's experimental channel alone. Without them Istio's own two hold,
    whatever is served.

    Bad: an HTTPRoute for a generation where `mesh.gatewayApiChannel` is `standard`

    Good: the experimental channel, said in the policy; or a mesh whose default is `defaultHttpRetryPolicy.attempts: 0`

    Source: istio/istio pilot/pkg/config/kube/gateway/conversion.go.
    """
    yield from noted(release, "MLM217")  # of KServe's objects
    for item in release.of(GATEWAY_API, "HTTPRoute"):
        from mlmesh.endpoints.write import says_retry, set_by_user, unsaid

        for rule in rules(item, release):
            if not rule.sure or not rule.backends or set_by_user(rule):
                continue
            lost = unsaid(rule, release)
            if lost:
                experimental = says_retry(release)
                where = "an HTTPRoute" if experimental else "an HTTPRoute of the standard channel"
                yield Violation(
                    item,
                    rule.path,
                    f"the rule serves {_names([rule])}, whose block has {', '.join(lost)}, and {where} cannot say "
                    + (
                        "that"
                        if experimental and "attempts 0" not in lost
                        else "that: Istio repeats 2 times what no server began"
                    ),
                    "nothing need be done where that will do; a VirtualService can say it to callers within the mesh"
                    if experimental
                    else "nothing need be done where that will do; where the cluster has Gateway API's experimental "
                    "channel, set mesh.gatewayApiChannel: experimental in the policy",
                )


def retries_unbounded(release: "Release") -> "Iterator[Violation]":
    """The policy asks for a retry budget, and no DestinationRule has one for a host whose routes retry.

    Why: Istio lifts Envoy's limit on retries that run at once. Under overload every request is repeated, and the load
    that broke a server is multiplied. A budget bounds them by the requests under way.

    Bad: `endpoints.retryBudget` in the policy, and a retried host without a DestinationRule

    Good: a DestinationRule of the host, into which the budget is derived; or one with `maxRetries`

    Source: istio/istio pilot/pkg/networking/core/cluster_traffic_policy.go applyRetryBudget.
    """
    if not release.policy.spec["endpoints"].get("retryBudget"):
        return
    from mlmesh.endpoints.budget import unguarded

    for host, rule, why, remedy in unguarded(release):
        yield Violation(
            rule.owner,
            rule.path,
            f"the rule retries requests to {host}, the policy asks for a retryBudget, and {why}: nothing limits how "
            f"many retries run at once",
            remedy,
            evidence=host,
        )


def _names(found: "list[Served]") -> str:
    return " and ".join(dict.fromkeys(kind.name for rule in found for kind in rule.types))


def _to_a_pool(rule: "Served") -> bool:
    return any(backend.kind == POOL for backend in rule.backends)


RULES = (
    Rule(
        "MLM204",
        silent_grpc_retries,
        severity=WARNING,
        confidence=OBJECT,
        judges=("GRPCRoute", "VirtualService"),
        scope="object",
        fix="unsafe",
    ),
    Rule(
        "MLM216",
        endpoint_unknown,
        severity=INFO,
        confidence=ABSENCE,
        judges=("VirtualService", "HTTPRoute", "GRPCRoute", "InferenceService"),
        scope="set",
    ),
    Rule(
        "MLM217",
        retries_not_said,
        severity=INFO,
        confidence=OBJECT,
        judges=("HTTPRoute", "InferenceService", "LLMInferenceService"),
        scope="object",
    ),
    Rule(
        "MLM218",
        retries_unbounded,
        severity=INFO,
        confidence=ABSENCE,
        judges=("VirtualService", "HTTPRoute", "GRPCRoute"),
        reads=("DestinationRule",),
        scope="set",
    ),
)
