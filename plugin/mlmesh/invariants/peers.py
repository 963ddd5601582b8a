"""Who calls pods by their address, and is refused: for MLM303."""

import re

from mlmesh.graph.fields import at
from mlmesh.graph.inventory import EXCLUDED
from mlmesh.graph.mtls import refusing
from mlmesh.graph.peers import RAY, command, declared_ports, group_of, integer, rendezvous
from mlmesh.graph.pods import PodTemplate, pod_templates
from mlmesh.graph.ports import Fronts, is_headless, target
from mlmesh.graph.stamps import additions
from mlmesh.invariants.rule import Violation
from mlmesh.manifests.patching import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Owner, Pods
    from mlmesh.graph.release import Release
    from mlmesh.model.patches import Operation

    # What the pods do, the port (None: one that is chosen at run time), and what to set besides.
    Meeting = tuple[str, int | None, str]

EXCLUDED_OUT = "traffic.sidecar.istio.io/excludeOutboundPorts"
TRAINER, OPERATOR = "trainer.kubeflow.org", "kubeflow.org"
_ROUTER = b"--k8s-label-selector"
_ROUTER_PORT = 8000
_MARKS = (b"torch", b"MASTER_PORT", b"rdzv", b"main_process_port", b"main-process-port", b"master_port", b"master-port")
# Templates of pods that others run.
_RUNTIMES = ("ClusterTrainingRuntime", "TrainingRuntime")
_ALONE = r"--standalone|--nnodes[= ]\s*1(?![\d:])"
_SSH = (22, 2222)
_TORCH = 29500


def called(release: "Release") -> "Iterator[Violation]":
    """The violations of each object whose pods call each other by address, and of routers that call others' so."""
    fronts = Fronts(release)
    owners: dict[Owner, list[Pods]] = {}
    for pods in release.own.pods:
        if _may_meet(pods):
            owners.setdefault(pods.owner, []).append(pods)
    for together in owners.values():
        refused = [pods for pods in together if refusing(pods, None, release) is not None]
        if refused:
            yield from _among(refused, release, fronts)
    if release.documents and release.documents[0].stream.data.find(_ROUTER) >= 0:
        for pods in release.own.pods:
            if pods.mentions(_ROUTER):
                yield from _routed(pods, release, fronts)


def _may_meet(pods: "Pods") -> bool:
    if pods.kind in _RUNTIMES:
        return False
    return pods.group in (RAY, TRAINER) or pods.kind == "MPIJob" or any(map(pods.mentions, _MARKS))


def _among(refused: "list[Pods]", release: "Release", fronts: Fronts) -> "Iterator[Violation]":
    """One violation at most of an object: what its pods meet at first that is refused."""
    owner = refused[0].template().owner
    templates = pod_templates(owner)
    for pods in refused:
        template = next((each for each in templates if each.part == pods.part), None)
        if template is None:
            continue  # of another object by the same name, which MLM903 tells of
        for what, port, besides in _meetings(template, templates):
            policy = refusing(pods, port, release)
            if policy is None or (port is not None and _is_known(pods, port, fronts)):
                continue
            where = "ports that they choose at run time" if port is None else f"port {port}"
            numbers = "their numbers" if port is None else f'"{port}"'
            yield Violation(
                owner,
                template.pointer[len(owner.pointer) :],
                f"{what} by pod address at {where}, which no Service names, so in plain text; {policy.title} takes "
                f"mutual TLS only: the sidecars of {pods.title} refuse every call",
                f"{besides}exclude the ports at both ends: annotations traffic.sidecar.istio.io/excludeInboundPorts "
                f"and traffic.sidecar.istio.io/excludeOutboundPorts: {numbers} on all pod templates (mlmesh-post "
                f"derives what it knows where the pods' role is training); or a headless Service with every port; or "
                f'the label sidecar.istio.io/inject: "false"',
                severity=release.weight(pods.namespace),
                evidence=f"{pods.part} {port}",
                operations=_excluding(templates),
            )
            return


def _excluding(templates: "list[PodTemplate]") -> "tuple[Operation, ...]":
    """Operations that exclude, at both ends, every port by which the pods of an object are said to meet.

    None where one is chosen at run time, where a kind passes no annotations on, or where a list holds more than ports.
    """
    meetings = [port for template in templates for _, port, _ in _meetings(template, templates)]
    ports = {port for port in meetings if port is not None}
    places = {template.annotations_pointer: template for template in templates if template.part != "submitter"}
    if len(ports) != len(set(meetings)) or None in places or templates[0].owner.group == TRAINER:
        return ()
    found: list[Operation] = []
    owner = templates[0].owner
    for place, template in places.items():
        values = {}
        for key in (EXCLUDED, EXCLUDED_OUT):
            own = str(template.annotations.get(key) or "").replace(" ", "")
            words = own.split(",") if own else []
            if not all(map(str.isdecimal, words)):
                return ()
            values[key] = ",".join(dict.fromkeys((*words, *map(str, sorted(ports)))))
        found += additions("", owner.data, split(str(place)[len(owner.pointer) :]), values)
    return tuple(found)


