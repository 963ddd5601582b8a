"""Callers and servers that do not agree on TLS: MLM301."""

from mlmesh.graph.fields import at, mapping, maps
from mlmesh.graph.membership import has_sidecar, injected
from mlmesh.graph.mtls import DISABLE, mode, refusing, selecting_of
from mlmesh.graph.ports import pods_of, ports_of, target
from mlmesh.graph.route import ISTIO
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

MUTUAL = "ISTIO_MUTUAL"
_AMBIENT = "istio.io/dataplane-mode"
_PICKER = "picker"


def tls_mode_clash(release: "Release") -> "Iterator[Violation]":
    """A DestinationRule has callers speak TLS, or not, and the pods behind the host take the other only.

    Why: A DestinationRule's `tls` takes the place of what Istio finds out by itself, pod by pod. Plain text, and TLS
    without the mesh's certificate, is refused by a sidecar under STRICT. A pod without a sidecar cannot answer the
    mesh's TLS.

    Bad: `tls: {mode: DISABLE}` for a host whose pods are STRICT, or `ISTIO_MUTUAL` for one whose pods have no sidecar

    Good: no `tls` at all

    Source: istio/istio pilot/pkg/networking/core/cluster_tls.go buildUpstreamTLSSettings.
    """
    blocks = [(item, list(_blocks(item))) for item in release.of(ISTIO, "DestinationRule")]
    if not any(found for _, found in blocks):
        return
    services = {
        release.host(item.name, release.namespace(item)): item
        for item in release.known("", "Service")
        if release.namespace(item)
    }
    exact = {_host(item, release) for item in release.known(ISTIO, "DestinationRule")}
    for item, found in blocks:
        host = _host(item, release)
        if host.startswith("*") and found:
            behind = [each for name, each in services.items() if name.endswith(host[1:]) and name not in exact]
        else:
            behind = [services[host]] if host in services else []
        for service in behind:
            for block in found:
                yield from _clash(item, block, service, release)


def _host(item: "KubeObject", release: "Release") -> str:
    return release.host(str(at(item.data, "spec.host")), release.namespace(item))


def _blocks(item: "KubeObject") -> "Iterator[tuple[str, dict[str, Any], dict[str, Any]]]":
    """(pointer, traffic policy, labels of its pods) of each that speaks of TLS."""
    policies: list[tuple[str, Any, Any]] = [("/spec/trafficPolicy", at(item.data, "spec.trafficPolicy"), {})]
    policies += [
        (f"/spec/subsets/{index}/trafficPolicy", subset.get("trafficPolicy"), subset.get("labels"))
        for index, subset in maps(at(item.data, "spec.subsets"))
    ]
    for place, policy, labels in policies:
        if isinstance(policy, dict) and (
            "tls" in policy or any("tls" in each for _, each in maps(policy.get("portLevelSettings")))
        ):
            yield place, policy, mapping(labels)


def _clash(
    item: "KubeObject", block: "tuple[str, dict[str, Any], dict[str, Any]]", service: "KubeObject", release: "Release"
) -> "Iterator[Violation]":
    place, policy, labels = block
    pods = [each for each in pods_of(service, release) if not labels or each.carry(labels)]
    told = set()
    for _, port in ports_of(service):
        where, tls = place, policy.get("tls")
        for index, settings in maps(policy.get("portLevelSettings")):
            if at(settings, "port.number") == port.get("port"):  # nothing is inherited then
                where, tls = f"{place}/portLevelSettings/{index}", settings.get("tls")
        if not isinstance(tls, dict):
            continue
        said = str(tls.get("mode") or DISABLE)
        wrong = [(each, *why) for each in pods for why in _why(said, each, target(port, each), release)]
        if not wrong or where in told:
            continue
        told.add(where)
        first, why, severity = wrong[0]
        more = f" and of {len(wrong) - 1} others" if len(wrong) > 1 else ""
        wants = DISABLE if said == MUTUAL else MUTUAL
        operations: tuple[Operation, ...] = ({"op": "replace", "path": f"{where}/tls", "value": {"mode": wants}},)
        yield Violation(
            item,
            f"{where}/tls",
            f"callers of {service.title}, port {port.get('port')}, are told to use TLS of mode {said}, and the pods of "
            f"{first.title}{more} {why}: every connection to them fails",
            f"take `tls` away, so that Istio tells by each pod, or set mode {wants}",
            severity=severity if len(wrong) == len(pods) else WARNING,
            evidence=f"{service.title} {said}",
            operations=operations if len(wrong) == len(pods) else (),
        )


def _why(said: str, pods: "Pods", port: int | None, release: "Release") -> "Iterator[tuple[str, str]]":
    """Why pods do not answer callers that use this mode, and how much that weighs."""
    if said == DISABLE or (said == "SIMPLE" and pods.role != _PICKER):
        policy = refusing(pods, port, release)
        if policy is not None:
            yield f"take the mesh's mutual TLS only ({policy.title} is STRICT)", ERROR
    elif said == MUTUAL:
        has = injected(pods, release)
        if has is False and not _is_meshed(pods, release):
            yield "have no sidecar", ERROR
        elif has_sidecar(pods, release) and len(selecting_of(pods, release)) < 2:
            found, policy = mode(pods, port, release)
            if found == DISABLE and policy is not None:
                yield f"take plain text only ({policy.title} is DISABLE)", ERROR
            elif pods.bypassed != "*" and pods.bypasses(port):
                yield f"take port {port} past their sidecars (excludeInboundPorts)", ERROR


def _is_meshed(pods: "Pods", release: "Release") -> bool:
    """Whether pods that are not injected may be in the mesh: an ambient one, or by a proxy that is written by hand."""
    labels = release.namespace_labels(pods.namespace) or {}
    return _AMBIENT in labels or pods.label(_AMBIENT) is not None or pods.mentions(b"istio-proxy")


RULES = (
    Rule(
        "MLM301",
        tls_mode_clash,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("DestinationRule",),
        reads=("PeerAuthentication", "Service", "Namespace", PODS),
        fix="unsafe",
    ),
)
