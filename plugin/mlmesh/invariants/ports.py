"""Calls to pod addresses under STRICT: MLM303.

Peers of MPI, torchrun and Ray call each other by pod address. Istio knows no service for it, so the call leaves in
plain text, and a pod under STRICT refuses it (ray-project/kuberay issue 1005, kubeflow/mpi-operator issue 480). A port
that is excluded at both ends is met without a proxy.
"""

from mlmesh.invariants.rule import PODS, Rule, noted
from mlmesh.model.findings import WARNING

RULES = (
    Rule(
        code="MLM303",
        name="strict-refuses-pod-address",
        severity=WARNING,
        confidence="contradiction",
        scope="object",
        kinds=PODS,
        fix="safe",
        summary="A pod excludes some ports from its proxy, but not all on which it meets its peers.",
        check=noted("MLM303"),
    ),
)
