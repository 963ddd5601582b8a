"""The policy as an object of the release: the MeshPolicy leaves the stream as a ConfigMap."""

from mlmesh.graph.stamps import additions, stamped
from mlmesh.model.patches import Patch
from mlmesh.policy.names import KIND
from mlmesh.policy.settings import DATA_KEY, LABEL, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation


def carry(items: "Iterable[KubeObject]", policy: Policy) -> "Iterator[Patch]":
    """The patch that makes the stream's MeshPolicy a ConfigMap, or brings an earlier run's ConfigMap up to date.

    The cluster knows no kind MeshPolicy, so an install that forgets the post-renderer is refused; the ConfigMap keeps
    the settings for later runs, for ``helm test`` and for other releases.
    """
    item = policy.carrier
    if item is None or not any(each.document is item.document and each.pointer == item.pointer for each in items):
        return
    name, text = policy.configmap(item)
    if item.kind == KIND:
        at = item.pointer
        operations: list[Operation] = [
            {"op": "replace", "path": f"{at}/apiVersion", "value": "v1"},
            {"op": "replace", "path": f"{at}/kind", "value": "ConfigMap"},
            *additions(at, item.data, ("metadata",), {"name": name}),
            *additions(at, item.data, ("metadata", "labels"), {LABEL: "true"}),
            {"op": "remove", "path": f"{at}/spec"},
            {"op": "add", "path": f"{at}/data", "value": {DATA_KEY: text}},
        ]
        reason = "the settings stay in the cluster as a ConfigMap"
    else:
        operations = additions(item.pointer, item.data, ("data",), {DATA_KEY: text})
        reason = "the settings of this run, laid over the earlier ones"
    if operations:
        yield stamped(item, operations, (), reason)
