"""Objects that the stream holds twice: MLM903."""

from mlmesh.graph.fields import at
from mlmesh.invariants.rule import CONTRADICTION, Rule, Violation
from mlmesh.manifests.objects import named, objects
from mlmesh.model.findings import ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

SHOWN = 3  # places in the message
_HOOK = "helm.sh/hook"  # hooks come one after the other, and the one before is deleted: two may have one name


def object_twice(release: "Release") -> "Iterator[Violation]":
    """The stream holds an object twice: an installation stops at the second, or the second replaces the first.

    Why: `helm install` of Helm 3 creates each object, and fails at one that exists already, when those before it are
    there. Whatever applies objects instead (Helm 4, kubectl, an upgrade) keeps the last of them, and nobody is told.

    Bad: two templates that render a ServiceAccount `llm` into one namespace

    Good: one of them, or a name of its own for each

    Source: helm/helm pkg/kube/client.go.
    """
    copies: dict[tuple[str, str, str, str], list[KubeObject]] = {}
    sources: dict[int, str] = {}
    for item in _suspects(release, sources):
        annotations = at(item.data, "metadata.annotations")
        if at(item.data, "metadata.name") and not (isinstance(annotations, dict) and _HOOK in annotations):
            copies.setdefault((item.group, item.kind, release.namespace(item), item.name), []).append(item)
    for same in copies.values():
        if len(same) < 2:
            continue
        # An allowance on one copy is for the object.
        spoken = [item for item in same if "allow.mlmesh.dev/MLM903" in item.annotations()]
        places = [_place(item, sources) for item in (*same[:SHOWN], same[-1])[: len(same)]]
        times = "twice" if len(same) == 2 else f"{len(same)} times"
        others = ", ".join(places[:-1]) + (", ..." if len(same) > SHOWN + 1 else "")
        for item in spoken or same[1:2]:
            yield Violation(
                item,
                "/metadata/name",
                f"{item.title} is in the stream {times}, in {others} and {places[-1]}: helm install of Helm 3 fails at "
                "the second, with half of the release in the cluster, and whatever applies them keeps the last alone",
                "leave one of them, or give each a name of its own",
            )


def _suspects(release: "Release", sources: dict[int, str]) -> "Iterator[KubeObject]":
    """What is in the documents that seem to be alike, by name; and the templates that made these."""
    documents = dict.fromkeys(document for group in release.alike for document in group)
    for document in documents:
        sources[document.index] = document.source
        if not document.kind.endswith("List"):
            yield from map(named, objects(document, document.data))
            document.forget()
    yield from (item for item in release.listed if item.document in documents)


def _place(item: "KubeObject", sources: dict[int, str]) -> str:
    source = sources[item.document.index]
    return f"document {item.document.index}" + (f" ({source})" if source else "")


RULES = (Rule("MLM903", object_twice, severity=ERROR, confidence=CONTRADICTION, judges=("any",), scope="set"),)
