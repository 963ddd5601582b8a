"""Ports on which pods meet without a proxy: those of NCCL's launchers, MPI, torchrun and Ray.

Peers call each other by pod address, which Istio knows no service for: to a pod under STRICT such a call is plain text,
and refused. A port that is excluded at both ends leaves mTLS and authorization with it. The annotations take numbers
only (istio/istio pkg/kube/inject/validate.go parsePorts): ports that are chosen at run time, as NCCL's and Gloo's data
connections and most of Ray's do, must be set to numbers before they can be excluded.
"""

import re

from mlmesh.graph.pods import PodTemplate
from mlmesh.sidecars.sidecar import Sidecar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

PREFIX = "traffic.sidecar.istio.io/"
INBOUND, OUTBOUND = PREFIX + "excludeInboundPorts", PREFIX + "excludeOutboundPorts"

# What serves requests or metrics stays in the mesh: by number, of Ray Serve's HTTP and gRPC and of Ray's metrics, or by
# the port's name.
SERVING = frozenset({8000, 8080, 9000})
_SERVES = re.compile(
    r"^(http|grpc|h2c?\b|web|ui\b|serve\b|prom|tensorboard|dashboard|health)|(metrics|http|grpc|serve)$"
)

# What a training program is told to meet on: the arguments of torchrun, accelerate and deepspeed, and their variables.
_ARGUMENTS = re.compile(
    r"--(?:(?:rdzv[-_]endpoint|etcd[-_]endpoint)[= ]\s*\S*?:|(?:master|main[-_]process)[-_]port[= ]\s*)(\d+)"
)
_TORCHRUN = re.compile(r"\b(torchrun|torch\.distributed\.(run|launch))\b")
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


def exclude(sidecar: Sidecar, templates: "Sequence[PodTemplate]") -> None:
    """Exclude the ports on which the pods of one object meet, at both ends. Notes MLM303.

    ``templates`` are all of the object: a worker calls the ports that its master declares.
    """
    owner = sidecar.pod.owner
    ports = set().union(*(_declared(template) for template in templates))
    if owner.group == RAY:
        ports = (ports | _ray(templates)) - _RAY_DOORS
    elif not any(_has_own_port(template) for template in templates):
        ports.update(_CONTROLLERS.get((owner.group, owner.kind), ()))
    wanted = sorted(ports - SERVING or sidecar.block.get("excludePorts") or ())
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


def _declared(pod: PodTemplate) -> set[int]:
    """The ports that a pod's containers declare to meet on, by their ports, arguments and variables."""
    found = set()
    for container in _maps(pod.spec.get("containers")):
        for port in _maps(container.get("ports")):
            number = port.get("containerPort")
            tcp = port.get("protocol", "TCP") == "TCP"
            if isinstance(number, int) and tcp and not _SERVES.search(str(port.get("name", ""))):
                found.add(number)
        told = set(_told(container))
        text = _command(container)
        told |= {int(port) for port in _ARGUMENTS.findall(text)}
        if not told and _TORCHRUN.search(text):
            told = {_TORCHRUN_PORT}
        found |= {port for port in told if 0 < port <= 65535}
    return found


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
        group = _above(template)
        params = group.get("rayStartParams")
        if not isinstance(params, dict):
            continue
        head = template.pointer.endswith("/headGroupSpec/template")
        for key, number in (*(_RAY_HEAD.items() if head else ()), *_RAY_NODE.items()):
            chosen = _integer(params.get(key)) or number
            if chosen:
                ports.add(chosen)
        low, high = _integer(params.get("min-worker-port")) or 10002, _integer(params.get("max-worker-port"))
        if high is not None and high < low + LISTED:
            ports.update(range(low, high + 1))
        ports.update(filter(None, map(_integer, str(params.get("worker-port-list", "")).split(","))))
    return ports


def _above(template: PodTemplate) -> "dict[str, Any]":
    """The map that a template stands in: the group of a Ray cluster."""
    node: Any = template.owner.data
    for key in template.pointer[len(template.owner.pointer) :].split("/")[1:-1]:
        node = node[int(key)] if isinstance(node, list) else node.get(key)
    return node if isinstance(node, dict) else {}


def _integer(value: object) -> int | None:
    text = str(value).strip()
    return int(text) if text.isdecimal() and int(text) <= 65535 else None


def _maps(value: object) -> "list[dict[str, Any]]":
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
