"""Ports on which pods meet without a proxy: those of NCCL's launchers, MPI, torchrun and Ray.

Peers call each other by pod address, which Istio knows no service for: to a pod under STRICT such a call is plain text,
and refused. A port that is excluded at both ends leaves mTLS and authorization with it. The annotations take numbers
only (istio/istio pkg/kube/inject/validate.go parsePorts): ports that are chosen at run time, as NCCL's and Gloo's data
connections and most of Ray's do, must be set to numbers before they can be excluded.
"""

from mlmesh.graph.peers import met
from mlmesh.graph.pods import PodTemplate
from mlmesh.model.findings import WARNING
from mlmesh.sidecars.sidecar import Sidecar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "traffic.sidecar.istio.io/"
INBOUND, OUTBOUND = PREFIX + "excludeInboundPorts", PREFIX + "excludeOutboundPorts"


def exclude(sidecar: Sidecar, templates: "Sequence[PodTemplate]") -> None:
    """Exclude the ports on which the pods of one object meet, at both ends. Notes MLM303.

    ``templates`` are all of the object: a worker calls the ports that its master declares.
    """
    wanted = sorted(met(templates) or sidecar.block.get("excludePorts") or ())
    if not wanted:
        return
    text = ",".join(map(str, wanted))
    for key in (INBOUND, OUTBOUND):
        if key not in sidecar.theirs:
            sidecar.annotations[key] = text
            continue
        missing = [port for port in wanted if port not in _numbers(sidecar, key)]
        if missing:
            shown = ", ".join(map(str, missing))
            sidecar.note(
                "MLM303",
                sidecar.at(key),
                f"the pods meet on ports {shown} too, which this list leaves to the proxy: under STRICT a call to a "
                f"pod address is refused there",
                f"add {shown}, or leave the annotation out and have the ports excluded",
                severity=WARNING,
                operations=sidecar.annotating({key: ",".join(map(str, (*sorted(_numbers(sidecar, key)), *missing)))}),
            )


def _numbers(sidecar: Sidecar, key: str) -> set[int]:
    """The ports of a user's annotation. InputError for anything but numbers."""
    words = [word.strip() for word in str(sidecar.theirs[key]).split(",")] if sidecar.theirs[key] else []
    wrong = [word for word in words if not word.isdecimal() or int(word) > 65535]
    if wrong:
        raise sidecar.wrong(
            key, f"{wrong[0]!r} is no port number", "write numbers with commas, in quotes; neither names nor ranges"
        )
    return set(map(int, words))
