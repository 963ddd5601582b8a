"""Ports on which the pods of one object meet: those of NCCL's launchers, MPI, torchrun, Ray and Spark.

Peers call each other by pod address, which Istio knows no service for. Ports that are chosen at run time, as NCCL's and
Gloo's data connections and most of Ray's are, are not told by any manifest.
"""

import re

from mlmesh.graph.pods import PodTemplate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

# What serves requests or metrics stays in the mesh: by number, of Ray Serve's HTTP and gRPC and of Ray's metrics, or by
# the port's name.
SERVING = frozenset({8000, 8080, 9000})
_SERVES = r"^(http|grpc|h2c?\b|web|ui\b|serve\b|prom|tensorboard|dashboard|health)|(metrics|http|grpc|serve)$"

# What a training program is told to meet on: the arguments of torchrun, accelerate and deepspeed, and their variables.
_ARGUMENTS = r"--(?:(?:rdzv[-_]endpoint|etcd[-_]endpoint)[= ]\s*\S*?:|(?:master|main[-_]process)[-_]port[= ]\s*)(\d+)"
_TORCHRUN = r"\b(torchrun|torch\.distributed\.(run|launch))\b"
_VARIABLES = ("MASTER_PORT", "PET_MASTER_PORT", "PET_RDZV_ENDPOINT")
_TORCHRUN_PORT = 29500

# What the controllers of some kinds have their pods meet on, whatever ports the containers list: constants of
# kubeflow/training-operator pkg/apis (a port named pytorchjob-port and the like takes their place), sshd's ports of
# MPI, the trainer's of kubeflow/trainer, and those of Spark's driver and block managers on Kubernetes.
_CONTROLLERS = {
    ("kubeflow.org", "JAXJob"): (6666,),
    ("kubeflow.org", "MPIJob"): (22, 2222),
    ("kubeflow.org", "PaddleJob"): (36543,),
    ("kubeflow.org", "PyTorchJob"): (23456,),
    ("kubeflow.org", "TFJob"): (2222,),
    ("kubeflow.org", "XGBoostJob"): (9999,),
    ("sparkoperator.k8s.io", "ScheduledSparkApplication"): (7078, 7079),
    ("sparkoperator.k8s.io", "SparkApplication"): (7078, 7079),
    ("trainer.kubeflow.org", "ClusterTrainingRuntime"): (29500,),
    ("trainer.kubeflow.org", "TrainJob"): (29500,),
    ("trainer.kubeflow.org", "TrainingRuntime"): (29500,),
}
_OWN_PORT = "job-port"

RAY = "ray.io"
# rayStartParams by KubeRay's spelling, with the number that Ray takes where it is left out (None: chosen at run time).
_RAY_HEAD = {"port": 6379}
# The dashboard and the client are called through the head's Service, and run any code that they are given: they stay.
_RAY_DOORS = frozenset({8265, 10001})
_RAY_NODE = {
    "dashboard-agent-listen-port": 52365,
    "dashboard-agent-grpc-port": None,
    "node-manager-port": None,
    "object-manager-port": None,
    "runtime-env-agent-port": None,
}
LISTED = 256  # the widest range of worker ports that is written out


def met(templates: "Sequence[PodTemplate]") -> set[int]:
    """The ports on which the pods of one object meet, those apart that serve requests or metrics.

    ``templates`` are all of the object: a worker calls the ports that its master declares.
    """
    owner = templates[0].owner
    ports = set().union(*(_declared(template) for template in templates))
    if owner.group == RAY:
        ports = (ports | _ray(templates)) - _RAY_DOORS
    elif not any(_has_own_port(template) for template in templates):
        ports.update(_CONTROLLERS.get((owner.group, owner.kind), ()))
    return ports - SERVING


def _declared(pod: PodTemplate) -> set[int]:
    """The ports that a pod's containers declare to meet on, by their ports, arguments and variables."""
    found = set()
    for container in _maps(pod.spec.get("containers")):
        for port in _maps(container.get("ports")):
            number = port.get("containerPort")
            tcp = port.get("protocol", "TCP") == "TCP"
            if isinstance(number, int) and tcp and not re.search(_SERVES, str(port.get("name", ""))):
                found.add(number)
        found |= _rendezvous(container)
    return found


def declared_ports(templates: "Sequence[PodTemplate]") -> set[int]:
    """The ports that containers list, and those that their controller has them meet on."""
    owner = templates[0].owner
    found = {
        port.get("containerPort")
        for template in templates
        for container in _maps(template.spec.get("containers"))
        for port in _maps(container.get("ports"))
    }
    return {port for port in found if isinstance(port, int)} | set(_CONTROLLERS.get((owner.group, owner.kind), ()))


def rendezvous(pod: PodTemplate) -> set[int]:
    """The ports at which a pod's programs are told to meet by their arguments and variables."""
    return set().union(*map(_rendezvous, _maps(pod.spec.get("containers"))))


def command(pod: PodTemplate) -> str:
    """The commands and arguments of a pod's containers, in one text."""
    return " ".join(map(_command, _maps(pod.spec.get("containers"))))


def _rendezvous(container: "dict[str, Any]") -> set[int]:
    told = set(_told(container))
    text = _command(container)
    if "--" in text:
        told |= {int(port) for port in re.findall(_ARGUMENTS, text)}
    if not told and "torch" in text and re.search(_TORCHRUN, text):
        told = {_TORCHRUN_PORT}
    return {port for port in told if 0 < port <= 65535}


def _has_own_port(pod: PodTemplate) -> bool:
    return any(
        str(port.get("name", "")).endswith(_OWN_PORT)
        for container in _maps(pod.spec.get("containers"))
        for port in _maps(container.get("ports"))
    )


def _told(container: "dict[str, Any]") -> "Iterator[int]":
    for variable in _maps(container.get("env")):
        if variable.get("name") in _VARIABLES:
            port = str(variable.get("value", "")).rpartition(":")[2]
            if port.isdecimal():
                yield int(port)


def _command(container: "dict[str, Any]") -> str:
    words = [container.get("command"), container.get("args")]
    return " ".join(str(word) for part in words if isinstance(part, list) for word in part)


def _ray(templates: "Sequence[PodTemplate]") -> set[int]:
    """The ports of a Ray cluster, by the start parameters of its groups and Ray's own defaults."""
    ports: set[int] = set()
    for template in templates:
        group = group_of(template)
        params = group.get("rayStartParams")
        if not isinstance(params, dict):
            continue
        head = template.pointer.endswith("/headGroupSpec/template")
        for key, number in (*(_RAY_HEAD.items() if head else ()), *_RAY_NODE.items()):
            chosen = integer(params.get(key)) or number
            if chosen:
                ports.add(chosen)
        low, high = integer(params.get("min-worker-port")) or 10002, integer(params.get("max-worker-port"))
        if high is not None and high < low + LISTED:
            ports.update(range(low, high + 1))
        ports.update(filter(None, map(integer, str(params.get("worker-port-list", "")).split(","))))
    return ports


def group_of(template: PodTemplate) -> "dict[str, Any]":
    """The map that a template stands in: the group of a Ray cluster."""
    node: Any = template.owner.data
    for key in template.pointer[len(template.owner.pointer) :].split("/")[1:-1]:
        node = node[int(key)] if isinstance(node, list) else node.get(key)
    return node if isinstance(node, dict) else {}


def integer(value: object) -> int | None:
    """A port's number, as text or not; None for anything else."""
    text = str(value).strip()
    return int(text) if text.isdecimal() and int(text) <= 65535 else None


def _maps(value: object) -> "list[dict[str, Any]]":
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
