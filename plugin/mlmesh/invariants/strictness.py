"""Exceptions from mutual TLS that hold for nothing, and namespaces where nothing asks for it: MLM304, 305."""

from mlmesh.graph.fields import at, mapping
from mlmesh.graph.membership import has_sidecar, namespace_injects
from mlmesh.graph.mtls import namespace_mode
from mlmesh.graph.newcomers import newcomer
from mlmesh.graph.targets import Fronts, target
from mlmesh.invariants.rule import ABSENCE, CONTRADICTION, PODS, Rule, Violation
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


def scope_not_strict(release: "Release") -> "Iterator[Violation]":
    """A namespace of the release has its pods injected, and nothing asks for mutual TLS there.

    Why: Without a PeerAuthentication a sidecar takes plain text as well: who has no identity is let in wherever no
    AuthorizationPolicy asks for one.

    Bad: a Namespace with `istio-injection: enabled`, and a PeerAuthentication for the namespace beside it only

    Good: a PeerAuthentication with `mtls: {mode: STRICT}` in each, or one in the mesh's root namespace

    Source: istio/istio pilot/pkg/security/authn/policy_applier.go ComposePeerAuthentication.
    """
    if all(at(item.data, "spec.selector") for item in release.of(SECURITY, "PeerAuthentication")):
        return  # whoever sees to mutual TLS is not of this release
    with_pods = {pods.namespace for pods in release.own.pods if has_sidecar(pods, release)}
    for name, item in release.own.namespaces.items():
        if name in with_pods and namespace_injects(name, release) and namespace_mode(name, release)[1] is None:
            yield Violation(
                item,
                "/metadata/name",
                f"the pods of namespace {name} have sidecars, and no PeerAuthentication of the namespace or of the "
                f"mesh is known: they take plain text from everybody",
                f"kind: PeerAuthentication, metadata: {{name: default, namespace: {name}}}, spec: {{mtls: {{mode: "
                f"STRICT}}}}; if the mesh has one, show it by --context",
                documents=newcomer(
                    f"{SECURITY}/v1", "PeerAuthentication", (name, "default"), {"mtls": {"mode": "STRICT"}}, release
                ),
            )


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
        "MLM305",
        scope_not_strict,
        severity=WARNING,
        confidence=ABSENCE,
        judges=("Namespace",),
        reads=("PeerAuthentication", PODS),
        fix="unsafe",
    ),
)
