"""Which istiod reads an object, where there are several: one with a label of a revision is that revision's alone."""

from mlmesh.graph.fields import at, mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.manifests.objects import KubeObject


def meet(one: "KubeObject", other: "KubeObject") -> bool:
    """Whether some istiod may read both."""
    mine, its = revision(one), revision(other)
    return not (mine and its) or mine == its


def revision(item: "KubeObject") -> str:
    """The revision that an object is for; empty: for all."""
    return str(mapping(at(item.data, "metadata.labels")).get("istio.io/rev") or "")
