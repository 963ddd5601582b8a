"""What the platform itself asks of pods, refused by their AuthorizationPolicies: MLM403."""

from mlmesh.graph import pools
from mlmesh.graph.authorization import is_path, policies_of
from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.gateways import accounts
from mlmesh.graph.membership import has_sidecar
from mlmesh.graph.mtls import refusing
from mlmesh.graph.pickers import Picked
from mlmesh.graph.pools import POOL_GROUPS
from mlmesh.graph.ports import Fronts, is_headless
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.invariants.denials import allows
from mlmesh.invariants.rule import ABSENCE, PODS, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

METRICS = "/metrics"
# Who calls the pods of a Knative Service, and where it lives unless somebody moved it.
KNATIVE = "knative-serving"


def allow_blocks_platform(release: "Release") -> "Iterator[Violation]":
    """An AuthorizationPolicy leaves out what the platform asks of its pods: metrics, or a Knative activator's calls.

    Why: Once an ALLOW policy selects a pod, its sidecar refuses whatever no rule of one lets in. Prometheus and an
    endpoint picker ask for /metrics, mostly without an identity; Knative's activator and autoscaler call each pod.

    Bad: a policy that lets in `frontend-sa` alone, on pods that a PodMonitor has scraped

    Good: beside it a rule `to: [{operation: {methods: [GET], paths: [/metrics]}}]`

    Source: kserve/kserve issue 1558, knative/serving issues 6081 and 10688.
    """
    if not any(allows(item) for item in release.of("security.istio.io", "AuthorizationPolicy")):
        return
    own = set(map(id, release.of("security.istio.io", "AuthorizationPolicy")))
    told: set[tuple[int, str]] = set()
    for who, pods, method, path, number, may in _Asked(release):
        policies = [policy for policy in policies_of(pods, release) if allows(policy)]
        if not policies or not has_sidecar(pods, release):
            continue
        if number is not None and refusing(pods, number, release) is not None:
            continue  # another rule tells that mutual TLS refuses it
        mine = [policy for policy in policies if id(policy) in own]
        if not mine or any(_lets(policy, method, path, number, may) for policy in policies):
            continue
        policy = next((each for each in mine if at(each.data, "spec.selector.matchLabels")), mine[-1])
        if (id(policy), who) not in told:
            told.add((id(policy), who))
            yield _violation(policy, who, pods, path, number)


def _violation(policy: "KubeObject", who: str, pods: "Pods", path: str, number: int | None) -> Violation:
    if path:
        at_port = f" at port {number}" if number is not None else ""
        remedy = "to: [{operation: {methods: [GET], paths: [" + path + "]}}], with from if the caller has an identity"
        message = f"{who} asks {pods.title} for {path}{at_port}, and no rule lets that in: it is answered 403"
    else:
        remedy = f"from: [{{source: {{namespaces: [{KNATIVE}]}}}}], or the namespace where Knative is"
        message = f"{who} calls {pods.title}, and no rule lets it in: requests that it holds back are answered 403"
    return Violation(
        policy,
        "/spec/rules" if at(policy.data, "spec.rules") else "/spec",
        message,
        f"add a rule {remedy}",
        severity=WARNING,
        evidence=f"{who} {pods.title}",
    )


