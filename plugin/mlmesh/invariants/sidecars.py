"""Sidecar settings where the injector does not look: MLM502.

Istio's injector reads the pod's own metadata (istio/istio pkg/kube/inject/inject.go); on a Deployment's metadata the
same annotation does nothing.
"""

from mlmesh.graph.pods import TEMPLATES
from mlmesh.graph.stamps import derived
from mlmesh.invariants.rule import Rule, Violation
from mlmesh.model.findings import ERROR
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release

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
    """Sidecar annotations on the metadata of an object that has a pod template, which its pods never see."""
    for template in release.annotated:
        item = template.owner
        keys = [key for key in item.annotations() if key in POD_ONLY or str(key).startswith(POD_ONLY_PREFIX)]
        path = template.pointer[len(item.pointer) :] + "/metadata/annotations"
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
            )


RULES = (
    Rule(
        code="MLM502",
        name="proxy-settings-misplaced",
        severity=ERROR,
        confidence="object",
        scope="object",
        kinds=tuple(sorted(kind for _, kind in TEMPLATES if kind != "Pod")),
        fix="safe",
        summary="A sidecar's annotation on the metadata of a workload instead of its pod template does nothing.",
        check=proxy_settings_misplaced,
    ),
)
