"""Objects of the mesh that select pods which others select, too, or which nobody has: MLM951, 953."""

from mlmesh.graph.fields import at, mapping
from mlmesh.graph.kinds import MESH_KINDS, POD_KINDS, WITHOUT_PODS
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.invariants.rule import ABSENCE, CONTRADICTION, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

_SECURITY = "security.istio.io"
_SELECTOR, _WORKLOADS = "spec.selector.matchLabels", "spec.workloadSelector.labels"
SELECTING: tuple[tuple[str, str, str], ...] = (
    (_SECURITY, "AuthorizationPolicy", _SELECTOR),
    (_SECURITY, "PeerAuthentication", _SELECTOR),
    (_SECURITY, "RequestAuthentication", _SELECTOR),
    ("telemetry.istio.io", "Telemetry", _SELECTOR),
    ("extensions.istio.io", "WasmPlugin", _SELECTOR),
    (ISTIO, "ProxyConfig", _SELECTOR),
    (ISTIO, "EnvoyFilter", _WORKLOADS),
    (ISTIO, "Sidecar", _WORKLOADS),
)
_AMBIENT, _REVISION = "istio.io/dataplane-mode", "istio.io/rev"
# Labels that no template has: Kubernetes, Argo Rollouts or Istio gives them to pods.
_GIVEN = ("hash", "topology.", "istio.io/", "gateway.networking", "statefulset", "batch.", "controller-", "job-name")
# Groups of kinds whose pods have the labels of their template, and few others; controllers of others add to them.
_PLAIN = ("", "apps", "batch", "argoproj.io")


def sidecars_overlap(release: "Release") -> "Iterator[Violation]":
    """Two Sidecars are for the same pods: their proxies go by one of them, and by nothing of the other.

    Why: istiod joins no Sidecars. Of several that select a pod, and of several without a selector in a namespace, it
    takes the oldest; what another adds to the egress hosts, or says of outbound traffic, nobody has.

    Bad: two Sidecars without a `workloadSelector` in one namespace, one of each chart

    Good: one Sidecar for the namespace, and for pods that need another one with their labels

    Source: istio/istio pilot/pkg/model/push_context.go doGetSidecarScope,
    pkg/config/analysis/analyzers/sidecar/selector.go (IST0110, IST0111).
    """
    own = {id(item) for item in release.of(ISTIO, "Sidecar")}
    wide: dict[str, list[KubeObject]] = {}
    selecting: dict[int, tuple[Pods, list[KubeObject]]] = {}
    for item in release.known(ISTIO, "Sidecar"):
        namespace, labels = release.namespace(item), mapping(at(item.data, _WORKLOADS))
        if not labels:
            wide.setdefault(namespace, []).append(item)
        for pods in release.selected(namespace, labels) if labels else ():
            if not _is_ambient(pods.namespace, release) and pods.label(_AMBIENT) != "ambient":
                selecting.setdefault(id(pods), (pods, []))[1].append(item)
    for namespace, items in wide.items():
        if len(items) > 1 and not _is_ambient(namespace, release):
            yield from _overlapping(items, f"all pods of {namespace or 'its namespace'}", own, release)
    told: set[tuple[int, ...]] = set()
    for pods, items in selecting.values():
        if len(items) > 1 and tuple(map(id, items)) not in told:
            told.add(tuple(map(id, items)))
            yield from _overlapping(items, pods.title, own, release)


def _overlapping(items: "list[KubeObject]", whom: str, own: set[int], release: "Release") -> "Iterator[Violation]":
    for item in items:
        other = next((each for each in items if _differs(item, each, release)), None)
        if other is not None and id(item) in own:
            is_wide = not at(item.data, _WORKLOADS)
            alike = at(item.data, "spec") == at(other.data, "spec")
            yield Violation(
                item,
                "/metadata/name" if is_wide else "/spec/workloadSelector",
                f"{other.title} is for {whom}, too: their proxies go by the older of the two, and by nothing of the "
                f"other",
                "write both into one Sidecar"
                + (", or give one of them a workloadSelector" if is_wide else ", or labels that tell the pods apart"),
                severity=ERROR if id(other) in own and not alike else WARNING,
                evidence=other.title,
            )


def _differs(one: "KubeObject", other: "KubeObject", release: "Release") -> bool:
    """Whether two are two objects, for the same istiod."""
    revisions = {str(mapping(at(each.data, "metadata.labels")).get(_REVISION) or "") for each in (one, other)}
    return (release.namespace(one), one.name) != (release.namespace(other), other.name) and len(revisions - {""}) < 2


def _is_ambient(namespace: str, release: "Release") -> bool:
    return (release.namespace_labels(namespace) or {}).get(_AMBIENT) == "ambient"


