"""Sidecar scopes that cut what their pods call, and meshes without any: MLM803, 804."""

from mlmesh.graph.authorization import guarded_by
from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.membership import has_sidecar, namespace_injects
from mlmesh.graph.ports import Fronts
from mlmesh.graph.route import ISTIO
from mlmesh.graph.scopes import Scopes, egress, is_closed, knows
from mlmesh.invariants.denials import allows
from mlmesh.invariants.rule import ABSENCE, CONTRADICTION, PODS, Rule, Violation
from mlmesh.invariants.topics import MANY
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

SCRAPING = "monitoring"  # a role whose calls go to pods' addresses, whatever a proxy knows


def scope_cuts_route(release: "Release") -> "Iterator[Violation]":
    """A Sidecar leaves out what its pods call: routes do not hold, or calls go in plain text, without identity.

    Why: A proxy knows what its Sidecar's egress hosts name, and where the VirtualServices among that lead. What lies
    beyond it passes on as it came: no mutual TLS, no identity, no timeout. A policy that asks who calls answers 403, a
    server under STRICT closes the connection; under REGISTRY_ONLY nothing answers.

    Bad: egress `./*` alone in `frontend`, whose pods a policy in `ml` lets in by their principal

    Good: `./*`, `istio-system/*` and `ml/*`

    Source: istio/istio pilot/pkg/model/sidecar.go; kubeflow/community-distribution issue 3573.
    """
    scopes = Scopes(release)
    judged = [item for item in release.of(ISTIO, "Sidecar") if egress(item) and release.namespace(item)]
    if judged:
        callers = _Callers(release)
        for scope in judged:
            yield from _cut_callers(scope, scopes, callers, release)
            yield from _cut_routes(scope, scopes, release)


class _Callers:
    """Whom policies let in, by namespace: (policy, what it says, account, or empty for the whole namespace)."""

    def __init__(self, release: "Release") -> None:
        self._release = release
        self._by_namespace: dict[str, list[tuple[KubeObject, str, str]]] = {}
        self._fronts: Fronts | None = None
        for item in release.known("security.istio.io", "AuthorizationPolicy"):
            if allows(item) and not at(item.data, "spec.targetRefs"):
                for said, namespace, account in _identities(item, release):
                    self._by_namespace.setdefault(namespace, []).append((item, said, account))

    def of(self, namespace: str) -> "list[tuple[KubeObject, str, str]]":
        """Those of a namespace."""
        return self._by_namespace.get(namespace, [])

    def hosts(self, policy: "KubeObject") -> "dict[str, Pods]":
        """The hosts of the Services in front of a policy's pods, each with pods that enforce it."""
        release = self._release
        self._fronts = self._fronts or Fronts(release)
        domain = release.mesh("clusterDomain")
        return {
            f"{service.name}.{release.namespace(service)}.svc.{domain}": pods
            for pods in guarded_by(policy, release)
            if has_sidecar(pods, release)
            for service, _, _ in self._fronts.of(pods)
        }


def _identities(item: "KubeObject", release: "Release") -> "Iterator[tuple[str, str, str]]":
    for _, rule in maps(at(item.data, "spec.rules")):
        for _, origin in maps(rule.get("from")):
            for said in map(str, entries(at(origin, "source.principals"))):
                parts = said.split("/")
                if len(parts) == 5 and "*" not in said and parts[0] in (release.mesh("trustDomain"), "cluster.local"):
                    yield said, parts[2], parts[4]
            for said in map(str, entries(at(origin, "source.serviceAccounts"))):
                namespace, _, account = said.rpartition("/")
                yield said, namespace or release.namespace(item), account
            for said in map(str, entries(at(origin, "source.namespaces"))):
                yield said, said, ""


