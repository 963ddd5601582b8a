"""The built-in defaults, below every other layer.

The blocks of ``chat`` and ``embeddings`` and the size of the inference sidecar are the reference design's; what these
blocks do on Envoy (``attempts x perTryTimeout`` is all of ``timeout``: the last try has no time) MLM202 and 203 tell.
The other roles get the size that the reference design gives every proxy of the mesh, a feature store the inference
sidecar's CPU limit with half of its memory: many small requests, no large bodies.

A role's block is all that its pods get. Pods that ask something of others as they start (weights, a database, a
rendezvous, the API server) wait for their proxy; what monitors asks again by itself. Long answers and large artifacts
may take the ten minutes that the cluster autoscaler gives a pod when it empties a node (its default, ``--max-graceful-
termination-sec``); a feature or a pipeline's state is answered in less than one. A training pod ends with its work, and
nobody's request is cut off by that. Where its object does not say on which ports its peers meet, they are those of
torchrun (29500, 29400 for c10d), and no others: a port that is excluded leaves mTLS and authorization.
"""

from mlmesh.policy.blocks import BLOCKS

MESH_WIDE = {"proxyCPU": "100m", "proxyMemory": "256Mi", "proxyCPULimit": "500m", "proxyMemoryLimit": "512Mi"}
_HELD = {"holdApplicationUntilProxyStarts": True}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULTS: "dict[str, dict[str, Any]]" = {
    "mesh": {
        "trustDomain": "cluster.local",
        "clusterDomain": "cluster.local",
        "rootNamespace": "istio-system",
        "nativeSidecars": "auto",
        "gatewayApiChannel": "standard",
    },
    "sidecars": {
        "inference": {
            "proxyCPU": "500m",
            "proxyMemory": "512Mi",
            "proxyCPULimit": "1000m",
            "proxyMemoryLimit": "1Gi",
            **_HELD,
            "drainMaximum": "600s",
        },
        "feature-store": {
            "proxyCPU": "250m",
            "proxyMemory": "256Mi",
            "proxyCPULimit": "1000m",
            "proxyMemoryLimit": "512Mi",
            **_HELD,
            "drainMaximum": "60s",
        },
        "model-registry": {**MESH_WIDE, **_HELD, "drainMaximum": "600s"},
        "training": {**MESH_WIDE, **_HELD, "excludePorts": [29400, 29500]},
        "pipeline": {**MESH_WIDE, **_HELD, "drainMaximum": "60s"},
        "monitoring": {**MESH_WIDE, "mergeMetrics": True},
    },
    "endpoints": {"types": BLOCKS},
}

# Roles of proxies of their own, which no sidecar's settings concern.
PROXY_ROLES = ("gateway", "picker")

# Endpoint types whose time follows from tokens: those that write them, and those that only read them.
GENERATING = ("chat", "completion", "stream", "responses")
READING = ("embeddings", "rerank", "classify")
