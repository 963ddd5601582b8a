"""Proxies whose image the injector was to fill in, where it is not asked: MLM960."""

from mlmesh.graph.fields import maps
from mlmesh.graph.membership import injected
from mlmesh.invariants.rule import ABSENCE, PODS, Rule, Violation, noted
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release

PROXY, AUTO = "istio-proxy", "auto"


def inspect(templates: "Sequence[PodTemplate]", _roles: "Sequence[str]", release: "Release") -> None:
    """Note MLM960 for the templates of a document, whose pods the release has taken last."""
    for template, pods in zip(templates, release.own.pods[-len(templates) :], strict=True):
        for field in ("containers", "initContainers"):
            for index, container in maps(template.spec.get(field)):
                if container.get("name") == PROXY and container.get("image") == AUTO:
                    violation = _uninjected(template, pods, f"{field}/{index}/image", release)
                    if violation is not None:
                        release.notes.setdefault("MLM960", []).append(violation)


def image_auto(release: "Release") -> "Iterator[Violation]":
    """A proxy's image is `auto`, and the injector, which fills it in, is not asked for its pods: none of them starts.

    Why: `image: auto` is a place that the injector fills. Where no webhook is asked, the kubelet looks for an image of
    that name, and the pods stay at ImagePullBackOff.

    Bad: a gateway's Deployment with `image: auto`, no label on its pods, and a namespace without `istio-injection`

    Good: the label `sidecar.istio.io/inject: "true"` on the pod template

    Source: istio/istio pkg/config/analysis/analyzers/injection/image-auto.go (IST0146, IST0147).
    """
    return noted(release, "MLM960")


def _uninjected(template: "PodTemplate", pods: "Pods", place: str, release: "Release") -> Violation | None:
    answer = injected(pods, release)
    if answer:
        return None
    owner, namespace = template.owner, pods.namespace
    if pods.host_network:
        reason, remedy = "the injector leaves out pods on the host's network", "leave hostNetwork out"
    elif pods.injection == "false":
        reason, remedy = "the pods say that they want no injection", 'label sidecar.istio.io/inject: "true"'
    elif (release.namespace_labels(namespace) or {}).get("istio-injection") == "disabled":
        reason, remedy = f"namespace {namespace} has istio-injection: disabled", "take that label from the namespace"
    elif answer is None:
        reason = "the pods do not ask for injection, and if their namespace, which is not in this release, does not"
        remedy = 'label the pod template sidecar.istio.io/inject: "true"'
    else:
        reason = f"neither the pods nor namespace {namespace} ask for injection"
        remedy = 'label the pod template sidecar.istio.io/inject: "true"'
    sure = pods.host_network or pods.injection == "false" or release.owns(namespace)
    return Violation(
        owner,
        f"{(template.spec_pointer or template.pointer)[len(owner.pointer) :]}/{place}",
        f"{reason}{', ' if answer is None else ': '}nobody fills in the image of {PROXY}, {AUTO} is pulled as an image "
        f"of that name, and the pods do not start",
        f"{remedy}; or name an image",
        severity=ERROR if sure else WARNING,
        evidence=template.part,
    )


RULES = (
    Rule(
        "MLM960",
        image_auto,
        severity=ERROR,
        confidence=ABSENCE,
        judges=(PODS,),
        reads=("Namespace",),
    ),
)
