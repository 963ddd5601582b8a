"""The context of a release: manifests of what other releases, or the cluster, hold. They are only looked at."""

from mlmesh.graph.inventory import Inventory
from mlmesh.graph.kinds import LATE
from mlmesh.graph.release import is_read
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlmesh.graph.pods import PodTemplate


def read_context(
    inventory: Inventory, files: "Iterable[tuple[str, bytes]]", role: "Callable[[PodTemplate], str] | None" = None
) -> None:
    """Add what context files (name, content) hold: manifests, or a List as ``kubectl get -A -o yaml`` prints it.

    ``role`` tells which role a pod plays. Their policies do not count, and their Namespaces are not the release's.
    Raises InputError with file and document.
    """
    for name, content in files:
        try:
            for document in manifests.read(content).documents:
                if is_read(document) or document.kind in LATE:
                    inventory.add_all(objects(document, document.data), role)
                    document.forget()
        except InputError as error:
            place = f"context file {name}" + (f", {error.place}" if error.place else "")
            raise InputError(error.what, place=place, remedy=error.remedy) from None
