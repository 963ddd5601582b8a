"""What a set of manifests holds: the release's own, or what its context says that there is besides."""

from mlmesh.graph.exposure import exposed
from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.kinds import MESH
from mlmesh.graph.made import MAKERS, POOLS, fits, labels_set, services_made
from mlmesh.graph.pods import PodTemplate, pod_templates
from mlmesh.manifests.objects import KubeObject, objects

INJECT = "sidecar.istio.io/inject"
REVISION = "istio.io/rev"
EXCLUDED = "traffic.sidecar.istio.io/excludeInboundPorts"
INCLUDED = "traffic.sidecar.istio.io/includeInboundPorts"
ENDPOINT = "mlmesh.dev/endpoint"  # the annotation of a route, a pool or a Service that names endpoint types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from mlmesh.graph.hosts import Entries
    from mlmesh.manifests.stream import Document

    Owner = tuple[str, str, str]


class Pods:
    """The pods of one template, as the graph keeps them: whose they are, their labels and account, not their spec.

    ``exposes`` are the servers that they run which leave open what changes or stops them (see mlmesh.graph.exposure).
    ``ports``: (name, number, protocol) of each that their containers declare, a name that is left out being empty.
    ``replicas``: None where the object does not say. ``injection``: what the pods themselves say of a sidecar: "true",
    "false", "" (nothing). ``host_network``: they have none, whatever is said. ``role``: empty where they play none.
    ``bypassed``: the ports at which they are reached past their sidecar, by their annotation (``*``: nobody tells).
    """

    __slots__ = (
        "_document", "_labels", "_pointer", "account", "bypassed", "exposes", "group", "host_network", "injection",
        "kind", "name", "namespace", "part", "ports", "replicas", "role",
    )  # fmt: skip

    def __init__(self, pod: PodTemplate, namespace: str, role: str = "") -> None:
        self._document = pod.owner.document
        self._pointer = pod.pointer
        self.role = role
        self.group = pod.owner.group
        ports = _ports(pod.spec)
        self.ports = _shared.setdefault(ports, ports)
        self.injection = _injection(pod)
        self.bypassed = _bypassed(pod.annotations)
        self.host_network = pod.spec.get("hostNetwork") is True
        spec = pod.owner.data.get("spec")
        replicas = spec.get("replicas") if isinstance(spec, dict) else None
        self.replicas = replicas if isinstance(replicas, int) else None
        self.kind = pod.owner.kind
        self.name = pod.owner.name
        self.namespace = namespace
        self.part = pod.part
        self.exposes = exposed(pod)
        self.account = str(pod.spec.get("serviceAccountName") or pod.spec.get("serviceAccount") or "default")
        # One text instead of a map: a release can have very many.
        labels = {**labels_set(pod), **pod.labels}
        self._labels = "\n".join(["", *[f"{key}={value}" for key, value in labels.items()], ""])

    def carry(self, labels: "Mapping[str, Any]") -> bool:
        """Whether they have all of these labels, and there is at least one."""
        return bool(labels) and all(self._has(key, str(value)) for key, value in labels.items())

    def label(self, key: str) -> str | None:
        """The value of a label, which can hold ``*`` where the controller sets it; None where they have none."""
        _, found, rest = self._labels.partition(f"\n{key}=")
        return rest.partition("\n")[0] if found else None

    def pairs(self) -> list[str]:
        """Their labels, each as ``key=value``; a value that their controller sets can hold ``*``."""
        return self._labels.split("\n")[1:-1]

    def bypasses(self, port: int | None) -> bool:
        """Whether a port of theirs may be reached past their sidecar."""
        return self.bypassed == "*" or bool(self.bypassed and port is not None and f",{port}," in self.bypassed)

    def mentions(self, word: bytes) -> bool:
        """Whether a word is anywhere in the object of these pods, which is parsed for it only where it is in a List."""
        if not self._pointer.startswith("/items/"):
            return self._document.mentions(word)
        return self._document.mentions(word) and word.decode() in str(self.template().owner.data)

    def _has(self, key: str, value: str) -> bool:
        if f"\n{key}={value}\n" in self._labels:
            return True
        _, _, rest = self._labels.partition(f"\n{key}=")
        held = rest.partition("\n")[0]
        return "*" in held and fits(value, held)

    def template(self) -> PodTemplate:
        """The pod template as it came, read again: for an invariant that asks more of the few pods that it judges."""
        if not _again or _again[0][0] is not self._document:
            _again[:] = [(self._document, _templates(self._document))]
        return _again[0][1][self._pointer, self.part]

    @property
    def owner(self) -> "Owner":
        """Kind, namespace and name of the object that has the template."""
        return self.kind, self.namespace, self.name

    @property
    def title(self) -> str:
        """Whose pods they are: ``Deployment ml/llm``, ``RayCluster ml/r, worker gpu``."""
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {name}" + (f", {self.part}" if self.part else "")


