"""Pods that ask for a sidecar and get none, or ask for two things at once: MLM501, 508, 510."""

from mlmesh.graph.inventory import INJECT, REVISION
from mlmesh.graph.membership import namespace_injects
from mlmesh.graph.stamps import additions
from mlmesh.invariants.rule import ABSENCE, OBJECT, PODS, Rule, Violation, noted
from mlmesh.manifests.patching import split
from mlmesh.model.findings import ERROR, WARNING
from mlmesh.model.patches import pointer
from mlmesh.policy.defaults import PROXY_ROLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release

INJECTION, DATAPLANE = "istio-injection", "istio.io/dataplane-mode"
SCRAPED = "monitoring"  # the role of pods that ask others by address, past every proxy


def inspect(templates: "Sequence[PodTemplate]", roles: "Sequence[str]", release: "Release") -> None:
    """Note MLM501, MLM508 and MLM510 for the templates of a document; once where several share their metadata."""
    done: set[str] = set()
    for template, role in zip(templates, roles, strict=True):
        if template.holder is None or role in PROXY_ROLES:
            continue
        if template.spec.get("hostNetwork") is True:
            _note(release, "MLM510", _without_network(template, role, release))
        elif template.holder not in done:
            done.add(template.holder)
            _note(release, "MLM501", _by_annotation(template, release))
            _note(release, "MLM508", _clash(template, release))


def inject_annotation_only(release: "Release") -> "Iterator[Violation]":
    """A pod asks for a sidecar by annotation in a namespace without injection: it starts without one.

    Why: The webhook is asked by labels. The annotation, which is deprecated, can only say no. A pod without a sidecar
    has no identity: peers under STRICT refuse its calls, and no policy guards it.

    Bad: annotation `sidecar.istio.io/inject: "true"`, no label, and a namespace without `istio-injection`

    Good: the label `sidecar.istio.io/inject: "true"` on the pod template

    Source: istio/istio pkg/kube/inject/inject.go, manifests/charts/istio-control/istio-discovery/templates/
    mutatingwebhook.yaml; kubeflow/community-distribution issue 2798.
    """
    return noted(release, "MLM501")


def injection_label_clash(release: "Release") -> "Iterator[Violation]":
    """Labels of a namespace or a pod ask for two things at once, of which injection takes one.

    Why: `istio-injection` goes before `istio.io/rev`, and where it is disabled no pod gets a sidecar, whatever its own
    label says. The label `sidecar.istio.io/inject` goes before the annotation. A pod with a sidecar is not in the
    ambient mesh.

    Bad: `istio-injection: disabled` beside `istio.io/rev: stable` on a Namespace

    Good: the one that is meant

    Source: istio/istio manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml, IST0123.
    """
    for item in release.own.namespaces.values():
        labels = release.namespace_labels(item.name) or {}
        injection, revision = labels.get(INJECTION), labels.get(REVISION)
        if (
            injection in ("enabled", "disabled")
            and revision is not None
            and (injection, revision) != ("enabled", "default")
        ):
            lost = INJECTION if injection == "disabled" else REVISION
            yield Violation(
                item,
                pointer("metadata", "labels", REVISION),
                f"{INJECTION}: {injection} goes before {REVISION}: {revision}: "
                + (
                    "the namespace's pods get no sidecar"
                    if injection == "disabled"
                    else f"the namespace's pods get their sidecars from the default revision, not from {revision}, and "
                    f"none where there is no default"
                ),
                f"take {lost} away, or the other if that one is meant",
                evidence=str(revision),
                operations=({"op": "remove", "path": pointer("metadata", "labels", lost)},),
            )
        if labels.get(DATAPLANE) == "ambient" and namespace_injects(item.name, release):
            yield Violation(
                item,
                pointer("metadata", "labels", DATAPLANE),
                f"the namespace is ambient and has sidecars injected ({INJECTION if injection else REVISION}): its "
                f"pods get sidecars, and the ambient mesh leaves them out",
                f"take {DATAPLANE} away, or what asks for sidecars",
                evidence=DATAPLANE,
                operations=({"op": "remove", "path": pointer("metadata", "labels", DATAPLANE)},),
            )
    yield from noted(release, "MLM508")


def host_network_member(release: "Release") -> "Iterator[Violation]":
    """A pod on the host's network is meant to be of the mesh: it never gets a sidecar.

    Why: The injector leaves out pods on the host's network, whatever their labels say, since it would redirect the
    node's own traffic. Such a pod has no identity: peers under STRICT refuse it, and no policy guards it.

    Bad: `hostNetwork: true` beside the label `sidecar.istio.io/inject: "true"`

    Good: the pod's own network; or the label `sidecar.istio.io/inject: "false"`, and exceptions where it calls

    Source: istio/istio pkg/kube/inject/inject.go injectRequired.
    """
    return noted(release, "MLM510")


