"""What AuthorizationPolicies let through to pods, as Istio reads their paths.

istio/istio pilot/pkg/security/authz: CUSTOM, then DENY, then ALLOW; where a workload has an ALLOW policy, whatever none
of them names is refused.
"""

from mlmesh.graph.fields import at, entries, mapping, maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

_DRY_RUN = "istio.io/dry-run"
# A source's fields that name callers, each with the one that excepts them.
EXCEPTING = {"principals": "notPrincipals", "serviceAccounts": "notServiceAccounts", "namespaces": "notNamespaces"}


class Guards:
    """AuthorizationPolicies that sidecars enforce: those without a selector, the others by a label that they ask for.

    Both by namespace; those of the root namespace hold for the pods of all.
    """

    __slots__ = ("_by_label", "_root", "_wide")

    def __init__(self, release: "Release") -> None:
        self._root = release.mesh("rootNamespace")
        self._wide: dict[str, list[KubeObject]] = {}
        self._by_label: dict[str, dict[str, list[KubeObject]]] = {}
        for item in release.known("security.istio.io", "AuthorizationPolicy"):
            if not _is_enforced(item) or at(item.data, "spec.targetRefs") or at(item.data, "spec.targetRef"):
                continue
            namespace, labels = release.namespace(item), selector_of(item)
            if labels:
                key, value = next(iter(labels.items()))
                self._by_label.setdefault(namespace, {}).setdefault(f"{key}={value}", []).append(item)
            else:
                self._wide.setdefault(namespace, []).append(item)

    def of(self, pods: "Pods") -> "list[KubeObject]":
        """Those for some pods, the wider before the narrower."""
        places = dict.fromkeys((self._root, pods.namespace))
        found = [item for place in places for item in self._wide.get(place, ())]
        pairs = pods.pairs() if any(place in self._by_label for place in places) else []
        for place in places:
            here = self._by_label.get(place)
            if here:
                asked = here if any("*" in pair for pair in pairs) else pairs
                found += [item for pair in asked for item in here.get(pair, ()) if pods.carry(selector_of(item))]
        return found


def selector_of(item: "KubeObject") -> "dict[str, Any]":
    """The labels of the pods that a policy is for; empty where it is for all."""
    return mapping(at(item.data, "spec.selector.matchLabels"))


def policies_of(pods: "Pods", release: "Release") -> "list[KubeObject]":
    """The policies that are enforced by the sidecars of some pods."""
    return release.guards.of(pods)


def guarded_by(item: "KubeObject", release: "Release") -> "Iterator[Pods]":
    """The pods, of a release and its context, whose sidecars enforce a policy that has no targetRefs."""
    namespace, labels = release.namespace(item), selector_of(item)
    everywhere = namespace == release.mesh("rootNamespace")
    if labels:
        return release.selected(None if everywhere else namespace, labels)
    return release.pods() if everywhere else iter(release.selection.within(namespace))


def principals(callers: "Iterable[tuple[str, str]]", domain: str) -> list[str]:
    """What policies call some callers: ``cluster.local`` stands for the mesh's own trust domain, whatever that is.

    istio/istio pilot/pkg/security/trustdomain/bundle.go ReplaceTrustDomainAliases.
    """
    domains = dict.fromkeys((domain, "cluster.local"))
    return [f"{each}/ns/{namespace}/sa/{account}" for each in domains for namespace, account in callers]


def policies_at(gateway: "KubeObject", release: "Release") -> "list[KubeObject]":
    """The policies that are enforced by the pods which istiod makes for a Gateway of Gateway API."""
    root, namespace = release.mesh("rootNamespace"), release.namespace(gateway)
    found = []
    for item in release.known("security.istio.io", "AuthorizationPolicy"):
        where = release.namespace(item)
        if where not in (namespace, root) or not _is_enforced(item):
            continue
        refs = [*entries(at(item.data, "spec.targetRefs")), at(item.data, "spec.targetRef")]
        targets = [ref for ref in refs if isinstance(ref, dict)]
        labels = mapping(at(item.data, "spec.selector.matchLabels"))
        if targets:
            if any((ref.get("kind"), ref.get("name")) == ("Gateway", gateway.name) for ref in targets):
                found.append(item)
        elif not labels or labels.get("gateway.networking.k8s.io/gateway-name") == gateway.name:
            found.append(item)
    return found


