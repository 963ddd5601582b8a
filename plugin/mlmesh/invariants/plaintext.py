"""Namespaces whose pods have sidecars, and where nothing asks for mutual TLS: MLM305."""

from mlmesh.graph.membership import has_sidecar, namespace_injects
from mlmesh.graph.mtls import namespace_mode
from mlmesh.invariants.rule import ABSENCE, PODS, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release


def scope_not_strict(release: "Release") -> "Iterator[Violation]":
    """A namespace of the release has its pods injected, and nothing asks for mutual TLS there.

    Why: Without a PeerAuthentication a sidecar takes plain text as well: who has no identity is let in wherever no
    AuthorizationPolicy asks for one.

    Bad: a Namespace with `istio-injection: enabled`, and no PeerAuthentication, or one for the namespace beside it only

    Good: a PeerAuthentication with `mtls: {mode: STRICT}` in each, or one in the mesh's root namespace

    Source: istio/istio pilot/pkg/security/authn/policy_applier.go ComposePeerAuthentication.
    """
    with_pods = {pods.namespace for pods in release.own.pods if has_sidecar(pods, release)}
    for name, item in release.own.namespaces.items():
        if name in with_pods and namespace_injects(name, release) and namespace_mode(name, release)[1] is None:
            from mlmesh.graph.newcomers import newcomer

            yield Violation(
                item,
                "/metadata/name",
                f"the pods of namespace {name} have sidecars, and no PeerAuthentication of the namespace or of the "
                f"mesh is known: they take plain text from everybody",
                f"kind: PeerAuthentication, metadata: {{name: default, namespace: {name}}}, spec: {{mtls: {{mode: "
                f"STRICT}}}}; if the mesh has one, show it by --context",
                documents=newcomer(
                    "security.istio.io/v1",
                    "PeerAuthentication",
                    (name, "default"),
                    {"mtls": {"mode": "STRICT"}},
                    release,
                ),
            )


RULES = (
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
