"""The release as objects: the documents that a stage reads, opened, with names resolved."""

from mlmesh.graph.fields import at, mapping
from mlmesh.graph.hosts import fqdn
from mlmesh.graph.inventory import Inventory
from mlmesh.graph.kinds import LATE, MESH_KINDS, POD_KINDS, WITHOUT_PODS
from mlmesh.graph.pods import PodTemplate
from mlmesh.manifests.objects import KubeObject, alike, named, objects
from mlmesh.model.errors import InputError
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from mlmesh.graph.authorization import Guards
    from mlmesh.graph.delegates import Delegating
    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.selection import Selection, Selectors
    from mlmesh.graph.timeouts import Timeouts
    from mlmesh.graph.violation import Violation
    from mlmesh.manifests.stream import Document
    from mlmesh.policy.settings import Policy

READ = (POD_KINDS | MESH_KINDS) - LATE
_POLICY_MARK = b"mlmesh.dev/"
_HOOK = b"helm.sh/hook"


def is_read(document: "Document") -> bool:
    """Whether some stage reads a document. One that none reads is never parsed, and leaves as it came.

    An invariant may still read one of a kind that is LATE.
    """
    kind = document.kind
    if not kind:
        raise InputError(
            "the document has no kind",
            place=document.place,
            remedy="every document of a stream is a Kubernetes object: see the template that renders it",
        )
    if kind in READ or kind.endswith("List"):
        return True
    if kind in LATE:
        return False
    return may_hold_policy(document) if kind in WITHOUT_PODS else mentions_containers(document)


def is_workload(document: "Document") -> bool:
    """Whether a document that is read is one object that is a workload, if anything: its text tells, unparsed."""
    kind = document.kind
    if kind in MESH_KINDS:
        return kind == "Service" and document.mentions(b"apiVersion: serving.knative.dev/")
    return not kind.endswith("List") and kind not in WITHOUT_PODS


def mentions_containers(document: "Document") -> bool:
    """Whether a document's text has a key ``containers``: pods of a kind that nobody here knows. It is not parsed."""
    data, end = document.stream.data, document.end
    found = data.find(b"containers", document.body, end)
    while found >= 0:
        if data[found + 10 : found + 13].lstrip(b"\"' ").startswith(b":"):
            return True
        found = data.find(b"containers", found + 10, end)
    return False


def may_hold_policy(document: "Document") -> bool:
    """Whether a document may carry the settings: by its kind and a word in its text, without parsing it."""
    kind = document.kind
    return kind == "MeshPolicy" or ((kind == "ConfigMap" or kind.endswith("List")) and document.mentions(_POLICY_MARK))