def _note(release: "Release", code: str, violations: "Iterator[Violation]") -> None:
    for violation in violations:
        release.notes.setdefault(code, []).append(violation)


def _by_annotation(template: "PodTemplate", release: "Release") -> "Iterator[Violation]":
    """A pod that the annotation alone asks a sidecar for."""
    owner, labels = template.owner, template.labels
    namespace = release.namespace(owner)
    if str(template.annotations.get(INJECT, "")).lower() != "true" or INJECT in labels or REVISION in labels:
        return
    if namespace_injects(namespace, release) is not False:
        return
    found = release.namespace_labels(namespace) or {}
    if found.get(DATAPLANE) == "ambient":
        return  # they are of the mesh without one
    off = found.get(INJECTION) is not None
    path = f"{template.holder}/labels"[len(owner.pointer) :]
    remedy = f'write the label {INJECT}: "true" under {path[1:].replace("/", ".")}'
    yield Violation(
        owner,
        f"{template.annotations_pointer}"[len(owner.pointer) :] + pointer(INJECT),
        f"annotation {INJECT} asks for a sidecar, but only the label of that name does so where the namespace has no "
        f"injection, as {namespace}: the pods start without a sidecar, and peers under STRICT refuse their calls",
        f"take {INJECTION} from the namespace, where no webhook is asked, and {remedy}" if off else remedy,
        severity=release.weight(namespace),
        evidence=template.part,
        operations=() if off else tuple(additions("", owner.data, split(path), {INJECT: "true"})),
    )


def _clash(template: "PodTemplate", release: "Release") -> "Iterator[Violation]":
    """A pod whose own label says another thing than its annotation, or than its namespace."""
    owner = template.owner
    label, annotation = template.labels.get(INJECT), template.annotations.get(INJECT)
    namespace = release.namespace(owner)
    place = f"{template.holder}/labels"[len(owner.pointer) :] + pointer(INJECT)
    if label in ("true", "false") and annotation in ("true", "false") and label != annotation:
        yield Violation(
            owner,
            place,
            f'the label {INJECT} says "{label}", the annotation "{annotation}": the label counts, and the pods get '
            f"{'a' if label == 'true' else 'no'} sidecar where their namespace lets them",
            "take the annotation away, or the label if the annotation is meant",
            severity=WARNING,
            evidence=template.part,
        )
    asks = label == "true" or (label is None and REVISION in template.labels)
    if asks and (release.namespace_labels(namespace) or {}).get(INJECTION) == "disabled":
        yield Violation(
            owner,
            place,
            f"the pods' label asks for a sidecar, and namespace {namespace} has {INJECTION}: disabled, where no "
            f"webhook is asked: they start without one, and peers under STRICT refuse their calls",
            f"take {INJECTION} from the namespace: without it the pods' labels count",
            severity=release.weight(namespace),
            evidence=f"{template.part} {namespace}",
        )
    elif asks and template.labels.get(DATAPLANE) == "ambient":
        yield Violation(
            owner,
            place,
            "the pods' labels ask for a sidecar and for the ambient mesh: they get the sidecar, and the ambient mesh "
            "leaves them out",
            f"take {DATAPLANE} or {INJECT} away",
            evidence=f"{template.part} ambient",
        )


def _without_network(template: "PodTemplate", role: str, release: "Release") -> "Iterator[Violation]":
    """A pod on the host's network that asks for a sidecar, or plays a role where pods get one."""
    owner, namespace = template.owner, release.namespace(template.owner)
    said = template.labels.get(INJECT, template.annotations.get(INJECT))
    if said == "false":
        return
    if said == "true":
        asked = f"label or annotation {INJECT}"
    elif role and role != SCRAPED and namespace_injects(namespace, release):
        asked = f"namespace {namespace}"
    else:
        return
    place = (template.spec_pointer or template.pointer)[len(owner.pointer) :] + "/hostNetwork"
    yield Violation(
        owner,
        place,
        f"{asked} asks for a sidecar, which pods on the host's network never get: peers under STRICT refuse their "
        f"calls, and no policy guards them",
        f'leave hostNetwork out; or say {INJECT}: "false" by label, and except the ports that they call',
        evidence=template.part,
    )


RULES = (
    Rule(
        "MLM501",
        inject_annotation_only,
        severity=ERROR,
        confidence=ABSENCE,
        judges=(PODS,),
        reads=("Namespace",),
        fix="safe",
    ),
    Rule(
        "MLM508",
        injection_label_clash,
        severity=ERROR,
        confidence=OBJECT,
        judges=("Namespace", PODS),
        fix="unsafe",
    ),
    Rule(
        "MLM510",
        host_network_member,
        severity=WARNING,
        confidence=OBJECT,
        judges=(PODS,),
        reads=("Namespace",),
    ),
)
