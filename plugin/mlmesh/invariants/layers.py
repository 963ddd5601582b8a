"""Rules for requests at ports that carry bytes: MLM307."""

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.membership import has_sidecar
from mlmesh.graph.ports import TCP, Fronts, by_name, ports_of, protocol, target
from mlmesh.graph.route import ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.ports import Leading
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

    Ports = dict[int, tuple[str, str]]  # by container port: Istio's protocol, and the Service's port that says so

SECURITY = "security.istio.io"
_OPERATION = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
_SOURCE = ("requestPrincipals", "notRequestPrincipals")
_WHEN = ("request.headers", "request.auth.", "request.regex.headers")
# What KubeRay gives the head's Service: appProtocol tcp (ray-operator/controllers/ray/utils DefaultServiceAppProtocol).
_RAY_HEAD = {6379, 8265, 10001}
_PAST = (15020, 15021, 15090)  # the proxy's own: what goes there is not captured, and meets no rule


def l7_rule_on_tcp_port(release: "Release") -> "Iterator[Violation]":
    """A rule about requests holds at a port that Istio takes for TCP: there are no requests to judge or to route.

    Why: At a port whose Service says TCP a sidecar sees bytes. Of an AuthorizationPolicy that allows, a rule that asks
    for paths, methods, hosts, headers or a token is left out, so whatever it was to let in is refused. Of one that
    denies only that condition is left out: the rule refuses every connection. A VirtualService's http rules are never
    read.

    Bad: an ALLOW rule for `/api/jobs/` at the head of a Ray cluster, whose Service has `appProtocol: tcp`

    Good: `appProtocol: http` on that port of the Service

    Source: istio/istio pilot/pkg/security/authz/model/model.go checkError, ray-project/kuberay issues 1025 and 1946.
    """
    yield from _unrouted(release)
    fronts: Fronts | None = None
    for item in release.of(SECURITY, "AuthorizationPolicy"):
        action = str(at(item.data, "spec.action") or "ALLOW")
        labels = mapping(at(item.data, "spec.selector.matchLabels"))
        rules = [(index, rule) for index, rule in maps(at(item.data, "spec.rules")) if _asks(rule)]
        dry = str(item.annotations().get("istio.io/dry-run", "")).lower() == "true"
        targeted = at(item.data, "spec.targetRefs") or at(item.data, "spec.targetRef")
        if not rules or targeted or dry or action not in ("ALLOW", "DENY"):
            continue
        from mlmesh.graph.authorization import guarded_by

        fronts = fronts or Fronts(release)
        told = False
        for pods in guarded_by(item, release):
            if not labels and (told or not has_sidecar(pods, release)):
                continue  # of a whole namespace, pods that surely have a sidecar, and one of them
            ports = _ports(pods, fronts)
            for index, rule in rules:
                bound = _bound(rule, ports)
                if bound and (action == "DENY" or _named(rule) or all(said in TCP for said, _ in ports.values())):
                    found = _violation(item, index, rule, pods, bound, is_deny=action == "DENY", release=release)
                    leading = [each for each in fronts.of(pods) if target(each[2], pods) in bound]
                    _speak_http(found, leading, release)
                    told = True
                    yield found


def _asks(rule: "dict[str, Any]") -> list[str]:
    """What a rule asks of requests that a connection does not have."""
    found = [field for _, to in maps(rule.get("to")) for field in _OPERATION if mapping(to.get("operation")).get(field)]
    found += [
        field for _, origin in maps(rule.get("from")) for field in _SOURCE if mapping(origin.get("source")).get(field)
    ]
    found += [str(each.get("key")) for _, each in maps(rule.get("when")) if str(each.get("key")).startswith(_WHEN)]
    return list(dict.fromkeys(found))


def _named(rule: "dict[str, Any]") -> set[int]:
    """The ports that a rule is for; empty where it is for all."""
    operations = [mapping(to.get("operation")) for _, to in maps(rule.get("to"))]
    if not operations or not all(operation.get("ports") for operation in operations):
        return set()
    return {int(str(port)) for each in operations for port in entries(each["ports"]) if str(port).isdecimal()}


def _ports(pods: "Pods", fronts: Fronts) -> "Ports":
    """The ports at which Services lead to pods. What two Services say differently is left out."""
    found: Ports = {}
    unsure = set()
    for service, _, port in fronts.of(pods):
        number, said = target(port, pods), protocol(port)
        if number is None or said == "udp" or number in _PAST:
            continue
        if number in found and (found[number][0] in TCP) != (said in TCP):
            unsure.add(number)
        found[number] = (said, f"{service.title}, port {port.get('name') or port.get('port')}")
    if not found and pods.group == "ray.io" and pods.part == "head" and not pods.mentions(b"headService"):
        declared = {number for _, number, _ in pods.ports} or _RAY_HEAD
        found = dict.fromkeys(declared, ("tcp", "the Service that KubeRay makes for the head, appProtocol tcp"))
    return {number: each for number, each in found.items() if number not in unsure}


