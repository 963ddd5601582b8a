"""A limit on retries that run at once: ``retryBudget`` in the DestinationRules of hosts whose routes retry.

Istio lifts Envoy's own limit of three, so that under overload every request is repeated. A budget bounds retries by the
requests that are under way, and takes the place of ``connectionPool.http.maxRetries`` (istio/istio pilot/pkg/
networking/core/cluster_traffic_policy.go; envoyproxy/envoy api/envoy/config/cluster/v3/circuit_breaker.proto). It is
derived where the policy asks for one, into the host's own traffic policy: subsets have it from there. A port with
settings of its own does not (pilot/pkg/networking/util/util.go GetPortLevelTrafficPolicy), nor has it a field for one.
"""

import json

from mlmesh.endpoints.routes import KINDS, rules
from mlmesh.graph.fields import at, maps, policies
from mlmesh.graph.hosts import covers
from mlmesh.graph.route import ISTIO
from mlmesh.graph.stamps import additions, derived, stamped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from mlmesh.endpoints.routes import Rule
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation, Patch

    Retried = dict[str, tuple[Rule, list[Backend]]]  # by full host: the first rule that retries, and all its backends

KEY = "retryBudget"
POLICY = "/spec/trafficPolicy"


def wanted(release: "Release") -> "dict[str, Any]":
    """The budget that the policy asks for; empty where it asks for none."""
    found: dict[str, Any] = release.policy.spec["endpoints"].get(KEY) or {}
    return {key: value for key, value in found.items() if value is not None}


def retried(release: "Release") -> "Retried":
    """The hosts that rules of known types send to and retry at, Istio's own retries too.

    An InferencePool has none: what Istio makes of it has a name that nobody knows.
    """
    hosts: Retried = {}
    for kind, group in KINDS.items():
        for item in release.of(group, kind):
            for rule in rules(item, release):
                if rule.types and _retries(rule):
                    for backend in rule.backends:
                        if backend.host:
                            hosts.setdefault(backend.host, (rule, []))[1].append(backend)
    return hosts


def _retries(rule: "Rule") -> bool:
    key = "retries" if rule.owner.kind == "VirtualService" else "retry"
    retries = rule.data.get(key) if rule.owner.kind != "GRPCRoute" else None
    if not isinstance(retries, dict):
        return True  # Istio's own two
    attempts = retries.get("attempts", 0 if key == "retries" else 2)
    return isinstance(attempts, int) and attempts > 0


def guards(release: "Release") -> "dict[str, list[KubeObject]]":
    """The DestinationRules, in the context too, by full host, which can be a wildcard."""
    found: dict[str, list[KubeObject]] = {}
    for item in release.known(ISTIO, "DestinationRule"):
        found.setdefault(_host(item, release), []).append(item)
    return found


def guarding(host: str, known: "dict[str, list[KubeObject]]") -> "list[KubeObject]":
    """The rules that Istio takes for a host: those of its name, else of the longest wildcard that covers it."""
    if host in known:
        return known[host]
    wild = [pattern for pattern in known if pattern.startswith("*") and covers(pattern, host)]
    return known[max(wild, key=len)] if wild else []


def unguarded(release: "Release") -> "Iterator[tuple[str, Rule, str, str]]":
    """Hosts whose routes retry without the limit that the policy asks for: (host, rule, why, what to write)."""
    budget = wanted(release)
    hosts = retried(release) if budget else {}
    known = guards(release) if hosts else {}
    for host, (rule, backends) in hosts.items():
        items = guarding(host, known)
        if not items:
            yield host, rule, "no DestinationRule is for it", f"add: {_manifest(host, rule, budget, release)}"
            continue
        titles = " and ".join(item.title for item in items)
        bare = [at(each, "port.number") for item in items for each in _ports(item) if not _maximum(each)]
        used = [backend.port for backend in backends if backend.port in bare]
        if used:
            why = f"the portLevelSettings of {titles} for {used[0]} take the place of all else, and have no budget"
            yield host, rule, why, "connectionPool.http.maxRetries in these, or settings for the whole host in place"
        elif not any(_limit(item) or _budget(item) is not None for item in items):
            yield host, rule, f"{titles} has none", f"{KEY}: {json.dumps(budget)} in its trafficPolicy"


def derive_budgets(items: "Iterable[KubeObject]", release: "Release") -> "Iterator[Patch]":
    """A patch for each DestinationRule that is to have a budget, or has one of an earlier run that is no longer."""
    budget = wanted(release)
    hosts = retried(release) if budget else {}
    known = guards(release) if hosts else {}
    for item in items:
        if (item.group, item.kind) != (ISTIO, "DestinationRule") or not _writable(item):
            continue
        pattern = _host(item, release)
        host = next((host for host in hosts if covers(pattern, host) and item in guarding(host, known)), "")
        earlier = derived(item)
        operations: list[Operation] = []
        ours: list[str] = []
        path = f"{POLICY}/{KEY}"
        if host and not _limit(item, earlier):
            ours.append(path)
            operations += additions(item.pointer, item.data, ("spec", "trafficPolicy"), {KEY: budget})
        elif path in earlier and _budget(item) is not None:
            alone = at(item.data, "spec.trafficPolicy").keys() == {KEY}  # istiod refuses one without any field
            operations.append({"op": "remove", "path": item.pointer + (POLICY if alone else path)})
        if operations:
            reason = f"{hosts[host][0].owner.title} retries requests to {host}" if ours else "no budget is asked for"
            yield stamped(item, operations, ours, reason)


def _host(item: "KubeObject", release: "Release") -> str:
    return release.host(str(at(item.data, "spec.host")), release.namespace(item))


def _writable(item: "KubeObject") -> bool:
    """Whether a budget has a place: a policy that is no map is refused by the API server, with or without one."""
    policy = at(item.data, "spec.trafficPolicy")
    return policy is None or isinstance(policy, dict)


def _budget(item: "KubeObject") -> "Any":
    return at(item.data, f"spec.trafficPolicy.{KEY}")


def _limit(item: "KubeObject", earlier: "frozenset[str] | None" = None) -> bool:
    """Whether its user limits retries: a budget, or maxRetries, which a budget would take the place of."""
    ours = derived(item) if earlier is None else earlier
    if _budget(item) is not None and f"{POLICY}/{KEY}" not in ours:
        return True
    return any(_maximum(policy) for _, policy, _ in policies(at(item.data, "spec")))


def _maximum(policy: "dict[str, Any]") -> "Any":
    return at(policy, "connectionPool.http.maxRetries")


def _ports(item: "KubeObject") -> "Iterator[dict[str, Any]]":
    return (settings for _, settings in maps(at(item.data, "spec.trafficPolicy.portLevelSettings")))


def _manifest(host: str, rule: "Rule", budget: "dict[str, Any]", release: "Release") -> str:
    """A DestinationRule with the budget as one line of JSON, which is YAML too."""
    namespace, _ = release.service(host)
    namespace = namespace or release.namespace(rule.owner)
    metadata = {
        "name": host.partition(".")[0].strip("*-") or "budget",
        **({"namespace": namespace} if namespace else {}),
    }
    spec = {"host": host, "trafficPolicy": {KEY: budget}}
    return json.dumps({"apiVersion": f"{ISTIO}/v1", "kind": "DestinationRule", "metadata": metadata, "spec": spec})