class Release:
    """What the stages and the invariants ask of a release. Namespaces left out are the release's own.

    Objects are added as their documents are done: first all that are no workloads, then these. ``own`` is what the
    stream holds (``documents``: all that it came in), ``context`` what there is besides (see ``--context``): only
    looked at, never judged. ``annotated`` are pod templates whose object has annotations of Istio's on its own
    metadata, where its pods do not see them; ``selecting``, components of the policy that select some pod;
    ``selected_elsewhere``, a namespace with pods that carry a component's labels and are not in its own, by component;
    ``unselected``, namespaces with a pod that no component selects (mlmesh.roles tells all three); ``notes``, by code,
    what a stage saw of an object in passing; ``as_it_is``: nothing more is written into it; ``serves``, by backend,
    the endpoint types that it serves and why;
    ``listed``, what Lists hold, by name.
    """

    __slots__ = (
        "_delegating",
        "_guards",
        "_kinds",
        "_late",
        "_owned",
        "_peers",
        "_selection",
        "_timeouts",
        "annotated",
        "as_it_is",
        "context",
        "documents",
        "listed",
        "notes",
        "own",
        "policy",
        "selected_elsewhere",
        "selecting",
        "serves",
        "unselected",
    )

    def __init__(self, policy: "Policy", documents: "Sequence[Document]" = (), *, as_it_is: bool = False) -> None:
        self.policy = policy
        self.as_it_is = as_it_is
        self.documents = documents
        self._kinds: set[str] | None = None  # the documents' own
        self._late: set[str] = set(LATE)  # kinds that were not read yet
        self.own = Inventory(policy.namespace)
        self.context = Inventory(policy.namespace)
        self.annotated: list[PodTemplate] = []
        self.listed: list[KubeObject] = []
        self.notes: dict[str, list[Violation]] = {}
        self.selecting: set[str] = set()
        self.serves: dict[tuple[str, str, str], tuple[tuple[Any, ...], str]] = {}
        self.selected_elsewhere: dict[str, str] = {}
        self.unselected: set[str] = set()
        self._owned = frozenset(policy.spec.get("owns", ()))
        self._delegating: Delegating | None = None
        self._timeouts: Timeouts | None = None
        self._selection: tuple[int, Selection] | None = None
        self._peers: tuple[int, Selectors] | None = None
        self._guards: tuple[int, Guards] | None = None

    def add(self, items: "Iterable[KubeObject]") -> None:
        """Take the objects of a document that is done, as they leave; its workloads are left out."""
        items = list(items)
        if items and items[0].pointer:
            self.listed += map(named, items)
        self.own.add(items)

    def add_account(self, document: "Document") -> bool:
        """Take a document that is a ServiceAccount, of which there are many, unparsed; whether it is one, and plain."""
        if document.kind != "ServiceAccount":
            return False
        version, namespace, name = document.identity or ("", "", "")
        if version != "v1" or not name:
            return False
        self.own.identities.add((namespace or self.own.namespace, name))
        return True

    def add_pods(self, templates: "Sequence[PodTemplate]", roles: "Sequence[str]" = ()) -> None:
        """Take the pod templates of a document that is done, as they leave, with their roles."""
        self.own.add_pods(templates, roles)
        self.annotated += filter(_is_annotated_above, templates)

    def of(self, group: str, kind: str) -> "list[KubeObject]":
        """The objects of one kind without pods that are the release's own, in stream order."""
        if kind in self._late:
            self._late.remove(kind)
            for document in self.documents:
                if document.kind == kind:
                    self.own.add(objects(document, document.data))
                    document.forget()
        return self.own.kept(group, kind)

    def known(self, group: str, kind: str) -> "list[KubeObject]":
        """The same, followed by those of the context; an object that the release has, too, is the release's."""
        own, others = self.of(group, kind), self.context.kept(group, kind)
        if not others:
            return own
        names = {(self.namespace(item), item.name) for item in own}
        return [*own, *(item for item in others if (self.namespace(item), item.name) not in names)]

    @property
    def kinds(self) -> set[str]:
        """The kinds of the release's own objects; "pods" where it has any."""
        if self._kinds is None:
            self._kinds = {*(document.kind for document in self.documents), *(item.kind for item in self.listed)}
        found = self._kinds | self.own.kinds
        return found | {"pods"} if self.own.pods else found

    def holding(self, *kinds: str) -> "list[Document]":
        """The documents that hold an object of some kinds, in a List too: kinds of which nothing is kept."""
        listed = {item.document.index for item in self.listed if item.kind in kinds}
        return [document for document in self.documents if document.kind in kinds or document.index in listed]

    @property
    def alike(self) -> "list[list[Document]]":
        """Documents that seem to hold the same object, in groups; none is parsed for this."""
        return alike(self.documents, self.listed, self.policy.namespace)

    @property
    def hooks_only(self) -> bool:
        """Whether all that there is are Helm's hooks, which Helm 4 may send apart: then nothing is told of the rest."""
        return bool(self.documents) and all(document.mentions(_HOOK) for document in self.documents)

    @property
    def services(self) -> "dict[tuple[str, str], dict[str, Any] | None]":
        """The release's own Services by namespace and name, each with its selector (None: it has none)."""
        return self.own.services

    @property
    def identities(self) -> set[tuple[str, str]]:
        """(namespace, ServiceAccount) of everything that has one, in the context too."""
        return self.own.identities | self.context.identities

    def namespace(self, item: KubeObject) -> str:
        """The object's namespace, or the release's where it has none; empty where nobody knows."""
        return item.namespace or self.policy.namespace

    def owns(self, namespace: str) -> bool:
        """Whether this release answers for a namespace: it holds the Namespace, or the policy says so."""
        return namespace in self._owned or namespace in self.own.namespaces

    def weight(self, namespace: str) -> str:
        """How much it weighs that something is absent from a namespace: an error where the release answers for it."""
        return ERROR if self.owns(namespace) else WARNING

    def namespace_labels(self, namespace: str) -> "dict[str, Any] | None":
        """The labels of a namespace; None where neither the release nor the context holds it."""
        item = self.own.namespaces.get(namespace) or self.context.namespaces.get(namespace)
        return None if item is None else mapping(at(item.data, "metadata.labels"))

    def host(self, host: str, namespace: str) -> str:
        """A host as a full DNS name, a short one being of ``namespace``."""
        return fqdn(host, namespace, self.mesh("clusterDomain"))

    def service(self, host: str) -> "tuple[str, Mapping[str, Any] | None]":
        """The namespace and the selector of the Service behind a full host name; no selector where there is none."""
        name, _, rest = host.partition(".")
        namespace, _, domain = rest.partition(".")
        if domain != f"svc.{self.mesh('clusterDomain')}":
            return "", None
        place = (namespace, name)
        own = self.own.services
        return namespace, own[place] if place in own else self.context.services.get(place)

    def external(self, kind: str) -> "set[str]":
        """What the policy declares to exist outside the stream: ``hosts``, ``principals`` or ``gateways``."""
        return set(self.policy.spec.get("external", {}).get(kind, ()))

    def selected(self, namespace: str | None, labels: "Mapping[str, Any]") -> "Iterator[Pods]":
        """The pods, in the context too, of a namespace (None: of all) that have all of these labels."""
        return self.selection.carrying(labels, namespace)

    @property
    def selection(self) -> "Selection":
        """All pods, in the context too, to be found by labels and owners."""
        count = len(self.own.pods) + len(self.context.pods)
        if self._selection is None or self._selection[0] != count:  # none yet, or there are more by now
            from mlmesh.graph.selection import Selection

            self._selection = count, Selection(self.pods())
        return self._selection[1]

    @property
    def peers(self) -> "Selectors":
        """The PeerAuthentications, in the context too, to be found by the pods and namespaces that they are for."""
        count = sum(len(each.kept("security.istio.io", "PeerAuthentication")) for each in (self.own, self.context))
        if self._peers is None or self._peers[0] != count:
            from mlmesh.graph.mtls import peers

            self._peers = count, peers(self)
        return self._peers[1]

    @property
    def guards(self) -> "Guards":
        """The AuthorizationPolicies, in the context too, to be found by the pods whose sidecars enforce them."""
        count = sum(len(each.kept("security.istio.io", "AuthorizationPolicy")) for each in (self.own, self.context))
        if self._guards is None or self._guards[0] != count:
            from mlmesh.graph.authorization import Guards

            self._guards = count, Guards(self)
        return self._guards[1]

    @property
    def delegating(self) -> "Delegating":
        """The rules that delegate, by whom they lead to. To be asked once all that is no workload was added."""
        if self._delegating is None:
            from mlmesh.graph.delegates import delegating

            self._delegating = delegating(self)
        return self._delegating

    def pods(self) -> "Iterator[Pods]":
        """All pods, in the context too; those of an object that the release has, too, are the release's."""
        yield from self.own.pods
        if self.context.pods:
            own = {pods.owner for pods in self.own.pods}
            yield from (pods for pods in self.context.pods if pods.owner not in own)

    def mesh(self, key: str) -> str:
        """One of the policy's settings of the mesh."""
        value: Any = self.policy.spec["mesh"][key]
        return str(value)

    def longest_timeout(self, pod: PodTemplate) -> float | None:
        """Seconds that the longest request may take that a route of the release, or its context, leads to these pods.

        ``math.inf`` where a route to them has no timeout; None where no route leads to them. To be asked once all that
        is no workload was added. Routes of TCP and TLS have no requests, and do not count.
        """
        if self._timeouts is None:
            from mlmesh.graph.timeouts import Timeouts

            self._timeouts = Timeouts(self)
        return self._timeouts.longest(pod)


def _is_annotated_above(pod: PodTemplate) -> bool:
    return pod.holder != pod.owner.pointer + "/metadata" and any(
        "istio.io/" in str(key) for key in pod.owner.annotations()
    )
