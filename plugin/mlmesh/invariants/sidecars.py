"""Sidecar settings where the injector does not look, and sizes with which no pod starts: MLM502, 503, 504, 512.

Istio's injector reads the pod's own metadata (istio/istio pkg/kube/inject/inject.go); on a Deployment's metadata the
same annotation does nothing. Any one of the four sizes drops every size of the mesh, in the init container too (its
injection template); it does not compare them, but the API server refuses a request above its limit.
"""

from mlmesh.graph.stamps import derived
from mlmesh.invariants.rule import PODS, Rule, Violation, noted
from mlmesh.model.findings import ERROR, INFO, WARNING
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
            )


RULES = (
    Rule(
        code="MLM502",
        name="proxy-settings-misplaced",
        severity=ERROR,
        confidence="object",
        scope="object",
        kinds=PODS,
        fix="safe",
        summary="A sidecar's annotation on the metadata of a workload instead of its pod template does nothing.",
        check=proxy_settings_misplaced,
    ),
    Rule(
        code="MLM503",
        name="proxy-limit-below-request",
        severity=ERROR,
        confidence="object",
        scope="object",
        kinds=PODS,
        fix="none",
        summary="A sidecar that requests more than its limit: the API server refuses the pod.",
        check=noted("MLM503"),
    ),
    Rule(
        code="MLM504",
        name="proxy-size-partial",
        severity=WARNING,
        confidence="object",
        scope="object",
        kinds=PODS,
        fix="safe",
        summary="A pod of no known role that sets some of its sidecar's four sizes loses the mesh's for the others.",
        check=noted("MLM504"),
    ),
    Rule(
        code="MLM512",
        name="no-place-for-settings",
        severity=INFO,
        confidence="object",
        scope="object",
        kinds=PODS,
        fix="none",
        summary="The kind passes no annotations on to its pods: their sidecars keep the mesh's own settings.",
        check=noted("MLM512"),
    ),
)