class _Asked:
    """Who asks which pods for what: (who, pods, method, path, port, whether a source can be its own)."""

    def __init__(self, release: "Release") -> None:
        self.release = release
        self._roles: dict[tuple[str, str], set[str]] | None = None
        self._fronts: Fronts | None = None

    def __iter__(self) -> "Iterator[tuple[str, Pods, str, str, int | None, Callable[[dict[str, Any]], bool]]]":
        release = self.release
        for group in POOL_GROUPS:
            for pool in release.known(group, "InferencePool"):
                ports = [each.get("number") for _, each in maps(at(pool.data, "spec.targetPorts"))]
                for pods in pools.pods_of(pool, release):
                    number = ports[0] if ports and isinstance(ports[0], int) else None
                    may = self._may_pick(pool, pods, number)
                    yield f"the picker of {pool.title}", pods, "GET", METRICS, number, may
        if _monitored(release):
            from mlmesh.invariants.scraping import scrapes

            for monitor, endpoint, pods, number in scrapes(release, self._is_guarded):
                path = str(endpoint.get("path") or METRICS)
                yield f"Prometheus ({monitor.title})", pods, "GET", path, number, self._may_scrape
        for pods in release.pods():
            if (pods.group, pods.kind) == ("serving.knative.dev", "Service"):
                yield "Knative's activator", pods, "", "", None, _may_activate

    def _is_guarded(self, pods: "Pods") -> bool:
        """Whether a policy says who may call these pods: nobody is refused by others."""
        return any(map(allows, policies_of(pods, self.release)))

    def _may_pick(self, pool: "KubeObject", pods: "Pods", number: int | None) -> "Callable[[dict[str, Any]], bool]":
        """Whether a source can be the picker's: one without an identity, or that of its sidecar.

        Only to addresses that a headless Service makes known does a sidecar speak mutual TLS.
        """
        release = self.release
        self._fronts = self._fronts or Fronts(release)
        if not any(is_headless(service) and own.get("port") == number for service, _, own in self._fronts.of(pods)):
            return _nobody
        name, port = pools.picker(pool)
        own = [each for each in Picked(pool, name, port, release).pods(release) if has_sidecar(each, release)]
        mine = {(each.namespace, each.account) for each in own}
        return lambda source: _nobody(source) or not mine.isdisjoint(filter(None, _named(source)))

    def _may_scrape(self, source: "dict[str, Any]") -> bool:
        """Whether a source can be Prometheus': not if it names only pods of the release that are no monitors."""
        roles = self._known()
        named = _named(source)
        if named:
            return any(each is None or "monitoring" in roles.get(each, {"monitoring"}) for each in named)
        spaces = [str(each) for each in entries(source.get("namespaces"))]
        held = {where for where, _ in roles}
        return not spaces or any(
            where not in held or any("monitoring" in of for (each, _), of in roles.items() if each == where)
            for where in spaces
        )

    def _known(self) -> "dict[tuple[str, str], set[str]]":
        """The roles of the pods, and of the gateways, that run as each account."""
        if self._roles is None:
            self._roles = {}
            for pods in self.release.pods():
                self._roles.setdefault((pods.namespace, pods.account), set()).add(pods.role)
            for group in (ISTIO, GATEWAY_API):
                for gateway in self.release.known(group, "Gateway"):
                    for account in accounts(gateway, self.release):
                        self._roles.setdefault(account, set()).add("gateway")
        return self._roles


def _monitored(release: "Release") -> bool:
    return not (release.kinds | release.context.kinds).isdisjoint(("ServiceMonitor", "PodMonitor"))


def _named(source: "dict[str, Any]") -> "list[tuple[str, str] | None]":
    """(namespace, account) of each identity that a source names; None of one that is not said in full."""
    principals = [tuple(str(each).split("/")) for each in entries(source.get("principals"))]
    accounts_named = [str(each).rpartition("/") for each in entries(source.get("serviceAccounts"))]
    return [
        *((each[2], each[4]) if len(each) == 5 else None for each in principals),
        *((where, account) if where else None for where, _, account in accounts_named),
    ]


def _nobody(source: "dict[str, Any]") -> bool:
    """Whether a source holds for one who proves no identity."""
    return not any(source.get(field) for field in ("principals", "namespaces", "serviceAccounts", "requestPrincipals"))


def _may_activate(source: "dict[str, Any]") -> bool:
    named = [*entries(source.get("principals")), *entries(source.get("namespaces"))]
    named += entries(source.get("serviceAccounts"))
    return not named or any("knative" in str(each) or "*" in str(each) for each in named)


def _lets(
    policy: "KubeObject", method: str, path: str, number: int | None, may: "Callable[[dict[str, Any]], bool]"
) -> bool:
    for _, rule in maps(at(policy.data, "spec.rules")):
        sources = [mapping(each.get("source")) for _, each in maps(rule.get("from"))]
        if sources and not any(map(may, sources)):
            continue
        operations = [mapping(each.get("operation")) for _, each in maps(rule.get("to"))]
        if not path or not operations:
            return True
        for operation in operations:
            paths, methods = entries(operation.get("paths")), entries(operation.get("methods"))
            ports = entries(operation.get("ports"))
            if (
                (not paths or any(is_path(path, str(each)) for each in paths))
                and (not methods or any(is_path(method, str(each)) for each in methods))
                and (not ports or number is None or str(number) in map(str, ports))
            ):
                return True
    return False


RULES = (
    Rule(
        "MLM403",
        allow_blocks_platform,
        severity=WARNING,
        confidence=ABSENCE,
        judges=("AuthorizationPolicy",),
        reads=("ServiceMonitor", "PodMonitor", "InferencePool", "Gateway", "PeerAuthentication", "Service", PODS),
    ),
)
