"""Mesh policies of pods without sidecars, and exceptions from mutual TLS that hold for nothing: MLM304, 509."""

from mlmesh.graph.authorization import guarded_by
from mlmesh.graph.fields import at, mapping
from mlmesh.graph.membership import namespace_injects
from mlmesh.graph.ports import Fronts, target
from mlmesh.graph.stamps import additions
from mlmesh.invariants.injection import DATAPLANE, INJECTION
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import WARNING
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation


SECURITY = "security.istio.io"


def port_exception_dead(release: "Release") -> "Iterator[Violation]":
    """A PeerAuthentication excepts a port that none of the pods it selects listens on.

    Why: `portLevelMtls` names ports of containers, not of Services. An exception for another number holds for nothing,
    and the port that was meant keeps the mode of all others.

    Bad: `portLevelMtls: {80: ...}` for pods that listen on 9002 behind a Service with port 80

    Good: `portLevelMtls: {9002: ...}`

    Source: istio/istio pilot/pkg/security/authn/policy_applier.go.
    """
    fronts: Fronts | None = None
    for item in release.of(SECURITY, "PeerAuthentication"):
        excepted = mapping(at(item.data, "spec.portLevelMtls"))
        labels = mapping(at(item.data, "spec.selector.matchLabels"))
        pods = list(release.selected(release.namespace(item), labels)) if excepted and labels else []
        known = {number for each in pods for _, number, _ in each.ports}
        if not pods or not all(each.ports for each in pods):
            continue  # a port need not be declared: where none is, nobody knows
        for port in excepted:
            if str(port).isdecimal() and int(port) not in known:
                if any(str(port) in _numbers(each) for each in pods):
                    continue  # a program may be told to listen there
                if fronts is None:
                    fronts = Fronts(release)
                yield _dead(item, port, pods, fronts)


def _numbers(pods: "Pods") -> list[str]:
    """Every number in a PodSpec."""
    import re

    return re.findall(r"\d+", repr(pods.template().spec))


def _dead(item: "KubeObject", port: "Any", pods: "list[Pods]", fronts: Fronts) -> Violation:
    behind = {target(each, one) for one in pods for _, _, each in fronts.of(one) if each.get("port") == int(port)} - {
        None
    }
    listed = ", ".join(map(str, sorted({number for each in pods for _, number, _ in each.ports})))
    place = pointer("spec", "portLevelMtls", str(port))
    operations: tuple[Operation, ...] = ()
    meant = "the port that the container listens on"
    if len(behind) == 1:
        (inner,) = behind
        meant = f"{inner}, to which the Service's port {port} leads"
        if inner not in {int(key) for key in item.data["spec"]["portLevelMtls"] if str(key).isdecimal()}:
            value = item.data["spec"]["portLevelMtls"][port]
            operations = (
                {"op": "add", "path": pointer("spec", "portLevelMtls", str(inner)), "value": value},
                {"op": "remove", "path": place},
            )
    return Violation(
        item,
        place,
        f"the exception is for port {port}, and {pods[0].title} listens on {listed}: it holds for nothing, and these "
        f"ports keep the mode of all others",
        f"name {meant}",
        evidence=str(port),
        operations=operations,
    )


POLICIES = ("AuthorizationPolicy", "PeerAuthentication")
SHOWN = 4


def member_not_injected(release: "Release") -> "Iterator[Violation]":
    """Mesh policies are for pods of a namespace without injection: no sidecar enforces them.

    Why: AuthorizationPolicies and PeerAuthentications are enforced by the sidecars of the pods that they are for. In a
    namespace without the label pods get none unless they ask for one: what is refused on paper is open to everybody.

    Bad: an AuthorizationPolicy for `app: registry` in a Namespace without `istio-injection`

    Good: the label `istio-injection: enabled` on the Namespace, or `sidecar.istio.io/inject: "true"` on the pods

    Source: istio/istio pkg/config/analysis/msg/messages.yaml (IST0102).
    """
    plain = {
        name: item
        for name, item in release.own.namespaces.items()
        if namespace_injects(name, release) is False and _says_nothing(name, release)
    }
    if not plain:
        return
    unguarded: dict[str, dict[str, None]] = {}
    policies: dict[str, dict[str, None]] = {}
    for kind in POLICIES:
        for policy in release.of("security.istio.io", kind):
            namespace = release.namespace(policy)
            if namespace in plain and not _is_for_proxies(policy):
                pods = list(guarded_by(policy, release))
                bare = [
                    each for each in pods if not each.injection and not each.host_network and each.role != "gateway"
                ]
                if bare and len(bare) == len(pods):
                    policies.setdefault(namespace, {})[policy.title] = None
                    unguarded.setdefault(namespace, {}).update(dict.fromkeys(each.title for each in bare))
    for namespace, found in unguarded.items():
        item = plain[namespace]
        yield Violation(
            item,
            "/metadata",
            f"the namespace has no injection, and {_some(found)} get no sidecar: nothing enforces "
            f"{_some(policies[namespace])}",
            f'label the Namespace {INJECTION}: enabled, or the pods sidecar.istio.io/inject: "true"',
            evidence=" ".join(policies[namespace]),
            operations=tuple(additions("", item.data, ("metadata", "labels"), {INJECTION: "enabled"})),
        )


def _says_nothing(namespace: str, release: "Release") -> bool:
    labels = release.namespace_labels(namespace) or {}
    return INJECTION not in labels and labels.get(DATAPLANE) != "ambient"


def _is_for_proxies(policy: "KubeObject") -> bool:
    """Whether a policy is for a gateway's or a waypoint's proxies."""
    labels = mapping(at(policy.data, "spec.selector.matchLabels"))
    return bool(
        at(policy.data, "spec.targetRefs")
        or at(policy.data, "spec.targetRef")
        or any("gateway" in f"{key}={value}" for key, value in labels.items())
    )


def _some(names: "dict[str, None]") -> str:
    shown = list(names)[:SHOWN]
    return ", ".join(shown) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


RULES = (
    Rule(
        "MLM304",
        port_exception_dead,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("PeerAuthentication",),
        reads=("Service", PODS),
        fix="unsafe",
    ),
    Rule(
        "MLM509",
        member_not_injected,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("Namespace",),
        reads=("AuthorizationPolicy", "PeerAuthentication", PODS),
        fix="unsafe",
    ),
)
