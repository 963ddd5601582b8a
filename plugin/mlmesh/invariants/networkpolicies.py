"""NetworkPolicies that cut a proxy off from its control plane: MLM316."""

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.membership import has_sidecar
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

GROUP = "networking.k8s.io"
_ISTIOD, _DNS = 15012, 53
_NAME = "kubernetes.io/metadata.name"


def networkpolicy_cuts_proxy(release: "Release") -> "Iterator[Violation]":
    """A NetworkPolicy lets pods with a sidecar out, but neither to istiod nor to DNS: the proxy does not start.

    Why: A proxy has its certificate and its configuration from istiod's port 15012, which it finds by DNS. A policy
    with egress rules lets nothing else out; without either the proxy is never ready, and neither is its pod.

    Bad: `policyTypes: [Egress]` with a rule for port 5432 only

    Good: rules for TCP 15012 to the mesh's root namespace and for UDP and TCP 53 besides

    Source: istio/istio issue 32945.
    """
    policies: dict[str, dict[str, list[KubeObject]]] = {}  # by namespace, and by a label that they ask for
    for item in release.known(GROUP, "NetworkPolicy"):
        if _binds_egress(item):
            here = policies.setdefault(release.namespace(item), {})
            here.setdefault(next((f"{key}={value}" for key, value in _labels(item).items()), ""), []).append(item)
    own = {id(item) for item in release.of(GROUP, "NetworkPolicy")}
    told = set()
    for pods in release.own.pods if policies else ():
        surely, maybe = _over(pods, policies.get(pods.namespace, {}))
        first = next((item for item in surely if id(item) in own), None)
        if first is None or id(first) in told or not has_sidecar(pods, release):
            continue
        lacking = [
            name
            for name, port, protocols, inside in (
                (f"istiod's port {_ISTIOD}", _ISTIOD, ("TCP",), release.mesh("rootNamespace")),
                (f"DNS (port {_DNS})", _DNS, ("UDP", "TCP"), ""),
            )
            if not any(
                _allows(rule, (port, protocols, inside), item, release)
                for item in (*surely, *maybe)
                for _, rule in maps(at(item.data, "spec.egress"))
            )
        ]
        if lacking:
            told.add(id(first))
            yield _violation(first, pods, lacking, release)


def _violation(item: "KubeObject", pods: "Pods", lacking: list[str], release: "Release") -> Violation:
    rules: list[dict[str, Any]] = []
    root = release.mesh("rootNamespace")
    if any(str(_ISTIOD) in each for each in lacking):
        to = [{"namespaceSelector": {"matchLabels": {_NAME: root}}}]
        rules.append({"to": to, "ports": [{"protocol": "TCP", "port": _ISTIOD}]})
    if any("DNS" in each for each in lacking):
        rules.append({"ports": [{"protocol": protocol, "port": _DNS} for protocol in ("UDP", "TCP")]})
    operations: list[Operation] = []
    if not isinstance(at(item.data, "spec.egress"), list):
        operations = [{"op": "add", "path": "/spec/egress", "value": rules}]
    else:
        operations = [{"op": "add", "path": "/spec/egress/-", "value": rule} for rule in rules]
    return Violation(
        item,
        "/spec",
        f"the pods of {pods.title} have a sidecar, and no egress rule for them lets it out to {' or to '.join(lacking)}"
        f": it gets neither certificate nor configuration, and its pods are never ready",
        f"add egress rules: {rules}".replace("'", ""),
        severity=WARNING,
        operations=tuple(operations),
    )


def _binds_egress(item: "KubeObject") -> bool:
    types = entries(at(item.data, "spec.policyTypes"))
    return "Egress" in types or (not types and isinstance(at(item.data, "spec.egress"), list))


def _labels(item: "KubeObject") -> "dict[str, Any]":
    return mapping(at(item.data, "spec.podSelector.matchLabels"))


def _over(pods: "Pods", policies: "dict[str, list[KubeObject]]") -> "tuple[list[KubeObject], list[KubeObject]]":
    """The policies that select pods for sure, and those that may."""
    surely: list[KubeObject] = []
    maybe: list[KubeObject] = []
    for item in (item for pair in ("", *pods.pairs()) for item in policies.get(pair, ())) if policies else ():
        labels = _labels(item)
        if not labels or pods.carry(labels):
            (maybe if at(item.data, "spec.podSelector.matchExpressions") else surely).append(item)
    return surely, maybe


def _allows(
    rule: "dict[str, Any]",
    to: "tuple[int, tuple[str, ...], str]",
    item: "KubeObject",
    release: "Release",
) -> bool:
    """Whether an egress rule may let a port through, by one of its protocols, to a namespace where one is given."""
    port, protocols, inside = to
    ports = [each for _, each in maps(rule.get("ports"))]
    if ports and not any(_covers(each, port, protocols) for each in ports):
        return False
    peers = [each for _, each in maps(rule.get("to"))]
    return not peers or any(_may_be(peer, inside, item, release) for peer in peers)


def _covers(each: "dict[str, Any]", port: int, protocols: tuple[str, ...]) -> bool:
    if str(each.get("protocol") or "TCP") not in protocols:
        return False
    low, high = each.get("port"), each.get("endPort")
    if not isinstance(low, int):
        return True  # all, or one by its name, which the other end has
    return low <= port <= high if isinstance(high, int) else low == port


def _may_be(peer: "dict[str, Any]", inside: str, item: "KubeObject", release: "Release") -> bool:
    if "ipBlock" in peer:
        return True
    if "namespaceSelector" not in peer:
        return bool(inside) and release.namespace(item) == inside
    labels = mapping(mapping(peer["namespaceSelector"]).get("matchLabels"))
    return not inside or labels.get(_NAME, inside) == inside


RULES = (
    Rule(
        "MLM316",
        networkpolicy_cuts_proxy,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("NetworkPolicy",),
        reads=("Namespace", PODS),
        fix="unsafe",
    ),
)