def _is_known(pods: "Pods", port: int, fronts: Fronts) -> bool:
    """Whether sidecars know the pods' addresses with this port, by a headless Service."""
    if pods.group == RAY and pods.part == "head" and any(number == port for _, number, _ in pods.ports):
        return True  # KubeRay makes a headless Service of what the head's containers list
    return any(is_headless(service) and target(each, pods) == port for service, _, each in fronts.of(pods))


def _meetings(template: PodTemplate, templates: "list[PodTemplate]") -> "Iterator[Meeting]":
    owner = template.owner
    text = command(template)
    if owner.group == RAY:
        yield from _of_ray(template, templates)
    elif owner.kind == "MPIJob":
        if "worker" in template.part:
            port = next((port for port in reversed(_SSH) if str(port) in repr(template.spec)), _SSH[0])
            yield "mpirun starts its processes by ssh, which calls the workers", port, ""
    elif owner.kind == "TrainJob":
        if _more(at(owner.data, "spec.trainer.numNodes")) and "torch" in str(at(owner.data, "spec.runtimeRef.name")):
            for port in sorted(rendezvous(template)) or (_TORCH,):
                yield "the nodes of torchrun meet", port, ""
    elif _several(template, templates) and not re.search(_ALONE, text):
        served = (
            declared_ports(templates) if owner.group == OPERATOR else set()
        )  # its controller makes Services of them
        for port in sorted(rendezvous(template) - served):
            yield "the nodes of a distributed program meet", port, ""


def _of_ray(template: PodTemplate, templates: "list[PodTemplate]") -> "Iterator[Meeting]":
    """Each node of Ray calls each other's at two ports, which are chosen at run time if nothing sets them."""
    if template.part == "submitter" or not any(each.part.startswith("worker") for each in templates):
        return
    params = group_of(template).get("rayStartParams")
    for key in ("node-manager-port", "object-manager-port"):
        port = integer(params.get(key)) if isinstance(params, dict) else None
        besides = "" if port else f'set rayStartParams {key}: "6380" or another number in each group, and '
        yield f"the nodes of Ray call each other ({key})", port or None, besides


def _several(template: PodTemplate, templates: "list[PodTemplate]") -> bool:
    """Whether an object runs several pods that work together, as far as it says."""
    data, kind = template.owner.data, template.owner.kind
    if (
        template.owner.group == OPERATOR
        or kind in ("JobSet", "PodCliqueSet")
        or template.owner.group.endswith("volcano.sh")
    ):
        return len(templates) > 1 or _counts(template)
    paths = {
        "LeaderWorkerSet": "spec.leaderWorkerTemplate.size",
        "Job": "spec.parallelism",
        "StatefulSet": "spec.replicas",
    }
    return _more(at(data, paths.get(kind, "-")))


def _counts(template: PodTemplate) -> bool:
    """Whether a number of pods above one stands on the way to a template."""
    node: Any = template.owner.data
    for key in template.pointer[len(template.owner.pointer) :].split("/")[1:]:
        node = node[int(key)] if isinstance(node, list) else node.get(key)
        if isinstance(node, dict) and (_more(node.get("replicas")) or _more(node.get("parallelism"))):
            return True
    return False


def _more(value: object) -> bool:
    return isinstance(value, int) and value > 1


def _routed(pods: "Pods", release: "Release", fronts: Fronts) -> "Iterator[Violation]":
    """A router of vLLM's that finds its servers by labels calls them by address."""
    template = pods.template()
    text = command(template)
    said = dict(re.findall(r"--(k8s-[a-z-]+)[= ]\s*(\S+)", text))
    labels = dict(re.findall(r"([^,=\s]+)=([^,\s]+)", said.get("k8s-label-selector", "")))
    if not labels or said.get("k8s-service-discovery-type", "pod-ip") != "pod-ip":
        return
    port = integer(said.get("k8s-port")) or _ROUTER_PORT
    for server in release.selected(said.get("k8s-namespace", pods.namespace), labels):
        policy = refusing(server, port, release)
        if policy is not None and not _is_known(server, port, fronts):
            yield Violation(
                template.owner,
                template.pointer[len(template.owner.pointer) :],
                f"the router calls {server.title} by pod address at port {port}, in plain text; {policy.title} takes "
                f"mutual TLS only: every request is refused",
                f"a headless Service with port {port} for the servers, or a PeerAuthentication for them with "
                f"portLevelMtls: {{{port}: {{mode: PERMISSIVE}}}}, or --k8s-service-discovery-type=service-name",
                severity=release.weight(server.namespace),
                evidence=f"{server.title} {port}",
            )
            return