_shared: "dict[tuple[tuple[str, int, str], ...], tuple[tuple[str, int, str], ...]]" = {}  # most pods have the same


# The document that was read again last, with its templates by pointer and part: a List can hold very many.
_again: "list[tuple[Document, dict[tuple[str, str], PodTemplate]]]" = []


def _templates(document: "Document") -> "dict[tuple[str, str], PodTemplate]":
    try:
        found = (pod for item in objects(document, document.data) for pod in pod_templates(item))
        return {(pod.pointer, pod.part): pod for pod in found}
    finally:
        document.forget()


def _ports(spec: "dict[str, Any]") -> "tuple[tuple[str, int, str], ...]":
    """The ports that containers, and init containers that go on, declare."""
    containers = entries(spec.get("containers"))
    if "initContainers" in spec:
        containers = [*containers, *(each for _, each in maps(spec["initContainers"]) if "restartPolicy" in each)]
    return tuple(
        [
            (str(port.get("name") or ""), port["containerPort"], str(port.get("protocol") or "TCP"))
            for container in containers
            if isinstance(container, dict) and "ports" in container
            for _, port in maps(container["ports"])
            if isinstance(port.get("containerPort"), int)
        ]
    )


def _bypassed(annotations: "dict[str, Any]") -> str:
    """A text with a comma on both sides of each port; empty where there is none, as of most pods."""
    if EXCLUDED in annotations:
        return f",{str(annotations[EXCLUDED] or '').replace(' ', '')},"
    return "*" if str(annotations.get(INCLUDED, "*")) != "*" else ""


def _injection(pod: PodTemplate) -> str:
    """What a pod says of its sidecar: the label goes before the annotation, of which only "false" counts.

    A label that names a revision asks for one, too.
    """
    label = pod.labels.get(INJECT)
    if label is None and REVISION in pod.labels:
        label = "true"
    if label is not None:
        return str(label).lower()
    return "false" if INJECT in pod.annotations and str(pod.annotations[INJECT]).lower() == "false" else ""