def lets_through(
    policies: "Iterable[KubeObject]", method: str, path: str, callers: "Collection[tuple[str, str]] | None", domain: str
) -> bool:
    """Whether a request of one of the callers (namespace, ServiceAccount) gets past policies.

    ``callers`` is empty for those who prove no identity, None where nobody knows who they are. A policy of action
    CUSTOM, and a rule whose conditions nobody can judge here, are taken to do what they are for.
    """
    allowing = False
    allowed = False
    for item in policies:
        action = at(item.data, "spec.action") or "ALLOW"
        rules = [rule for _, rule in maps(at(item.data, "spec.rules"))]
        if action == "CUSTOM":
            return False
        if action == "DENY" and any(
            _is_for(rule, method, path) and (callers is None or _may(rule, callers, domain)) for rule in rules
        ):
            return False
        if action == "ALLOW":
            allowing = True
            allowed = allowed or any(
                _is_for(rule, method, path) and not rule.get("when") and _may(rule, callers or (), domain)
                for rule in rules
            )
    return allowed or not allowing


def _is_enforced(item: "KubeObject") -> bool:
    return str(item.annotations().get(_DRY_RUN, "")).lower() != "true"


def _is_for(rule: "dict[str, Any]", method: str, path: str) -> bool:
    """Whether a rule's ``to`` holds for a request, hosts and ports aside."""
    operations = [mapping(to.get("operation")) for _, to in maps(rule.get("to"))]
    return not operations or any(_operates(operation, method, path) for operation in operations)


def _operates(operation: "dict[str, Any]", method: str, path: str) -> bool:
    paths, methods = operation.get("paths"), operation.get("methods")
    if paths and not any(is_path(path, str(pattern)) for pattern in entries(paths)):
        return False
    if any(is_path(path, str(pattern)) for pattern in entries(operation.get("notPaths"))):
        return False
    if methods and method not in entries(methods) and "*" not in entries(methods):
        return False
    return method not in entries(operation.get("notMethods"))


def is_path(path: str, pattern: str) -> bool:
    """Whether a path is one of Istio's: exact, ``x*``, ``*x``, or a template of ``{*}`` and ``{**}``.

    istio/istio pilot/pkg/security/authz/matcher/string.go, template.go
    """
    if "{*" in pattern:
        import re

        form = re.escape(pattern).replace(re.escape("{**}"), ".*").replace(re.escape("{*}"), "[^/]+")
        return re.fullmatch(form, path) is not None
    if pattern.startswith("*"):
        return path.endswith(pattern[1:])
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def overlaps(form: str, path: str, pattern: str) -> bool:
    """Whether a path that a route's match takes can be one of Istio's pattern; what nobody can tell here can be."""
    if form == "exact":
        return is_path(path, pattern)
    if form not in ("prefix", "path-prefix") or pattern.startswith("*"):
        return True
    base = path.rstrip("/") if form == "path-prefix" else path
    if "{*" in pattern or pattern.endswith("*"):
        lead = pattern.partition("{")[0] if "{*" in pattern else pattern[:-1]
        return lead.startswith(base) or path.startswith(lead)
    return pattern.startswith(base) and (form == "prefix" or pattern[len(base) :][:1] in ("", "/"))


def _may(rule: "dict[str, Any]", callers: "Collection[tuple[str, str]]", domain: str) -> bool:
    """Whether a rule's ``from`` may name one of the callers."""
    sources = [mapping(origin.get("source")) for _, origin in maps(rule.get("from"))]
    return not sources or any(_names(source, callers, domain) for source in sources)


def _names(source: "dict[str, Any]", callers: "Collection[tuple[str, str]]", domain: str) -> bool:
    if source.get("requestPrincipals") or source.get("remoteIpBlocks") or source.get("ipBlocks"):
        return False  # who proves something besides: not everybody behind a gateway
    return any(_fits(source, alone, domain) for alone in [[caller] for caller in callers] or [[]])


def _fits(source: "dict[str, Any]", callers: "list[tuple[str, str]]", domain: str) -> bool:
    """The same of one caller, or of one who proves no identity."""
    named = [("principals", principals(callers, domain))]
    named += [("serviceAccounts", [f"{namespace}/{account}" for namespace, account in callers])]
    named += [("namespaces", [namespace for namespace, _ in callers])]
    return all(
        (not source.get(field) or _any_is(names, source[field])) and not _any_is(names, source.get(EXCEPTING[field]))
        for field, names in named
    )


def _any_is(names: list[str], patterns: object) -> bool:
    return any(is_path(name, str(pattern)) for name in names for pattern in entries(patterns))
