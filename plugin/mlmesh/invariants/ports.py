"""Calls to pod addresses under STRICT: MLM303."""

from mlmesh.invariants.rule import CONTRADICTION, PODS, Rule, Violation, noted
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release


def strict_refuses_pod_address(release: "Release") -> "Iterator[Violation]":
    """A pod excludes some ports from its proxy, but not all on which it meets its peers.

    Why: Peers of MPI, torchrun and Ray call each other by pod address. Istio knows no service for it, so the call
    leaves in plain text, and a pod under STRICT refuses it. A port that is excluded at both ends is met without a
    proxy.

    Bad: `excludeInboundPorts: "29500"` of the user's own on workers that meet on 29500 and 29501

    Good: both ports in both lists, or neither annotation, to have them derived

    Source: ray-project/kuberay issue 1005, kubeflow/mpi-operator issue 480.
    """
    return noted(release, "MLM303")


RULES = (
    Rule(
        "MLM303",
        strict_refuses_pod_address,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=(PODS,),
        scope="object",
    ),
)
