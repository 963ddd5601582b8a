"""All that one pod gets, topic by topic.

The metrics of monitoring pods are one of them. The injector sends those who scrape a pod to the agent's port 15020,
where the application's metrics and the proxy's are one page, open to plain text under STRICT too (istio/istio
pkg/kube/inject/webhook.go applyPrometheusMerge). Whether it does is a setting of the mesh; a pod that tells Prometheus
where to scrape it must not depend on that: with merging off its own port answers nobody outside the mesh. What a
monitoring pod itself scrapes needs no setting: its proxy passes calls to pod addresses on as they are.
"""

from mlmesh.graph.pods import PodTemplate
from mlmesh.graph.release import Release
from mlmesh.sidecars import lifecycle, proxy_config, resources
from mlmesh.sidecars.sidecar import Sidecar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MERGE = "prometheus.istio.io/merge-metrics"
SCRAPE = "prometheus.io/scrape"


def settled(
    pod: PodTemplate, role: str, release: Release, ours: "frozenset[str]", templates: "Sequence[PodTemplate]"
) -> Sidecar:
    """What a pod of this role gets; without a role nothing, not even what an earlier run gave it.

    ``templates`` are all of the object, ``ours`` the pointers of what an earlier run derived into it.
    """
    sidecar = Sidecar(pod, role, release, ours)
    if role:
        resources.size(sidecar)
        if sidecar.is_left:
            resources.note_partial(sidecar)
        lifecycle.settle(sidecar)
        if pod.owner.group == "ray.io" or sidecar.block.get("excludePorts") is not None:
            from mlmesh.sidecars import ports

            ports.exclude(sidecar, templates)
        offers_metrics = str(sidecar.theirs.get(SCRAPE, "")).lower() == "true"
        if offers_metrics and sidecar.block.get("mergeMetrics") and MERGE not in sidecar.theirs:
            sidecar.annotations[MERGE] = "true"
    elif proxy_config.CONFIG in sidecar.theirs:
        proxy_config.add(sidecar, proxy_config.theirs(sidecar), {})
    return sidecar
