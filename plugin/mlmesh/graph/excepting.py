"""A port that takes plain text as an exception, written where it counts."""

from mlmesh.graph.mtls import selecting_of
from mlmesh.graph.newcomers import is_own, newcomer
from mlmesh.graph.stamps import additions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.graph.violation import Violation


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
