"""The built-in defaults, below every other layer.

The blocks of ``chat`` and ``embeddings`` and the size of the inference sidecar are the reference design's; what these
blocks do on Envoy (``attempts x perTryTimeout`` is all of ``timeout``: the last try has no time) MLM202 and 203 tell.
The other roles get the size that the reference design gives every proxy of the mesh, a feature store the inference
sidecar's CPU limit with half of its memory: many small requests, no large bodies.
"""

_MESH_WIDE = {"proxyCPU": "100m", "proxyMemory": "256Mi", "proxyCPULimit": "500m", "proxyMemoryLimit": "512Mi"}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULTS: "dict[str, dict[str, Any]]" = {
    "mesh": {"trustDomain": "cluster.local", "clusterDomain": "cluster.local", "rootNamespace": "istio-system"},
    "sidecars": {
        "inference": {
            "proxyCPU": "500m",
            "proxyMemory": "512Mi",
            "proxyCPULimit": "1000m",
            "proxyMemoryLimit": "1Gi",
        },
        "feature-store": {
            "proxyCPU": "250m",
            "proxyMemory": "256Mi",
            "proxyCPULimit": "1000m",
            "proxyMemoryLimit": "512Mi",
        },
        "model-registry": _MESH_WIDE,
        "training": _MESH_WIDE,
        "pipeline-controller": _MESH_WIDE,
        "monitoring": _MESH_WIDE,
    },
    "endpoints": {
        "types": {
            "chat": {"timeout": "120s", "attempts": 2, "perTryTimeout": "60s", "retryOn": "5xx,reset"},
            "embeddings": {"timeout": "30s", "attempts": 3, "perTryTimeout": "10s"},
        }
    },
}

# Roles of proxies of their own, which no sidecar's settings concern.
PROXY_ROLES = ("gateway", "picker")
