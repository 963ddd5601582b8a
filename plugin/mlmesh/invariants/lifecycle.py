"""Pods that end before their requests do, start before their proxy, or never end: MLM212, 213, 505, 506.

A classic sidecar gets its signal to end with the application and leaves after five seconds, unless
EXIT_ON_ZERO_ACTIVE_CONNECTIONS has it stay for its connections; a native one ends after the application (istio/istio
pkg/envoy/agent.go). Whatever is left when terminationGracePeriodSeconds are over is killed. A Job with a classic
sidecar does not complete (istio/istio issue 11045); istiod makes sidecars native by itself only where every node can
run them.
"""

from mlmesh.invariants.rule import PODS, Rule, noted
from mlmesh.model.findings import INFO, WARNING

RULES = (
    Rule(
        code="MLM212",
        name="drain-too-short",
        severity=WARNING,
        confidence="contradiction",
        scope="set",
        kinds=PODS,
        fix="safe",
        summary="A pod that ends is killed before the longest timeout of the routes to it.",
        check=noted("MLM212"),
    ),
    Rule(
        code="MLM213",
        name="proxy-drains-first",
        severity=WARNING,
        confidence="contradiction",
        scope="set",
        kinds=PODS,
        fix="safe",
        summary="A classic sidecar is told to leave before the longest timeout of the routes to its pod.",
        check=noted("MLM213"),
    ),
    Rule(
        code="MLM505",
        name="application-not-held",
        severity=INFO,
        confidence="object",
        scope="object",
        kinds=PODS,
        fix="safe",
        summary="An application starts before its proxy, though its role asks something of others as it starts.",
        check=noted("MLM505"),
    ),
    Rule(
        code="MLM506",
        name="job-never-ends",
        severity=WARNING,
        confidence="object",
        scope="object",
        kinds=PODS,
        fix="safe",
        summary="A pod whose work ends has a sidecar that is or may be classic, and does not end.",
        check=noted("MLM506"),
    ),
)
