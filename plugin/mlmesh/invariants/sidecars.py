"""Sidecar settings where the injector does not look, and sizes with which no pod starts: MLM502, 503, 504, 512."""

from mlmesh.graph.stamps import additions, derived
from mlmesh.invariants.rule import OBJECT, PODS, Rule, Violation, noted
from mlmesh.manifests.patching import split
from mlmesh.model.findings import ERROR, INFO, WARNING
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

_SIDECAR = "sidecar.istio.io/"
POD_ONLY = frozenset(
    _SIDECAR + key
    for key in (
        "agentLogLevel",
        "bootstrapOverride",
        "componentLogLevel",
        "interceptionMode",
        "logLevel",
        "nativeSidecar",
        "proxyCPU",
        "proxyCPULimit",
        "proxyImage",
        "proxyImageType",
        "proxyMemory",
        "proxyMemoryLimit",
        "rewriteAppHTTPProbers",
        "userVolume",
        "userVolumeMount",
    )
) | {"proxy.istio.io/config"}
POD_ONLY_PREFIX = "traffic.sidecar.istio.io/"


def proxy_settings_misplaced(release: "Release") -> "Iterator[Violation]":
    """A sidecar's annotation on the metadata of a workload instead of its pod template does nothing.

    Why: Istio's injector reads the pod's own metadata. On a Deployment's metadata the same annotation does nothing.

    Bad: `sidecar.istio.io/proxyCPU` under a Deployment's own `metadata.annotations`

    Good: the same under `spec.template.metadata.annotations`

    Source: istio/istio pkg/kube/inject/inject.go.
    """
    for template in release.annotated:
        item = template.owner
        keys = [key for key in item.annotations() if key in POD_ONLY or str(key).startswith(POD_ONLY_PREFIX)]
        path = (template.holder or template.pointer)[len(item.pointer) :] + "/annotations"
        ours = derived(item) if keys else frozenset()
        for key in keys:
            if key in template.annotations and path + pointer(key) not in ours:
                continue  # the pods have a value of the user's own: the copy above is only noise
            yield Violation(
                item,
                pointer("metadata", "annotations", key),
                f"annotation {key} is on the {item.kind}'s own metadata, where Istio's injector does not look: its "
                f"pods do not get it",
                f"move it to {path[1:].replace('/', '.')}",
                evidence=key,
                operations=_moved(item, key, path),
            )


def _moved(item: "KubeObject", key: str, path: str) -> "tuple[Operation, ...]":
    """The annotation taken to the template's metadata; left where it is if the template has its own."""
    value = item.annotations()[key]
    return (
        *additions("", item.data, split(path), {key: value}),
        {"op": "remove", "path": pointer("metadata", "annotations", key)},
    )


def proxy_limit_below_request(release: "Release") -> "Iterator[Violation]":
    """A sidecar that requests more than its limit: the API server refuses the pod.

    Why: The injector does not compare a sidecar's request with its limit; the API server does, and refuses the pod:
    none starts.

    Bad: `proxyMemory: 1Gi` with `proxyMemoryLimit: 512Mi`

    Good: a request of at most the limit

    Source: istio/istio pkg/kube/inject/validate.go.
    """
    return noted(release, "MLM503")


def proxy_size_partial(release: "Release") -> "Iterator[Violation]":
    """A pod that sets some of its sidecar's four sizes loses the mesh's for the others.

    Why: Any one of the four sizes drops every default of the mesh, in the init container too: the others are then
    unset, not the mesh's.

    Bad: `proxyCPU` alone

    Good: all four of proxyCPU, proxyMemory, proxyCPULimit and proxyMemoryLimit

    Source: istio/istio manifests/charts/istio-control/istio-discovery/files/injection-template.yaml.
    """
    return noted(release, "MLM504")


def no_place_for_settings(release: "Release") -> "Iterator[Violation]":
    """The kind passes no annotations on to its pods: their sidecars keep the mesh's own settings.

    Why: Some kinds make their pods without passing annotations on, so what a role gets cannot be written.

    Bad: a kind whose controller takes no annotations, such as an mlops.seldon.io Server

    Good: the mesh's own sizes, or the annotations where the controller takes them from

    Source: the projects' own API types; docs/roles.md.
    """
    return noted(release, "MLM512")


RULES = (
    Rule(
        "MLM502",
        proxy_settings_misplaced,
        severity=ERROR,
        confidence=OBJECT,
        judges=(PODS,),
        scope="object",
        fix="safe",
    ),
    Rule(
        "MLM503",
        proxy_limit_below_request,
        severity=ERROR,
        confidence=OBJECT,
        judges=(PODS,),
        scope="object",
    ),
    Rule(
        "MLM504",
        proxy_size_partial,
        severity=WARNING,
        confidence=OBJECT,
        judges=(PODS,),
        scope="object",
        fix="unsafe",
    ),
    Rule(
        "MLM512",
        no_place_for_settings,
        severity=INFO,
        confidence=OBJECT,
        judges=(PODS,),
        scope="object",
    ),
)
