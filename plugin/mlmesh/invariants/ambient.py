"""What is written for sidecars where the ambient mesh has none: MLM969."""

from mlmesh.graph.fields import at, mapping
from mlmesh.graph.membership import namespace_injects
from mlmesh.graph.route import ISTIO
from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release

DATAPLANE = "istio.io/dataplane-mode"


def sidecar_in_ambient(release: "Release") -> "Iterator[Violation]":
    """A Sidecar is for pods of the ambient mesh, which have no sidecar: it does nothing.

    Why: A Sidecar scopes what the proxies beside pods know of the mesh. In the ambient mesh there are none: neither
    ztunnel nor a waypoint reads it, and what it was to close stays open.

    Bad: a Sidecar in a namespace with the label `istio.io/dataplane-mode: ambient`

    Good: a waypoint for the namespace, and AuthorizationPolicies at it

    Source: istio/istio pkg/config/analysis/analyzers/sidecar/selector.go (IST0167).
    """
    for item in release.of(ISTIO, "Sidecar"):
        namespace = release.namespace(item)
        labels = mapping(at(item.data, "spec.workloadSelector.labels"))
        if labels:
            pods = list(release.selected(namespace, labels))
            if not pods or not all(_is_ambient(each, release) for each in pods):
                continue
            where, place = f"the pods that it selects ({pods[0].title})", "/spec/workloadSelector"
        else:
            if namespace == release.mesh("rootNamespace") or not _ambient_namespace(namespace, release):
                continue  # that of the root namespace is for every namespace
            if any(each.injection == "true" for each in release.selection.within(namespace)):
                continue  # some of its pods ask for a sidecar nevertheless
            where, place = f"the pods of namespace {namespace}", "/metadata/name"
        yield Violation(
            item,
            place,
            f"{where} are of the ambient mesh ({DATAPLANE}: ambient) and have no sidecar: the Sidecar does nothing",
            "take it away; a waypoint and AuthorizationPolicies at it are what limits calls there",
            evidence=namespace,
        )


def _ambient_namespace(namespace: str, release: "Release") -> bool:
    labels = release.namespace_labels(namespace) or {}
    return labels.get(DATAPLANE) == "ambient" and not namespace_injects(namespace, release)


def _is_ambient(pods: "Pods", release: "Release") -> bool:
    """Whether pods are of the ambient mesh; one that asks for a sidecar is not."""
    said = pods.label(DATAPLANE)
    if pods.injection == "true" or said == "none":
        return False
    if namespace_injects(pods.namespace, release) and pods.injection != "false":
        return False
    return said == "ambient" or _ambient_namespace(pods.namespace, release)


RULES = (
    Rule(
        "MLM969",
        sidecar_in_ambient,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("Sidecar",),
        reads=("Namespace", PODS),
    ),
)
