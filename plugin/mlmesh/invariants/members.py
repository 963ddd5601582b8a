"""Policies for pods that no sidecar enforces them for: MLM509."""

from mlmesh.graph.authorization import guarded_by
from mlmesh.graph.fields import at, mapping
from mlmesh.graph.membership import namespace_injects
from mlmesh.graph.stamps import additions
from mlmesh.invariants.injection import DATAPLANE, INJECTION
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

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
        "MLM509",
        member_not_injected,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("Namespace",),
        reads=("AuthorizationPolicy", "PeerAuthentication", PODS),
        fix="unsafe",
    ),
)