def _cut_callers(scope: "KubeObject", scopes: Scopes, callers: _Callers, release: "Release") -> "Iterator[Violation]":
    """What pods of a Sidecar are let in to by their identity, and do not find."""
    hosts, told = egress(scope), set[str]()
    by_account: dict[tuple[str, str], Pods] = {}
    for pods in scopes.pods(scope):
        if pods.role != SCRAPING:
            by_account.setdefault((pods.namespace, pods.account), pods)
            by_account.setdefault((pods.namespace, ""), pods)
    for own in dict.fromkeys(namespace for namespace, _ in by_account):
        led: set[str] | None = None
        for policy, said, account in callers.of(own):
            where, caller = release.namespace(policy), by_account.get((own, account))
            if caller is None or where in (own, release.mesh("rootNamespace")) or where in told:
                continue
            found = callers.hosts(policy)
            if not found or any(knows(hosts, where, host, own) for host in found):
                continue
            led = scopes.led_to(hosts, own) if led is None else led
            if led.isdisjoint(found):
                told.add(where)
                host, server = next(iter(found.items()))
                excluded = [entry for entry in hosts if entry.startswith("~") and entry != "~/*"]
                yield Violation(
                    scope,
                    "/spec/egress",
                    f"{policy.title} lets {caller.title} in to {server.title} as {said}, but this Sidecar leaves "
                    f"{host} out of what its proxies know: the calls "
                    + (
                        "get no answer, since REGISTRY_ONLY lets nothing unknown out"
                        if is_closed(scope)
                        else "go out in plain text, without that identity, and are refused"
                    ),
                    f"take {excluded[0]} from the egress hosts" if excluded else f"add {where}/* to the egress hosts",
                    severity=ERROR if account else WARNING,
                    evidence=host,
                    operations=() if excluded else _with(scope, f"{where}/*"),
                )


def _cut_routes(scope: "KubeObject", scopes: Scopes, release: "Release") -> "Iterator[Violation]":
    """VirtualServices that are for a Sidecar's namespace alone, and that it does not take in."""
    namespace, hosts = release.namespace(scope), egress(scope)
    if scopes.of(namespace) != [scope]:
        return
    for item in scopes.routes([namespace]):
        mine = entries(at(item.data, "spec.exportTo")) in (["."], [namespace])
        if mine and entries(at(item.data, "spec.hosts")) and not scopes.takes_in(hosts, item, namespace):
            gateways = entries(at(item.data, "spec.gateways")) or ["mesh"]
            if "mesh" in gateways:
                yield Violation(
                    scope,
                    "/spec/egress",
                    f"{item.title} is for the proxies of {namespace} alone (exportTo), and this Sidecar does not take "
                    f"it in: nobody follows it",
                    f"add ./* to the egress hosts, or ./{at(item.data, 'spec.hosts')[0]}",
                    evidence=item.title,
                    operations=_with(scope, "./*"),
                )


def _with(scope: "KubeObject", entry: str) -> "tuple[Operation, ...]":
    """The entry added to the egress listener for every port; nothing where there is none."""
    for index, each in maps(at(scope.data, "spec.egress")):
        if not each.get("port") and entries(each.get("hosts")):
            return ({"op": "add", "path": f"/spec/egress/{index}/hosts/-", "value": entry},)
    return ()


def mesh_unscoped(release: "Release") -> "Iterator[Violation]":
    """A namespace of a large mesh has no Sidecar: each of its proxies holds the whole mesh.

    Why: Without a Sidecar istiod sends every proxy all Services and pods of the mesh, and sends them anew whenever one
    changes. In a large mesh each proxy takes up to a gigabyte.

    Bad: no Sidecar in a namespace with injection, beside hundreds of Services

    Good: a Sidecar with `egress: [{hosts: ["./*", "istio-system/*"]}]` and the namespaces that its pods call

    Source: kubeflow/community-distribution issues 3052 and 3206.
    """
    count = len(release.own.services) + len(release.context.services)
    if count < MANY:
        return
    scopes = Scopes(release)
    for name, item in release.own.namespaces.items():
        if namespace_injects(name, release) and not scopes.of(name):
            yield Violation(
                item,
                "/metadata/name",
                f"no Sidecar says what the proxies of {name} need to know: each holds all of the mesh, of which here "
                f"alone are {count} Services",
                f'add kind: Sidecar, metadata: {{name: default, namespace: {name}}}, spec: {{egress: [{{hosts: ["./*", '
                f'"{release.mesh("rootNamespace")}/*"]}}]}}, and each namespace that its pods call',
                evidence=name,
            )


RULES = (
    Rule(
        "MLM803",
        scope_cuts_route,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("Sidecar",),
        reads=("VirtualService", "AuthorizationPolicy", "Namespace", "Service", PODS),
        fix="unsafe",
    ),
    Rule(
        "MLM804",
        mesh_unscoped,
        severity=INFO,
        confidence=ABSENCE,
        judges=("Namespace",),
        reads=("Sidecar", "Service"),
    ),
)
