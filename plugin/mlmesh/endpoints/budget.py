"""A limit on retries that run at once: ``retryBudget`` in the DestinationRules of hosts whose routes retry.

Istio lifts Envoy's own limit of three, so that under overload every request is repeated. A budget bounds retries by the
requests that are under way (istio/istio pilot/pkg/networking/core/cluster_traffic_policy.go). It is derived where the
policy asks for one, into the rules of hosts that a route sends to which retries what it serves.
"""

from mlmesh.endpoints.routes import rules
from mlmesh.graph.fields import at, maps
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.stamps import derived, stamped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation, Patch

KEY = "retryBudget"


def wanted(release: "Release") -> "dict[str, Any]":
    """The budget that the policy asks for; empty where it asks for none."""
    found: dict[str, Any] = release.policy.spec["endpoints"].get(KEY) or {}
    return {key: value for key, value in found.items() if value is not None}


def retried(release: "Release") -> dict[str, str]:
    """The hosts that a route sends to which retries what it serves, each with that route's title."""
    hosts: dict[str, str] = {}
    for kind, group in (("VirtualService", ISTIO), ("HTTPRoute", GATEWAY_API)):
        for item in release.of(group, kind):
            for rule in rules(item, release):
                retries = rule.data.get("retries" if kind == "VirtualService" else "retry")
                attempts = retries.get("attempts") if isinstance(retries, dict) else None
                if rule.types and isinstance(attempts, int) and attempts > 0:
                    hosts |= dict.fromkeys(rule.hosts(release), item.title)
    return hosts


def derive_budgets(items: "Iterable[KubeObject]", release: "Release") -> "Iterator[Patch]":
    """A patch for each DestinationRule that is to have a budget, or has one of an earlier run that is no longer."""
    budget = wanted(release)
    hosts = retried(release) if budget else {}
    for item in items:
        if (item.group, item.kind) != (ISTIO, "DestinationRule"):
            continue
        host = release.host(str(at(item.data, "spec.host")), release.namespace(item))
        operations: list[Operation] = []
        ours: list[str] = []
        earlier = derived(item)
        for place, block in _blocks(item):
            path = f"{place}/{KEY}"
            own = block.get(KEY)
            if own is not None and path not in earlier:
                continue  # the user's
            if budget and host in hosts:
                ours.append(path)
                if own != budget:
                    op = "add" if own is None else "replace"
                    operations.append({"op": op, "path": item.pointer + path, "value": budget})  # type: ignore[typeddict-item]
            elif own is not None:
                operations.append({"op": "remove", "path": item.pointer + path})
        if operations:
            reason = f"{hosts[host]} retries requests to {host}" if ours else "the policy asks for no budget any more"
            yield stamped(item, operations, ours, reason)


def _blocks(item: "KubeObject") -> "Iterator[tuple[str, dict[str, Any]]]":
    """The traffic policies of a rule: the host's, and those of subsets, which replace it whole."""
    spec = item.data.get("spec")
    if isinstance(spec, dict):
        if isinstance(spec.get("trafficPolicy"), dict):
            yield "/spec/trafficPolicy", spec["trafficPolicy"]
        for index, subset in maps(spec.get("subsets")):
            if isinstance(subset.get("trafficPolicy"), dict):
                yield f"/spec/subsets/{index}/trafficPolicy", subset["trafficPolicy"]
