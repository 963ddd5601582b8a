"""The release as objects: the documents that a stage reads, opened, with names resolved."""

from mlmesh.graph.hosts import fqdn
from mlmesh.graph.pods import PodTemplate, pod_template
from mlmesh.manifests.objects import KubeObject
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from mlmesh.manifests.stream import Document
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
_POLICY_MARK = b"mlmesh.dev/"


def is_read(document: "Document") -> bool:
    """Whether some stage reads a document. One that none reads is never parsed, and leaves as it came."""
    kind = document.kind
    if not kind:
        raise InputError(
            "the document has no kind",
            place=document.place,
            remedy="every document of a stream is a Kubernetes object: see the template that renders it",
        )
    return kind in READ or kind.endswith("List") or may_hold_policy(document)


def may_hold_policy(document: "Document") -> bool:
    """Whether a document may carry the settings: by its kind and a word in its text, without parsing it."""
    kind = document.kind
    return kind == "MeshPolicy" or ((kind == "ConfigMap" or kind.endswith("List")) and document.mentions(_POLICY_MARK))


class Release:
    """What the invariants ask of a release. Namespaces left out are the release's own.

    Objects are added as their documents are done. A release can be large, so only routes, rules and gateways are kept;
    of the others what is asked: ``identities``, (namespace, ServiceAccount) of everything that has one; ``services``,
    (namespace, name); ``annotated``, pod templates whose object has annotations of Istio's on its own metadata.
    """

    __slots__ = ("_kept", "_owned", "annotated", "identities", "policy", "services")

    def __init__(self, policy: "Policy") -> None:
        self.policy = policy
        self.identities: set[tuple[str, str]] = set()
        self.services: set[tuple[str, str]] = set()
        self.annotated: list[PodTemplate] = []
        self._kept: dict[tuple[str, str], list[KubeObject]] = {}
        self._owned = set(policy.spec.get("owns", ()))

    def add(self, items: "Iterable[KubeObject]") -> None:
        """Take the objects of a document that is done, as they leave."""
        for item in items:
            kind = (item.group, item.kind)
            pod = pod_template(item)
            if pod is not None:
                self._add_pod(pod)
            elif kind == ("", "Namespace"):
                self._owned.add(item.name)
            elif kind == ("", "Service"):
                self.services.add((self.namespace(item), item.name))
            elif kind == ("", "ServiceAccount"):
                self.identities.add((self.namespace(item), item.name))
            else:
                self._kept.setdefault(kind, []).append(item)

    def _add_pod(self, pod: PodTemplate) -> None:
        account = pod.spec.get("serviceAccountName") or pod.spec.get("serviceAccount") or "default"
        self.identities.add((self.namespace(pod.owner), str(account)))
        if pod.pointer != pod.owner.pointer and any("istio.io/" in str(key) for key in pod.owner.annotations()):
            self.annotated.append(pod)

    def of(self, group: str, kind: str) -> "list[KubeObject]":
        """The routes, rules or gateways of one kind, in stream order."""
        return self._kept.get((group, kind), [])

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
        """What the policy declares to exist outside the stream: ``hosts``, ``principals`` or ``gateways``."""
        return set(self.policy.spec.get("external", {}).get(kind, ()))

    def mesh(self, key: str) -> str:
        """One of the policy's settings of the mesh."""
        value: Any = self.policy.spec["mesh"][key]
        return str(value)
