"""What a route's backends serve, where its paths do not tell: most routes to model servers match ``/`` alone.

What tells, the first that does: the annotation of the InferencePool or the Service; a component of the policy whose
``selector`` all of its pods carry; the pods' own image and command. Nothing else is a reason, and no name is.
"""

from mlmesh.endpoints.catalogue import TYPES, EndpointType
from mlmesh.graph import pools
from mlmesh.graph.backends import is_behind, selected
from mlmesh.graph.inventory import ENDPOINT, Pods
from mlmesh.graph.pods import pod_templates
from mlmesh.graph.release import Release, is_read, is_workload
from mlmesh.graph.route import POOL, Backend
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import KubeObject, objects
from mlmesh.model.errors import InputError
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mlmesh.graph.inventory import Inventory

    Told = tuple[tuple[EndpointType, ...], str]  # types (none where nothing tells), and why
    Known = list[tuple[Pods, tuple[str, ...], str]]


class Servers:
    """The pods, of a release and its context, whose image or command tells what they serve.

    They are looked for when a route first asks, in documents whose text has such a word; these are read once more when
    their turn comes. ``documents`` are the release's that can hold pods.
    """

    __slots__ = ("_context", "_documents", "_known", "_release")

    def __init__(
        self, release: Release, documents: "Iterable[manifests.Document]", context: "Sequence[tuple[str, bytes]]" = ()
    ) -> None:
        self._release = release
        self._documents = documents
        self._context = context
        self._known: Known | None = None

    def behind(self, backend: Backend) -> "Told":
        """The types that the pods behind a backend serve."""
        if self._known is None:
            self._known = list(self._found())
        types: dict[EndpointType, None] = {}
        told: dict[str, None] = {}
        fits = is_behind(backend, self._release)
        for pods, names, reason in self._known:
            if fits(pods):
                types |= {TYPES[name]: None for name in names}
                told[f"{pods.title} runs {reason}"] = None
        return tuple(types), " and ".join(told)

    def _found(self) -> "Iterator[tuple[Pods, tuple[str, ...], str]]":
        own = set()
        for pods, types, reason in _servers(self._documents, self._release.own):
            own.add(pods.owner)
            yield pods, types, reason
        if not self._context:
            return
        own |= {each for document in self._documents for each in _owners(document, self._release.own)}
        for _, content in self._context:
            documents = (document for document in manifests.read(content).documents if is_read(document))
            for pods, types, reason in _servers(documents, self._release.context):
                if pods.owner not in own:  # the release has a newer one
                    yield pods, types, reason


def _owners(document: "manifests.Document", inventory: "Inventory") -> "Iterator[tuple[str, str, str]]":
    """Kind, namespace and name of a document's objects."""
    for item in objects(document, document.data):
        yield item.kind, inventory.of(item), item.name
    if is_workload(document):
        document.forget()


def _servers(
    documents: "Iterable[manifests.Document]", inventory: "Inventory"
) -> "Iterator[tuple[Pods, tuple[str, ...], str]]":
    from mlmesh.endpoints.servers import MARKS, served_by

    for document in documents:
        if not any(map(document.mentions, MARKS)):
            continue
        for item in objects(document, document.data):
            for pod in pod_templates(item):
                types, reason = served_by(pod)
                if types:
                    inventory.meet(item)
                    yield Pods(pod, inventory.of(item)), types, reason
        if is_workload(document):
            document.forget()


def told(backend: Backend, release: Release, servers: "Callable[[], Servers] | None" = None) -> "Told":
    """The types that a backend serves, and why. Without ``servers`` pods tell only what they told before."""
    key = (backend.kind, backend.namespace, backend.host or backend.name)
    found = release.serves.get(key)
    if found is None:
        found = _annotated(backend, release) or _component(backend, release)
        if not found and servers is not None:
            found = servers().behind(backend)
        release.serves[key] = found = found or ((), "")
    return found


def named(item: KubeObject, key: str) -> "tuple[EndpointType, ...]":
    """The types that an object's annotation names, with commas between them. Raises InputError for one unknown."""
    names = [name.strip() for name in str(item.annotations()[key] or "").split(",")]
    for name in names:
        if name not in TYPES:
            where = pointer("metadata", "annotations", key)
            raise InputError(
                f"endpoint type {name!r} is not known",
                place=f"{item.document.at(item.document.line_of(item.pointer + where))}, annotation {key}",
                remedy=f"one of {', '.join(TYPES)}, or several with commas; or take the annotation away and write "
                "timeout and retries yourself",
            )
    return tuple(dict.fromkeys(TYPES[name] for name in names))


def _annotated(backend: Backend, release: Release) -> "Told | None":
    holder: KubeObject | None
    if backend.kind == POOL:
        holder = pools.named(backend.namespace, backend.name, release)
    else:
        namespace, _ = release.service(backend.host)
        place = (namespace, backend.host.partition(".")[0])
        owner = release.own if place in release.own.services else release.context
        holder = owner.annotated.get(place)
    if holder is None or ENDPOINT not in holder.annotations():
        return None
    return named(holder, ENDPOINT), f"annotation {ENDPOINT} on {holder.title}"


def _component(backend: Backend, release: Release) -> "Told | None":
    namespace, labels = selected(backend, release)
    if not labels:
        return None
    for name, component in release.policy.spec.get("components", {}).items():
        selector = component.get("selector")
        if (
            component.get("serves")
            and selector
            and component.get("namespace", namespace) == namespace
            and selector.items() <= labels.items()
        ):
            return tuple(TYPES[kind] for kind in component["serves"]), f"component {name} serves it"
    return None
