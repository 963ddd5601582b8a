"""Ports at which a sidecar and an application are in each other's way: MLM303, 311."""

from mlmesh.graph.membership import has_sidecar
from mlmesh.graph.mtls import any_strict
from mlmesh.invariants.rule import ABSENCE, OBJECT, PODS, Rule, Violation, noted
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release

# Always bound in a pod with a sidecar: administration, what leaves, what comes in, merged metrics, readiness, metrics.
_BOUND = frozenset({15000, 15001, 15006, 15020, 15021, 15090})
# Bound by some settings: debugging, ambient's tunnel, DNS.
_KEPT = frozenset({15004, 15008, 15053})
_RAY_KINDS = ("RayCluster", "RayService", "RayJob")


def strict_refuses_pod_address(release: "Release") -> "Iterator[Violation]":
    """Pods under STRICT are called by their address at a port that their sidecar guards: every call is refused.

    Why: Peers of MPI, torchrun and Ray, and some routers of model servers, call pods by address. Istio knows no
    service for it, so the call leaves in plain text, and a sidecar under STRICT refuses it. A port that is excluded at
    both ends is met without a proxy; one of a headless Service is known by its pods' addresses, and met by mutual TLS.

    Bad: a TrainJob of two nodes with sidecars in a namespace that is STRICT, whose peers meet at 29500

    Good: `excludeInboundPorts` and `excludeOutboundPorts: "29500"`, a headless Service with all ports, or no sidecar

    Source: ray-project/kuberay issue 1005, kubeflow/mpi-operator issue 480, kubeflow/trainer issue 2872,
    vllm-project/production-stack issue 471.
    """
    found: list[Violation] = []
    if any_strict(release):
        from mlmesh.invariants.peers import called

        found = list(called(release))
    told = {(each.item.document.index, each.item.pointer) for each in found}
    yield from found
    for each in noted(release, "MLM303"):  # what a list of the user's own leaves out
        if (each.item.document.index, each.item.pointer) not in told:
            yield each


def reserved_port(release: "Release") -> "Iterator[Violation]":
    """A container listens on a port that its pod's proxy listens on: one of the two does not start.

    Why: The containers of a pod share its ports. 15000, 15001, 15006, 15020, 15021 and 15090 are the proxy's. Ray gives
    its workers ports from 10002 to 19999, those among them.

    Bad: `containerPort: 15020` in a pod with a sidecar

    Good: any port below 15000; `min-worker-port` and `max-worker-port` for Ray

    Source: ray-project/ray pull request 44801, istio/istio pull request 48551.
    """
    for pods in release.own.pods:
        if pods.group == "ray.io" and pods.kind in _RAY_KINDS and has_sidecar(pods, release):
            yield from _ray_workers(pods)
        numbers = {number for _, number, _ in pods.ports if number in _BOUND or number in _KEPT}
        if numbers and has_sidecar(pods, release):
            yield from _taken(pods, numbers)


def _taken(pods: "Pods", numbers: set[int]) -> "Iterator[Violation]":
    template = pods.template()
    containers = template.spec.get("containers")
    for container in containers if isinstance(containers, list) else ():
        name = container.get("name") if isinstance(container, dict) else None
        if name in (None, "istio-proxy"):
            continue
        own = {port.get("containerPort") for port in container.get("ports") or () if isinstance(port, dict)}
        for number in sorted(numbers & own):
            sure = number in _BOUND
            yield Violation(
                template.owner,
                template.pointer[len(template.owner.pointer) :],
                f"container {name} of {pods.title} listens on {number}, which "
                + ("is a port of its pod's proxy: one of the two does not start" if sure else "some proxies listen on"),
                "give the container a port below 15000, and its Services that targetPort",
                severity=ERROR if sure else WARNING,
                evidence=f"{name} {number}",
            )


def _ray_workers(pods: "Pods") -> "Iterator[Violation]":
    """A group of a Ray cluster whose workers may get a port of the proxy."""
    from mlmesh.graph.peers import group_of, integer

    template = pods.template()
    params = group_of(template).get("rayStartParams")
    params = params if isinstance(params, dict) else {}
    low, high = integer(params.get("min-worker-port")) or 10002, integer(params.get("max-worker-port")) or 19999
    if pods.part == "submitter" or params.get("worker-port-list") or high < 15000 or low > 15090:
        return
    yield Violation(
        template.owner,
        template.pointer[len(template.owner.pointer) :],
        f"Ray gives the workers of {pods.title} ports from {low} to {high}, and 15000 to 15090 are its pod's proxy's: "
        f"a worker that gets one of them does not start",
        'rayStartParams: {min-worker-port: "10002", max-worker-port: "14999"}',
        severity=WARNING,
        evidence=pods.part,
    )


RULES = (
    Rule(
        "MLM303",
        strict_refuses_pod_address,
        severity=ERROR,
        confidence=ABSENCE,
        judges=(PODS,),
        reads=("PeerAuthentication", "Service", "Namespace"),
        fix="unsafe",
    ),
    Rule(
        "MLM311",
        reserved_port,
        severity=ERROR,
        confidence=OBJECT,
        judges=(PODS,),
        reads=("Namespace",),
    ),
)
