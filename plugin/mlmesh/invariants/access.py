"""Whom AuthorizationPolicies let in: identities that no workload has, and writes for everybody: MLM401, MLM404."""

from mlmesh.graph.authorization import is_path, lets_through, policies_of
from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.gateways import ISTIO_CLASSES, accounts, gateway_class, service_account
from mlmesh.graph.membership import has_sidecar
from mlmesh.invariants.denials import allows
from mlmesh.invariants.rule import ABSENCE, CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

LOCAL = "cluster.local"  # the mesh's own trust domain, whatever its name


SPIFFE = "spiffe://"  # which Istio puts before a principal itself


def _sources(item: "KubeObject") -> "Iterator[tuple[str, str, str]]":
    """(pointer, field, value) of every identity that an AuthorizationPolicy lets in or keeps out."""
    for r, rule in maps(at(item.data, "spec.rules")):
        for f, origin in maps(rule.get("from")):
            source = mapping(origin.get("source"))
            for field in ("principals", "notPrincipals", "serviceAccounts", "notServiceAccounts"):
                for index, value in enumerate(entries(source.get(field))):
                    yield pointer("spec", "rules", r, "from", f, "source", field, index), field, str(value)
        for w, condition in maps(rule.get("when")):
            if condition.get("key") == "source.principal":
                for listed, field in (("values", "principals"), ("notValues", "notPrincipals")):
                    for index, value in enumerate(entries(condition.get(listed))):
                        yield pointer("spec", "rules", r, "when", w, listed, index), field, str(value)


def principal_nobody_has(release: "Release") -> "Iterator[Violation]":
    """An AuthorizationPolicy names an identity that no workload has: it lets nobody in, or keeps nobody out.

    Why: A rule that names an identity which no workload has holds for nobody. Istio runs a Gateway as NAME-CLASS,
    unless the annotation gateway.istio.io/service-account on it says otherwise.

    Bad: a principal `cluster.local/ns/ml/sa/gateway-sa` where the Gateway runs as `ml-gateway-istio`

    Good: the annotation `gateway.istio.io/service-account: gateway-sa` on the Gateway, or the identity that it has

    Source: istio/istio pilot/pkg/config/kube/gatewaycommon/deploymentcontroller.go.
    """
    gateways = release.known("gateway.networking.k8s.io", "Gateway")
    known = release.identities.union(*(accounts(item, release) for item in gateways))
    external = release.external("principals")
    domain = release.mesh("trustDomain")
    for item in release.of("security.istio.io", "AuthorizationPolicy"):
        for place, field, value in _sources(item):
            spelled = value.startswith(SPIFFE)
            if field.endswith("erviceAccounts"):
                namespace, _, account = value.rpartition("/")
                namespace = namespace or release.namespace(item)
                principal = f"{domain}/ns/{namespace}/sa/{account}"
            else:
                principal = value.removeprefix(SPIFFE)
                parts = principal.split("/")
                if len(parts) != 5 or parts[0] not in (domain, LOCAL) or parts[1::2] != ["ns", "sa"] or "*" in value:
                    continue  # a wildcard, or another trust domain
                namespace, account = parts[2], parts[4]
            if not spelled and ((namespace, account) in known or _declared(principal, external)):
                continue
            refuses, but = at(item.data, "spec.action") == "DENY", field.startswith("not")
            effect = _effect(refuses=refuses, but=but) + _gateway_hint(namespace, release)
            mine = release.owns(namespace) and account != "default"  # which every namespace has, for whoever comes
            severity = ERROR if mine and refuses == but else WARNING
            if spelled:
                yield Violation(
                    item,
                    place,
                    f"Istio puts {SPIFFE} before a principal itself, so nobody is {value}, and the rule {effect}",
                    f"write {principal}",
                    severity=severity,
                    evidence=value,
                    operations=({"op": "replace", "path": place, "value": principal},),
                )
                continue
            yield Violation(
                item,
                place,
                f"no workload of this release runs as {principal}, so the rule {effect}",
                f"name the identity that the caller has (a ServiceAccount of namespace {namespace}, or for a Gateway "
                f"the annotation gateway.istio.io/service-account: {account}), or declare it under external.principals",
                severity=severity,
                evidence=principal,
                operations=_renamed(place, value, namespace, account, release),
            )


def _effect(*, refuses: bool, but: bool) -> str:
    """What becomes of a rule that names nobody: of one that refuses or allows, all, or all but, an identity."""
    if but:
        return "refuses everybody, whom it was to let pass too" if refuses else "excepts nobody by it"
    return "keeps nobody out by it" if refuses else "lets nobody in by it"


def _declared(principal: str, external: set[str]) -> bool:
    return principal in external or any(
        entry.endswith("*") and principal.startswith(entry.removesuffix("*")) for entry in external
    )


def _gateway_hint(namespace: str, release: "Release") -> str:
    gateways = [
        f"Gateway {gateway.name} runs as {service_account(gateway)}" for gateway in _gateways(namespace, release)
    ]
    return f" ({'; '.join(gateways)})" if gateways else ""


def _gateways(namespace: str, release: "Release") -> "list[KubeObject]":
    return [
        gateway
        for gateway in release.known("gateway.networking.k8s.io", "Gateway")
        if release.namespace(gateway) == namespace and gateway_class(gateway) in ISTIO_CLASSES
    ]


def _renamed(place: str, value: str, namespace: str, account: str, release: "Release") -> "tuple[Operation, ...]":
    """The account of the namespace's only Gateway, where the name that nobody has is meant to be a gateway's."""
    gateways = _gateways(namespace, release)
    if len(gateways) != 1 or not ("gateway" in account or gateways[0].name in account):
        return ()
    return ({"op": "replace", "path": place, "value": value.removesuffix(account) + service_account(gateways[0])},)


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
    guarded = [pods for pods in release.pods() if pods.role in WRITES]
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
        "MLM401",
        principal_nobody_has,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("AuthorizationPolicy",),
        reads=("Gateway", PODS, "ServiceAccount"),
        scope="set",
        fix="unsafe",
    ),
    Rule(
        "MLM404",
        open_writes,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("AuthorizationPolicy",),
        reads=("Namespace", PODS),
    ),
)
