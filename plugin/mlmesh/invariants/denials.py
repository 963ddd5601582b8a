"""Requests that AuthorizationPolicies refuse though something in the release sends them: MLM402, 403."""

from mlmesh.graph.authorization import EXCEPTING, is_path, overlaps, policies_of, principals
from mlmesh.graph.backends import pods_behind
from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.gateways import ISTIO_CLASSES, Gateways, accounts, gateway_class
from mlmesh.graph.membership import has_sidecar
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import ABSENCE, PODS, Rule, Violation
from mlmesh.model.findings import ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Route
    from mlmesh.graph.route import Rule as RouteRule
    from mlmesh.manifests.objects import KubeObject

    Callers = set[tuple[str, str]]

ROUTES = (("VirtualService", ISTIO), ("HTTPRoute", GATEWAY_API), ("GRPCRoute", GATEWAY_API))


def route_meets_deny(release: "Release") -> "Iterator[Violation]":
    """A gateway's route leads to pods whose AuthorizationPolicies do not let the gateway in: all requests get a 403.

    Why: Once an ALLOW policy selects a pod, its sidecar refuses whatever no rule of one lets in. Behind a gateway the
    caller is the gateway: its ServiceAccount, and the path as the route hands it on.

    Bad: a policy that lets in `frontend-sa` alone, on pods that an HTTPRoute leads to

    Good: a rule with the gateway's principal and the routed path

    Source: istio/istio pilot/pkg/security/authz, issue 41690; kserve/kserve issue 2157.
    """
    if not any(allows(item) or _denies(item) for item in release.known("security.istio.io", "AuthorizationPolicy")):
        return
    gateways = Gateways(release)
    for kind, group in ROUTES:
        for item in release.of(group, kind):
            route = route_of(item, release)
            callers = _callers(route, gateways, release)
            for rule in route.rules if callers else ():
                if rule.protocol in ("http", "grpc"):
                    yield from _refused(route, rule, callers, release)


def allows(policy: "KubeObject") -> bool:
    """Whether a policy's action is ALLOW, which it is where it says none."""
    return (at(policy.data, "spec.action") or "ALLOW") == "ALLOW"


def _denies(policy: "KubeObject") -> bool:
    return bool(at(policy.data, "spec.action") == "DENY")


def _keeps_out(policy: "KubeObject", callers: "Callers", domain: str) -> bool:
    """Whether a policy surely denies every request of all callers, by their identity or whoever they are."""
    rules = maps(at(policy.data, "spec.rules")) if _denies(policy) else ()
    return any(
        not rule.get("to")
        and not rule.get("when")
        and all(any(_is_said(source, caller, domain) for source in _origins(rule)) for caller in callers)
        for _, rule in rules
    )


def _origins(rule: "dict[str, Any]") -> "list[dict[str, Any]]":
    """The sources of a rule; an empty one, which is everybody, where it has none."""
    return [mapping(each.get("source")) for _, each in maps(rule.get("from"))] or [{}]


def _excepts(policy: "KubeObject") -> bool:
    rules = [rule for _, rule in maps(at(policy.data, "spec.rules"))]
    return any(any(source.get(key) for key in EXCEPTING.values()) for rule in rules for source in _origins(rule))


def _is_said(source: "dict[str, Any]", caller: "tuple[str, str]", domain: str) -> bool:
    """Whether a source surely names a caller, and does not except it."""
    excepted = [{field: source[key]} for field, key in EXCEPTING.items() if source.get(key)]
    return (
        source.keys() <= {*EXCEPTING, *EXCEPTING.values()}
        and may_be(source, {caller}, domain)
        and not any(may_be(each, {caller}, domain) for each in excepted)
    )


def _callers(route: "Route", gateways: Gateways, release: "Release") -> "Callers":
    """The identities of a route's gateways, those left out that nobody here knows."""
    found: Callers = set()
    for parent in route.parents:
        gateway = gateways.of(parent) if parent.kind == "Gateway" else None
        if gateway is not None and (gateway.group == ISTIO or gateway_class(gateway) in ISTIO_CLASSES):
            found |= accounts(gateway, release)
    return {(namespace, account) for namespace, account in found if namespace}


