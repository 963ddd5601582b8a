"""Objects that a fix adds to a release, and those of its own that it may change."""

from functools import partial

from mlmesh.graph.mtls import selecting_of
from mlmesh.graph.stamps import additions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.graph.violation import Violation
    from mlmesh.manifests.objects import KubeObject

    Data = dict[str, Any]
    Wanted = tuple[tuple[str, str], Data]  # namespace and name, and the spec


def newcomer(
    api_version: str, kind: str, place: tuple[str, str], spec: "dict[str, Any]", release: "Release"
) -> "Callable[[], tuple[Data, ...]]":
    """What makes an object for a namespace, by the wanted name or a like one that none of its kind has there."""
    return partial(_made, api_version, kind, place, spec, release)


def newcomers(
    api_version: str, kind: str, wanted: "list[Wanted]", release: "Release"
) -> "Callable[[], tuple[Data, ...]]":
    """The same for several objects of one kind."""
    return lambda: tuple(_made(api_version, kind, place, spec, release)[0] for place, spec in wanted)


def _made(
    api_version: str, kind: str, place: tuple[str, str], spec: "dict[str, Any]", release: "Release"
) -> "tuple[Data, ...]":
    namespace, wanted = place
    known = release.known(api_version.rpartition("/")[0], kind)
    names = {item.name for item in known if release.namespace(item) == namespace}
    metadata = {"name": _free(wanted, names), **({"namespace": namespace} if namespace else {})}
    return ({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec},)


def _free(wanted: str, names: "Collection[str]") -> str:
    """A name, or one like it, that is not among others."""
    name, number = wanted, 1
    while name in names:
        number += 1
        name = f"{wanted}-{number}"
    return name


def is_own(item: "KubeObject", release: "Release") -> bool:
    """Whether an object is the release's, so that a fix may change it, and not of its context."""
    return bool(release.documents) and item.document.stream is release.documents[0].stream


def except_port(
    found: "Violation", pods: "Pods", port: int, labels: "dict[str, Any]", *, name: str, release: "Release"
) -> None:
    """Mend what is found by an exception for a port of pods that ``labels`` select in their namespace.

    It goes into the PeerAuthentication that selects the pods, since of two only the older counts; where there is none,
    into a new one, which leaves all other ports to the mode that they have.
    """
    mine = selecting_of(pods, release)
    exception = {str(port): {"mode": "PERMISSIVE"}}
    if mine:
        if is_own(mine[0], release):
            found.mends = mine[0]
            found.operations = tuple(additions("", mine[0].data, ("spec", "portLevelMtls"), exception))
    elif labels and pods.namespace:
        spec = {"selector": {"matchLabels": dict(labels)}, "portLevelMtls": exception}
        place = (pods.namespace, name)
        found.documents = newcomer("security.istio.io/v1", "PeerAuthentication", place, spec, release)