def _bound(rule: "dict[str, Any]", ports: "Ports") -> "dict[int, str]":
    """The ports at which a rule meets bytes, each with what says so."""
    wanted = _named(rule)
    return {number: who for number, (said, who) in ports.items() if said in TCP and (not wanted or number in wanted)}


def _violation(
    item: "KubeObject",
    index: int,
    rule: "dict[str, Any]",
    pods: "Pods",
    bound: "dict[int, str]",
    *,
    is_deny: bool,
    release: "Release",
) -> Violation:
    asked, numbers = ", ".join(_asks(rule)), ", ".join(map(str, sorted(bound)))
    who = next(iter(bound.values()))
    does = (
        f"the condition is left out there, and the rule refuses every connection to port {numbers}"
        if is_deny
        else f"the rule is left out there, and port {numbers} refuses what it was to let in"
    )
    if is_deny and any(mapping(origin.get("source")) for _, origin in maps(rule.get("from"))):
        does += " from whom it names"
    other = (
        "" if not is_deny else f", or name the ports of the rule that speak HTTP (to.operation.ports), not {numbers}"
    )
    return Violation(
        item,
        f"/spec/rules/{index}",
        f"the rule asks for {asked}, and Istio takes port {numbers} of {pods.title} for TCP ({who}): {does}",
        f"set appProtocol: http on the Service's port, if HTTP is spoken there{other}",
        severity=WARNING if not is_deny and _lets_connections(item, release) else ERROR,
        evidence=f"{pods.title} {numbers}",
    )


def _speak_http(found: Violation, ports: "list[Leading]", release: "Release") -> None:
    """Mend what is found by having Services' ports say HTTP, where nothing else says what is spoken there."""
    from mlmesh.graph.newcomers import is_own

    services = {id(service): service for service, _, _ in ports}
    plain = all(protocol(port) == "tcp" and by_name(port.get("name")) in ("", "http") for _, _, port in ports)
    if len(services) == 1 and plain:
        (service,) = services.values()
        if is_own(service, release):
            found.mends = service
            found.operations = tuple(
                {
                    "op": "replace" if "appProtocol" in port else "add",
                    "path": f"/spec/ports/{index}/appProtocol",
                    "value": "http",
                }
                for _, index, port in ports
            )


def _lets_connections(item: "KubeObject", release: "Release") -> bool:
    """Whether another rule beside an ALLOW rule lets connections in that it knows nothing of."""
    others = [item, *(each for each in release.known(SECURITY, "AuthorizationPolicy") if each is not item)]
    return any(
        not _asks(rule)
        for each in others
        if release.namespace(each) == release.namespace(item) and (at(each.data, "spec.action") or "ALLOW") == "ALLOW"
        for _, rule in maps(at(each.data, "spec.rules"))
    )


def _unrouted(release: "Release") -> "Iterator[Violation]":
    """VirtualServices with http rules for a Service in the mesh that has no port where HTTP is spoken."""
    services: dict[str, KubeObject] | None = None
    for item in release.of(ISTIO, "VirtualService"):
        route = route_of(item, release)
        http = [rule for rule in route.rules if rule.protocol == "http"]
        if not http or not any(parent.kind == "mesh" for parent in route.parents):
            continue
        if services is None:
            services = {release.host(each.name, release.namespace(each)): each for each in release.known("", "Service")}
        for host in route.hosts:
            service = services.get(host)
            said = [protocol(port) for _, port in ports_of(service)] if service else []
            if service and said and all(each in TCP for each in said):
                found = Violation(
                    item,
                    http[0].pointer,
                    f"{service.title} has only ports that Istio takes for TCP ({', '.join(dict.fromkeys(said))}): the "
                    f"http rules for {host} are never read, and its connections go past their timeouts, retries and "
                    f"destinations",
                    "set appProtocol: http on the Service's port, if HTTP is spoken there; else write tcp rules",
                    severity=ERROR if (release.namespace(service), service.name) in release.services else WARNING,
                    evidence=host,
                )
                if len(said) == 1:  # of several nobody can tell which of them it is
                    _speak_http(found, [(service, index, port) for index, port in ports_of(service)], release)
                yield found


RULES = (
    Rule(
        "MLM307",
        l7_rule_on_tcp_port,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("AuthorizationPolicy", "VirtualService"),
        reads=("Service", PODS),
        fix="unsafe",
    ),
)
