"""The release as objects: the documents that a stage reads, opened, with names resolved."""

from mlmesh.graph.hosts import fqdn
from mlmesh.graph.pods import PodTemplate, pod_template
from mlmesh.manifests.objects import KubeObject, objects
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from mlmesh.manifests.stream import Document, Stream
    from mlmesh.policy.settings import Policy

# Kinds that some stage reads. A document of another kind is never parsed.
READ = frozenset(
    {
        "AuthorizationPolicy",
        "CronJob",
        "DaemonSet",
        "Deployment",
        "DestinationRule",
        "GRPCRoute",
        "Gateway",
        "HTTPRoute",
        "Job",
        "MeshPolicy",
        "Namespace",
        "Pod",
        "Service",
        "ServiceAccount",
        "StatefulSet",
        "VirtualService",
    }
)
_POLICY_MARK = b"mlmesh.dev/policy"


def read_objects(stream: "Stream") -> "dict[int, list[KubeObject]]":
    """The objects of every document that a stage reads, by the document's index."""
    return {
        document.index: list(objects(document, document.data)) for document in stream.documents if _is_read(document)
    }


def _is_read(document: "Document") -> bool:
    kind = document.kind
    if not kind:
        raise InputError(
            "the document has no kind",
            place=document.place,
            remedy="every document of a stream is a Kubernetes object: see the template that renders it",
        )
    return kind in READ or kind.endswith("List") or (kind == "ConfigMap" and document.mentions(_POLICY_MARK))


class Release:
    """The objects of one release and what can be asked of them. Namespaces left out are the release's own."""

    __slots__ = ("_by_kind", "_owned", "policy")

    def __init__(self, by_document: "Mapping[int, list[KubeObject]]", policy: "Policy") -> None:
        self.policy = policy
        self._by_kind: dict[tuple[str, str], list[KubeObject]] = {}
        for items in by_document.values():
            for item in items:
                self._by_kind.setdefault((item.group, item.kind), []).append(item)
        self._owned = frozenset(policy.spec.get("owns", ())) | {
            item.name for item in self._by_kind.get(("", "Namespace"), ())
        }

    def of(self, group: str, kind: str) -> "list[KubeObject]":
        """The objects of one kind, in stream order; ``group`` is empty for the core group."""
        return self._by_kind.get((group, kind), [])

    def pods(self) -> "Iterator[PodTemplate]":
        """Every pod template of the release, kind by kind."""
        for (group, kind), items in self._by_kind.items():
            for item in items:
                template = pod_template(group, kind, item)
                if template is not None:
                    yield template

    def namespace(self, item: KubeObject) -> str:
        """The object's namespace, or the release's where it has none; empty where nobody knows."""
        return item.namespace or self.policy.namespace

    def owns(self, namespace: str) -> bool:
        """Whether this release answers for a namespace: it holds the Namespace, or the policy says so."""
        return namespace in self._owned

    def host(self, host: str, namespace: str) -> str:
        """A host as a full DNS name, a short one being of ``namespace``."""
        return fqdn(host, namespace, self.mesh("clusterDomain"))

    def external(self, kind: str) -> "set[str]":
        """What the policy declares to exist outside the stream: hosts (as full names), principals or gateways."""
        declared = self.policy.spec.get("external", {}).get(kind, ())
        return {self.host(name, self.policy.namespace) for name in declared} if kind == "hosts" else set(declared)

    def mesh(self, key: str) -> str:
        """One of the policy's settings of the mesh."""
        value: Any = self.policy.spec["mesh"][key]
        return str(value)