def _refused(route: "Route", rule: "RouteRule", callers: "Callers", release: "Release") -> "Iterator[Violation]":
    told: set[str] = set()
    asked = list(_asked(rule))
    for backend in rule.backends:
        for pods in () if backend.mirror or backend.weight == 0 else pods_behind(backend, release):
            enforced = policies_of(pods, release)
            if not enforced or pods.title in told or not has_sidecar(pods, release):
                continue
            domain = release.mesh("trustDomain")
            refusing = next((policy for policy in enforced if _keeps_out(policy, callers, domain)), None)
            policies = [policy for policy in enforced if allows(policy)]
            if refusing is not None:
                told.add(pods.title)
                yield Violation(
                    route.owner,
                    rule.pointer,
                    f"the gateway calls {pods.title}, and {refusing.title} denies it every request: each by this rule "
                    f"is answered 403",
                    f"name in {refusing.title} what is to be refused, by paths or methods under to"
                    + (f"; or {' and '.join(_identities(callers, domain))} beside those that it excepts")
                    * _excepts(refusing),
                    severity=release.weight(pods.namespace),
                    evidence=f"{pods.title} {refusing.title}",
                )
            elif policies and not any(_lets(policy, asked, callers, domain) for policy in policies):
                told.add(pods.title)
                who = _identities(callers, domain)
                paths = ", ".join(dict.fromkeys(path for _, path, _ in asked if path)) or "any path"
                yield Violation(
                    route.owner,
                    rule.pointer,
                    f"the gateway calls {pods.title} as {' or '.join(who)}, and no rule of {_titles(policies)} lets it "
                    f"in on {paths}: every request by this rule is answered 403",
                    f"add a rule to {_narrowest(policies).title}: from: [{{source: {{principals: "
                    f"[{', '.join(who)}]}}}}], and the routed paths under to",
                    severity=release.weight(pods.namespace),
                    evidence=pods.title,
                )


def _identities(callers: "Callers", domain: str) -> list[str]:
    return [f"{domain}/ns/{namespace}/sa/{account}" for namespace, account in sorted(callers)]


def _titles(policies: "list[KubeObject]") -> str:
    return " and ".join(policy.title for policy in policies)


def _narrowest(policies: "list[KubeObject]") -> "KubeObject":
    return next((each for each in policies if at(each.data, "spec.selector.matchLabels")), policies[-1])


def _asked(rule: "RouteRule") -> "Iterator[tuple[str, str, str]]":
    """(form, path, method) of what a rule hands on; an empty form and path where nobody can tell, an empty method for
    any."""
    rewritten = "rewrite" in rule.data or any("urlRewrite" in each for _, each in maps(rule.data.get("filters")))
    for match in rule.matches:
        method = "POST" if rule.protocol == "grpc" else match.method if match.method.isalpha() else ""
        yield ("", "", method) if rewritten or match.form == "regex" else (match.form, match.path, method)
    if not rule.matches:
        yield "", "", ""


def _lets(policy: "KubeObject", asked: "list[tuple[str, str, str]]", callers: "Callers", domain: str) -> bool:
    """Whether a rule may let some of the requests in: what nobody can judge here is taken to hold."""
    for _, rule in maps(at(policy.data, "spec.rules")):
        sources = [mapping(each.get("source")) for _, each in maps(rule.get("from"))]
        operations = [mapping(each.get("operation")) for _, each in maps(rule.get("to"))]
        if (not sources or any(may_be(source, callers, domain) for source in sources)) and (
            not operations or any(_may_ask(operation, *each) for operation in operations for each in asked)
        ):
            return True
    return False


def may_be(source: "dict[str, Any]", callers: "Callers", domain: str) -> bool:
    """Whether a source of a policy's rule can name one of the callers."""
    named = {
        "principals": principals(callers, domain),
        "serviceAccounts": [text for where, account in callers for text in (f"{where}/{account}", account)],
        "namespaces": [where for where, _ in callers],
    }
    return all(
        any(is_path(name, str(pattern)) for name in names for pattern in entries(source[field]))
        for field, names in named.items()
        if source.get(field)
    )


def _may_ask(operation: "dict[str, Any]", form: str, path: str, method: str) -> bool:
    paths, methods = entries(operation.get("paths")), entries(operation.get("methods"))
    if paths and not any(overlaps(form, path, str(pattern)) for pattern in paths):
        return False
    return not methods or not method or any(is_path(method, str(pattern)) for pattern in methods)


RULES = (
    Rule(
        "MLM402",
        route_meets_deny,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("VirtualService", "HTTPRoute", "GRPCRoute"),
        reads=("AuthorizationPolicy", "Gateway", "InferencePool", "Service", PODS),
    ),
)
