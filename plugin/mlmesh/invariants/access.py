"""Identities in AuthorizationPolicies that no workload has: MLM401."""

from mlmesh.graph.fields import at
from mlmesh.graph.gateways import ISTIO_CLASSES, accounts, gateway_class, service_account
from mlmesh.invariants.rule import ABSENCE, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

LOCAL = "cluster.local"  # the mesh's own trust domain, whatever its name


def _sources(item: "KubeObject") -> "Iterator[tuple[str, str, str]]":
    """(pointer, field, value) of every identity that an AuthorizationPolicy lets in or keeps out."""
    spec = item.data.get("spec")
    rules = spec.get("rules") if isinstance(spec, dict) else None
    for r, rule in enumerate(rules if isinstance(rules, list) else ()):
        origins = rule.get("from") if isinstance(rule, dict) else None
        for f, origin in enumerate(origins if isinstance(origins, list) else ()):
            source = origin.get("source") if isinstance(origin, dict) else None
            for field in ("principals", "serviceAccounts"):
                values = source.get(field) if isinstance(source, dict) else None
                for index, value in enumerate(values if isinstance(values, list) else ()):
                    yield pointer("spec", "rules", r, "from", f, "source", field, index), field, str(value)


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
            if field == "serviceAccounts":
                namespace, _, account = value.rpartition("/")
                namespace = namespace or release.namespace(item)
                principal = f"{domain}/ns/{namespace}/sa/{account}"
            else:
                principal = value
                parts = value.split("/")
                if len(parts) != 5 or parts[0] not in (domain, LOCAL) or parts[1::2] != ["ns", "sa"] or "*" in value:
                    continue  # a wildcard, or another trust domain
                namespace, account = parts[2], parts[4]
            if (namespace, account) in known or _declared(principal, external):
                continue
            refuses = at(item.data, "spec.action") == "DENY"
            yield Violation(
                item,
                place,
                f"no workload of this release runs as {principal}, so the rule "
                + ("keeps nobody out by it" if refuses else "lets nobody in by it")
                + _gateway_hint(namespace, release),
                f"name the identity that the caller has (a ServiceAccount of namespace {namespace}, or for a Gateway "
                f"the annotation gateway.istio.io/service-account: {account}), or declare it under external.principals",
                severity=ERROR if release.owns(namespace) and not refuses else WARNING,
                evidence=principal,
                operations=_renamed(place, value, namespace, account, release),
            )


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
)