class Inventory:
    """Objects by kind, Services with their selectors, pods, and accounts. Namespaces left out are ``namespace``.

    ``services`` have their selectors (None: no selector). A release can be large: of workloads only their Pods and
    the names of the Services and pools that their controllers make (``made``, ``made_pools``: kind, namespace and name
    of the object, by namespace and name; a Service's name that can hold ``*`` is a pattern, and apart). ``annotated``
    are Services that say themselves which endpoints they serve, by namespace and name.
    """

    __slots__ = (
        "_entries", "_kept", "_patterns", "annotated", "identities", "made", "made_pools", "namespace", "namespaces",
        "pods", "services",
    )  # fmt: skip

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.identities: set[tuple[str, str]] = set()
        self.services: dict[tuple[str, str], dict[str, Any] | None] = {}
        self.annotated: dict[tuple[str, str], KubeObject] = {}
        self.made: dict[tuple[str, str], Owner] = {}
        self.made_pools: dict[tuple[str, str], Owner] = {}
        self._patterns: list[tuple[str, str, Owner]] = []  # namespace, name of what is made, owner
        self._entries: tuple[int, Entries] | None = None
        self.namespaces: dict[str, KubeObject] = {}
        self.pods: list[Pods] = []
        self._kept: dict[tuple[str, str], list[KubeObject]] = {}

    def add(self, items: "Iterable[KubeObject]") -> None:
        """Take the objects that are no workloads."""
        for item in items:
            kind = (item.group, item.kind)
            if kind in MESH:
                item.renew(item.data)
            if kind == ("", "Namespace"):
                self.namespaces[item.name] = item
            elif kind == ("", "Service"):
                spec = item.data.get("spec")
                self._keep_service(item)
                selector = spec.get("selector") if isinstance(spec, dict) else None
                self.services[self.of(item), item.name] = selector if isinstance(selector, dict) and selector else None
                annotations = at(item.data, "metadata.annotations")
                if isinstance(annotations, dict) and ENDPOINT in annotations:
                    self.annotated[self.of(item), item.name] = item
            elif kind == ("", "ServiceAccount"):
                self.identities.add((self.of(item), item.name))
            elif kind == ("", "Secret"):
                from mlmesh.graph.certificates import trimmed

                item.data = trimmed(item.data)
                self._kept.setdefault(kind, []).append(item)
            elif kind in MESH:
                self._kept.setdefault(kind, []).append(item)
                self.meet(item)

    def _keep_service(self, item: KubeObject) -> None:
        """Keep a Service without its labels, which nobody asks for: there are very many."""
        metadata = item.data.get("metadata")
        if isinstance(metadata, dict) and "labels" in metadata:
            item.data = {**item.data, "metadata": {key: metadata[key] for key in metadata if key != "labels"}}
        self._kept.setdefault(("", "Service"), []).append(item)

    def add_pods(self, pods: "Iterable[PodTemplate]", roles: "Sequence[str]" = ()) -> None:
        """Take pod templates, of one object after the other, each with its role where that is known."""
        owner = None
        for index, pod in enumerate(pods):
            if pod.owner is not owner:
                owner = pod.owner
                self.meet(owner)
            found = Pods(pod, self.of(owner), roles[index] if roles else "")
            self.identities.add((found.namespace, found.account))
            self.pods.append(found)

    def meet(self, item: KubeObject) -> None:
        """Take the names of the Services and pools that an object's controller makes."""
        kind = (item.group, item.kind)
        if kind in MAKERS:
            namespace = self.of(item)
            owner = (item.kind, namespace, item.name)
            for name in services_made(item):
                if "*" in name:
                    self._patterns.append((namespace, name, owner))
                else:
                    self.made[namespace, name] = owner
            if kind in POOLS:
                self.made_pools[namespace, POOLS[kind].format(item.name)] = owner

    def maker(self, namespace: str, name: str) -> "Owner | None":
        """Kind, namespace and name of the object whose controller makes a Service of this name."""
        exact = self.made.get((namespace, name))
        if exact is not None:
            return exact
        found = (owner for where, made, owner in self._patterns if where == namespace and fits(name, made))
        return next(found, None)

    @property
    def entries(self) -> "Entries":
        """The ServiceEntries, to be found by host."""
        kept = self.kept("networking.istio.io", "ServiceEntry")
        if self._entries is None or self._entries[0] != len(kept):  # none yet, or there are more by now
            from mlmesh.graph.hosts import Entries

            self._entries = len(kept), Entries(kept)
        return self._entries[1]

    def add_all(self, items: "Iterable[KubeObject]", role: "Callable[[PodTemplate], str] | None" = None) -> None:
        """Take objects of every kind; ``role`` tells that of a pod."""
        items = list(items)
        self.add(items)
        for item in items:
            pods = pod_templates(item)
            self.add_pods(pods, [role(pod) for pod in pods] if role else ())

    def of(self, item: KubeObject) -> str:
        """The object's namespace, or the set's own where it has none; empty where nobody knows."""
        return item.namespace or self.namespace

    @property
    def kinds(self) -> set[str]:
        """The kinds of the objects that are kept."""
        found = {kind for _, kind in self._kept}
        return found | {"Namespace"} if self.namespaces else found

    def kept(self, group: str, kind: str) -> "list[KubeObject]":
        """The objects of one kind of MESH, Namespaces and accounts apart, in their order."""
        return self._kept.get((group, kind), [])
