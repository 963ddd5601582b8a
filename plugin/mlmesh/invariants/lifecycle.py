"""Pods that end before their requests do, start before their proxy, or never end: MLM212, 213, 505, 506."""

from mlmesh.invariants.rule import CONTRADICTION, OBJECT, PODS, Rule, Violation, noted
from mlmesh.model.findings import INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release


def drain_too_short(release: "Release") -> "Iterator[Violation]":
    """A pod that ends is killed before the longest timeout of the routes to it.

    Why: A pod that ends has terminationGracePeriodSeconds to answer what it was asked. What takes longer is killed.

    Bad: `terminationGracePeriodSeconds: 30` behind a route with `timeout: 120s`

    Good: at least the longest timeout of the routes to the pod and what its preStop hook takes

    Source: kserve/kserve pull requests 5485 and 5496, llm-d/llm-d issue 927.
    """
    return noted(release, "MLM212")


def proxy_drains_first(release: "Release") -> "Iterator[Violation]":
    """A classic sidecar is told to leave before the longest timeout of the routes to its pod.

    Why: A classic sidecar gets its signal to end with the application and leaves after five seconds, unless it is told
    to stay for its connections: what is being answered is cut off.

    Bad: `terminationDrainDuration: 5s` of the user's own behind a route with `timeout: 120s`

    Good: `EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "true"` among the proxyMetadata

    Source: istio/istio pkg/envoy/agent.go, issue 34855.
    """
    return noted(release, "MLM213")


def application_not_held(release: "Release") -> "Iterator[Violation]":
    """An application starts before its proxy, though its role asks something of others as it starts.

    Why: What an application asks of others as it starts fails as long as its proxy is not ready.

    Bad: `holdApplicationUntilProxyStarts: false` on a pod that loads its model from a store

    Good: leave it out, and have the role decide

    Source: istio/istio issue 11130.
    """
    return noted(release, "MLM505")


def job_never_ends(release: "Release") -> "Iterator[Violation]":
    """A pod whose work ends has a sidecar that is or may be classic, and does not end.

    Why: A Job is done when its containers are. A classic sidecar goes on, so the Job never completes; istiod makes
    sidecars native by itself only where every node can run them.

    Bad: a Job with `sidecar.istio.io/inject: "true"` and nothing else

    Good: the annotation `sidecar.istio.io/nativeSidecar: "true"`

    Source: istio/istio issue 11045, kubeflow/katib issues 1042 and 1638.
    """
    return noted(release, "MLM506")


RULES = (
    Rule(
        "MLM212",
        drain_too_short,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=(PODS,),
        scope="set",
        fix="safe",
    ),
    Rule(
        "MLM213",
        proxy_drains_first,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=(PODS,),
        scope="set",
        fix="safe",
    ),
    Rule(
        "MLM505",
        application_not_held,
        severity=INFO,
        confidence=OBJECT,
        judges=(PODS,),
        scope="object",
    ),
    Rule(
        "MLM506",
        job_never_ends,
        severity=WARNING,
        confidence=OBJECT,
        judges=(PODS,),
        scope="object",
        fix="safe",
    ),
)
