"""Model registries and feature stores that take writes from anybody: MLM404."""

from mlmesh.graph.authorization import is_path, lets_through, policies_of
from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.membership import has_sidecar
from mlmesh.invariants.denials import allows
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

# By role, requests that change what it holds: of MLflow, Kubeflow's registry and Feast.
WRITES = {
    "model-registry": (
        ("POST", "/api/2.0/mlflow/registered-models/create"),
        ("POST", "/api/2.0/mlflow/model-versions/transition-stage"),
        ("POST", "/api/model_registry/v1alpha3/registered_models"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/model"),
        ("PATCH", "/api/2.0/mlflow/registered-models/update"),
        ("PATCH", "/api/model_registry/v1alpha3/registered_models/1"),
        ("DELETE", "/api/2.0/mlflow/registered-models/delete"),
    ),
    "feature-store": (
        ("POST", "/push"),
        ("POST", "/write-to-online-store"),
        ("POST", "/grpc.connector.GrpcFeatureServer/Push"),
    ),
}
# One whom no policy names.
_ANYBODY = (("somewhere", "somebody"),)


def open_writes(release: "Release") -> "Iterator[Violation]":
    """A rule lets anybody write to a model registry or a feature store: who can reach it can replace a model.

    Why: A rule without `from` lets in every caller, those who prove no identity too; principals `*` every workload of
    the mesh. Neither MLflow nor Feast asks who it is by default.

    Bad: `rules: [{to: [{operation: {methods: [GET, POST]}}]}]` on the registry's pods

    Good: that for GET, and POST `from` the principals that publish models

    Source: mlflow/mlflow issue 23500.
    """
    guarded = [pods for pods in release.own.pods if pods.role in WRITES]
    if not guarded:
        return
    own = set(map(id, release.of("security.istio.io", "AuthorizationPolicy")))
    told: set[tuple[int, int]] = set()
    for pods in guarded:
        policies = policies_of(pods, release) if has_sidecar(pods, release) else []
        for policy in policies:
            for index, rule in maps(at(policy.data, "spec.rules")) if id(policy) in own and allows(policy) else ():
                found = list(dict.fromkeys(_writes(rule, pods, policies, release)))
                if found and (id(policy), index) not in told:
                    told.add((id(policy), index))
                    yield _violation(policy, index, rule, pods, found)


def _violation(policy: "KubeObject", index: int, rule: "dict[str, Any]", pods: "Pods", found: list[str]) -> Violation:
    who = "every workload of the mesh" if rule.get("from") else "everybody who can reach it"
    return Violation(
        policy,
        f"/spec/rules/{index}",
        f"{who} can write to {pods.title}, a {pods.role}, by {', '.join(found)}: the rule names no caller",
        "let others read only (methods: [GET], and POST of the paths that search), and have a rule with from for the "
        "identities that write",
        evidence=pods.title,
    )


def _writes(rule: "dict[str, Any]", pods: "Pods", policies: "list[KubeObject]", release: "Release") -> "Iterator[str]":
    """What a rule lets anybody do, that no other policy of the pods refuses."""
    if rule.get("when") or not _is_for_anybody(rule):
        return
    domain = release.mesh("trustDomain")
    callers = _ANYBODY if rule.get("from") else ()
    for method, path in WRITES[pods.role]:
        if _covers(rule, method, path) and lets_through(policies, method, path, callers, domain):
            yield method


def _is_for_anybody(rule: "dict[str, Any]") -> bool:
    sources = [mapping(each.get("source")) for _, each in maps(rule.get("from"))]
    return not rule.get("from") or any(
        source and all(field in ("principals", "namespaces") and "*" in entries(of) for field, of in source.items())
        for source in sources
    )


def _covers(rule: "dict[str, Any]", method: str, path: str) -> bool:
    operations = [mapping(each.get("operation")) for _, each in maps(rule.get("to"))]
    return not operations or any(
        _has(operation, "paths", path, bare=True)
        and _has(operation, "methods", method, bare=True)
        and not _has(operation, "notPaths", path)
        and not _has(operation, "notMethods", method)
        for operation in operations
    )


def _has(operation: "dict[str, Any]", field: str, word: str, *, bare: bool = False) -> bool:
    """Whether a field names a word; ``bare``: or is left out."""
    named = entries(operation.get(field))
    return (bare and not named) or any(is_path(word, str(pattern)) for pattern in named)


RULES = (
    Rule(
        "MLM404",
        open_writes,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("AuthorizationPolicy",),
        reads=("Namespace", PODS),
    ),
)