def selects_no_workload(release: "Release") -> "Iterator[Violation]":
    """A policy, a Sidecar or another object for some pods selects labels that no pod has: it holds for nobody.

    Why: Nothing tells that a selector misses. A policy that is to refuse lets through, one that is to let through is
    not there to be found wrong, and the pods that were meant go by what the namespace has. Labels of a component
    of the policy may be those of another release's pods: an info.

    Bad: `selector: {matchLabels: {app: vllm}}` where the pods say `app.kubernetes.io/name: vllm`

    Good: labels that the pods' template has

    Source: istio/istio pkg/config/analysis/analyzers/authz/authorizationpolicies.go (IST0127), sidecar/selector.go,
    telemetry/selector.go (IST0101); Kiali KIA0004.
    """
    root = release.mesh("rootNamespace")
    there = {pods.namespace for pods in release.own.pods}
    near, sure = _Near(release), dict[str, bool]()
    # The policy says of its components that there are such pods, whoever deploys them.
    components = release.policy.spec.get("components", {}).values()
    declared = {_place(each.get("namespace"), mapping(each.get("selector"))) for each in components}
    for group, kind, path in SELECTING:
        for item in release.of(group, kind):
            labels = mapping(at(item.data, path))
            namespace = release.namespace(item)
            if not labels or namespace not in there or namespace == root or at(item.data, "spec.targetRefs"):
                continue
            if any(word in str(key) for key in labels for word in _GIVEN) or _is_had(namespace, labels, release):
                continue
            if namespace not in sure:
                sure[namespace] = release.owns(namespace) and _is_whole(namespace, release)
            missed = _missed(item, path, labels, namespace, near)
            if not sure[namespace] or _place(namespace, labels) in declared:
                missed.severity = INFO
                missed.message += ", unless another release has such pods"
            yield missed


def _is_had(namespace: str, labels: "dict[str, Any]", release: "Release") -> bool:
    """Whether some pods have all of the labels, or what else stands for a workload does."""
    if next(release.selected(namespace, labels), None) is not None:
        return True
    places = (
        (ISTIO, "WorkloadEntry", "spec.labels"),
        (ISTIO, "WorkloadGroup", "spec.metadata.labels"),
        (GATEWAY_API, "Gateway", "spec.infrastructure.labels"),
    )
    return any(
        labels.items() <= mapping(at(each.data, path)).items()
        for group, kind, path in places
        for each in release.known(group, kind)
        if release.namespace(each) == namespace
    )


def _place(namespace: object, labels: "dict[str, Any]") -> str:
    return " ".join((str(namespace), *sorted(f"{key}={value}" for key, value in labels.items())))


def _is_whole(namespace: str, release: "Release") -> bool:
    """Whether templates tell all pods of a namespace: no controller adds labels, or pods, of its own."""
    if any(pods.group not in _PLAIN for pods in release.selection.within(namespace)):
        return False
    read = MESH_KINDS | POD_KINDS | WITHOUT_PODS
    found = [(item.group, release.namespace(item)) for item in release.listed if item.kind not in read]
    for document in release.documents:
        if document.kind not in read and not document.kind.endswith("List"):
            version, where, _ = document.identity or ("", "", "")
            group = version.rpartition("/")[0] if version else "un.read"
            found.append((group, where or release.policy.namespace if version else namespace))
    return not any("." in group and not group.endswith(".k8s.io") and where == namespace for group, where in found)


class _Near:
    """Pods of a namespace that have a label, whatever it says: each is looked for once."""

    def __init__(self, release: "Release") -> None:
        self._release = release
        self._found: dict[tuple[str, str], Pods | None] = {}

    def hint(self, namespace: str, labels: "dict[str, Any]") -> str:
        """What pods of a namespace have in place of some labels, in words."""
        for key in labels:
            if (namespace, key) not in self._found:
                within = self._release.selection.within(namespace)
                self._found[namespace, key] = next((pods for pods in within if pods.label(key) is not None), None)
            pods = self._found[namespace, key]
            if pods is not None:
                return f"{pods.title} has {', '.join(f'{key}: {pods.label(key)}' for key in labels if pods.label(key))}"
        return f"no pod there has a label {next(iter(labels))}"


def _missed(item: "KubeObject", path: str, labels: "dict[str, Any]", namespace: str, near: _Near) -> Violation:
    wanted = ", ".join(f"{key}: {value}" for key, value in labels.items())
    return Violation(
        item,
        "/" + path.replace(".", "/"),
        f"no pod of namespace {namespace} that is known here has {wanted} ({near.hint(namespace, labels)}): the "
        f"{item.kind} holds for nobody",
        "write labels that the pods' template has, or take the object away",
        evidence=wanted,
    )


RULES = (
    Rule(
        "MLM951",
        sidecars_overlap,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("Sidecar",),
        reads=("Namespace", PODS),
    ),
    Rule(
        "MLM953",
        selects_no_workload,
        severity=WARNING,
        confidence=ABSENCE,
        judges=tuple(kind for _, kind, _ in SELECTING),
        reads=("WorkloadEntry", "WorkloadGroup", "Gateway", PODS),
    ),
)
