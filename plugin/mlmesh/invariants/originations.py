"""DestinationRules by which proxies speak TLS and do not know whom to trust: MLM954."""

from mlmesh.graph.fields import at, entries, mapping, policies
from mlmesh.graph.hosts import covers
from mlmesh.graph.outside import is_outside
from mlmesh.graph.pools import POOL_GROUP, picker
from mlmesh.graph.route import ISTIO, POOL
from mlmesh.graph.routes import routes
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

_CONFIGMAP = "configmap://"  # which istiod gives to every proxy


def tls_without_ca(release: "Release") -> "Iterator[Violation]":
    """A DestinationRule has proxies speak TLS, and they do not know the authority that signed the server's certificate.

    Why: Without `caCertificates` a proxy trusts the public authorities of its image, which sign nothing for names
    inside a cluster: connections fail, 503. A `credentialName` is for gateways, and for the pods of a rule with a
    `workloadSelector`; every other sidecar leaves TLS out and sends plain text.

    Bad: `tls: {mode: SIMPLE}` for a Service of the cluster

    Good: `caCertificates` beside it, or `insecureSkipVerify: true` where the certificate is not to be checked

    Source: istio/istio pilot/pkg/networking/core/cluster_tls.go constructUpstreamTLS,
    buildUpstreamClusterTLSContext; pkg/config/analysis/analyzers/destinationrule/ca-certificates.go (IST0128, IST0129).
    """
    through: set[str] | None = None
    for item in release.of(ISTIO, "DestinationRule"):
        host = release.host(str(at(item.data, "spec.host")), release.namespace(item))
        for place, policy, _ in policies(at(item.data, "spec")):
            tls = mapping(policy.get("tls"))
            if tls.get("mode") not in ("SIMPLE", "MUTUAL"):
                continue
            name = str(tls.get("credentialName") or "")
            if name:
                if at(item.data, "spec.workloadSelector") or name.startswith(_CONFIGMAP):
                    continue
                through = _through_gateways(release) if through is None else through
                if not any(covers(host, each) for each in through):
                    yield _unheard(item, place, host, name)
            elif not (tls.get("caCertificates") or tls.get("insecureSkipVerify") is True) and _is_inside(host, tls):
                yield _untrusted(item, place, host, str(tls["mode"]))


def _through_gateways(release: "Release") -> set[str]:
    """The hosts to which gateways send, which do have credentials, and the pickers that they ask."""
    return {release.host(picker(pool)[0], release.namespace(pool)) for pool in release.known(POOL_GROUP, POOL)} | {
        backend.host
        for route in routes(release)
        if any(parent.kind == "Gateway" for parent in route.parents)
        for rule in route.rules
        for backend in rule.backends
    }


def _is_inside(host: str, tls: "dict[str, Any]") -> bool:
    """Whether a certificate for the names that are asked for is no public authority's to sign."""
    names = [str(each) for each in (tls.get("sni"), *entries(tls.get("subjectAltNames"))) if each] or [host]
    return host != "*" and not any(is_outside(name.removeprefix("*.")) for name in names)


def _unheard(item: "KubeObject", place: str, host: str, name: str) -> Violation:
    return Violation(
        item,
        f"{place}/tls/credentialName",
        f"sidecars do not read {name}, since the rule has no workloadSelector: they leave TLS out and send plain text "
        f"to {host}; only a gateway would read it, and no route of one leads there",
        "add spec.workloadSelector with the labels of the pods that call, or name the files of a mounted Secret: "
        "caCertificates, and for mode MUTUAL clientCertificate and privateKey",
        evidence=name,
    )


def _untrusted(item: "KubeObject", place: str, host: str, mode: str) -> Violation:
    return Violation(
        item,
        f"{place}/tls",
        f"mode {mode} without caCertificates trusts the public authorities alone, and none of them signs a certificate "
        f"for {host}: connections fail, and requests are answered 503",
        "name the authority's file in caCertificates, or write insecureSkipVerify: true where nobody is to check the "
        "certificate; the mesh's own mutual TLS needs no tls at all",
        evidence=mode,
    )


RULES = (
    Rule(
        "MLM954",
        tls_without_ca,
        severity=WARNING,
        confidence=OBJECT,
        judges=("DestinationRule",),
        reads=("VirtualService", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "InferencePool"),
    ),
)
