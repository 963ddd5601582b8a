"""The mesh as one thing: start it, look at its pods, end it; and the clean-up after one that was killed.

`python -m dev.mesh.lab down` ends every mesh of this machine that was left behind.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev import cluster as clusters
from dev.cluster import Cluster
from dev.helm import Helm
from dev.mesh import istio, programs
from dev.mesh.api import Api
from dev.mesh.istio import Istio
from dev.mesh.kubelet import Kubelet
from dev.mesh.network import Network
from dev.mesh.programs import Programs
from dev.mesh.traffic import Pod
from dev.processes import Journal, Process
from dev.progress import StepError, say
from dev.toolchain import ROOT, tool

NEEDED = (*clusters.NEEDED, *istio.NEEDED, *programs.NEEDED)

# Only root writes there, and a sidecar's user may pass; a home directory has neither of both.
_HOMES = Path("/var/lib/mlmesh")
_COMMANDS = ("ip", "iptables", "iptables-restore", "setpriv")


def missing() -> str:
    """What this machine lacks to run a mesh; empty where it can."""
    if sys.platform != "linux":
        return "network namespaces, which only Linux has"
    if os.geteuid() != 0:
        return "root, to make network namespaces"
    lacking = [name for name in _COMMANDS if not shutil.which(name)]
    return f"the commands {', '.join(lacking)} (Debian: iproute2, iptables, util-linux)" if lacking else ""


class Mesh:
    """A mesh of this process, called `name`: what it makes carries the name, so that several can stand side by side."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.home = _HOMES / name
        self.network = Network(name)
        self.cluster = Cluster(self.home / "cluster", workloads=True)
        self._journal = Journal(self.home / "processes.json")
        self._kubelet: Kubelet | None = None

    def start(self) -> None:
        """Start it from nothing; about fifteen seconds where everything is built.

        Raises StepError where the machine lacks something, or a part does not start. What was started is then still to
        be ended by `stop`.
        """
        if lacking := missing():
            raise StepError(f"a mesh needs {lacking}")
        for each in NEEDED:
            tool(each)
        self.home.mkdir(parents=True, mode=0o711)
        _HOMES.chmod(0o711)
        (self.home / "owner.json").write_text(json.dumps(Process.current()))
        carried = Programs(self.home / "bin")
        carried.lay()
        self.network.start()
        self.cluster.start()
        self.api = Api(self.cluster.kubeconfig)
        self.helm = Helm("helm4", self.home / "helm4", self.cluster)
        self.istio = Istio(self.cluster, self.helm, self._journal, self.home / "istiod", carried.path("envoy"))
        self.istio.start()
        ports = (f"15012={self.istio.xds_port}", f"6443={self.api.server.rpartition(':')[2]}")
        forwarder = [sys.executable, "-m", "dev.mesh.forward", self.network.hub, *ports]
        self._journal.start(forwarder, self.home / "forward.log", env={**os.environ, "PYTHONPATH": str(ROOT)})
        self._kubelet = Kubelet(self.api, self.network, carried, self.home / "pods")
        self._kubelet.start()

    def stop(self) -> None:
        """End all of it and delete what it wrote. May be called at any time, from any process, and twice."""
        if self._kubelet:
            self._kubelet.stop()
        self.network.stop()
        self._journal.stop()
        self.cluster.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        if _HOMES.is_dir() and not any(_HOMES.iterdir()):
            _HOMES.rmdir()

    def install(self, *arguments: str) -> None:
        """`helm install ml-mesh chart/` with the post-renderer, wait for the pods; `arguments` are further ones."""
        command = ("install", "ml-mesh", "chart/", "--post-renderer", "mlmesh-post", "--namespace", "ml-mesh")
        done = self.helm.run(*command, "--create-namespace", *arguments)
        if done.returncode:
            raise StepError(f"helm install failed: {done.stderr}{done.stdout}")
        self.wait_for_pods()

    def wait_for_pods(self, seconds: float = 180) -> None:
        """Wait until every pod that the API holds, and every one that a workload asks for, is ready or has ended."""
        deadline = time.monotonic() + seconds
        while not self._all_ready():
            if self.kubelet.errors:
                raise StepError("\n".join(self.kubelet.errors))
            if time.monotonic() > deadline:
                raise StepError(
                    f"not all pods are ready after {seconds} s:\n{self.cluster.kubectl('get', 'pods', '-A')}"
                )
            time.sleep(0.2)
        self.istio.settle()

    @property
    def kubelet(self) -> Kubelet:
        """What runs the pods."""
        if self._kubelet is None:
            raise StepError(f"the mesh {self.name} has not been started")
        return self._kubelet

    def pod(self, namespace: str, **labels: str) -> Pod:
        """The one ready pod with these labels; StepError where there is none or several."""
        found = self.pods(namespace, **labels)
        if len(found) != 1:
            names = [each.name for each in found]
            raise StepError(f"{len(names)} ready pods in {namespace} have the labels {labels}: {names}")
        return found[0]

    def pods(self, namespace: str, **labels: str) -> list[Pod]:
        """The ready pods with these labels."""
        wanted = labels.items()
        program = str(self.home / "bin" / "mesh-app")
        return [
            Pod(each, program)
            for each in list(self.kubelet.sandboxes.values())
            if each.ready
            and each.namespace == namespace
            and wanted <= (each.pod["metadata"].get("labels") or {}).items()
        ]

    def apply(self, manifests: str) -> None:
        """Apply manifests, and wait until the proxies have what follows from them."""
        self.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifests)
        self.istio.settle()

    @contextmanager
    def without(
        self, kind: str, name: str, namespace: str = "ml-serving", *, part: str = "", put: object = None
    ) -> Iterator[None]:
        """Take an object away for a while, or only what `part`, a JSON pointer, names; or `put` another value there."""
        where = (kind, name, "--namespace", namespace)
        found = json.loads(self.cluster.kubectl("get", *where, "--output", "json"))
        if part:
            operation = {"op": "remove", "path": part} if put is None else {"op": "add", "path": part, "value": put}
            self.cluster.kubectl("patch", *where, "--type=json", "--patch", json.dumps([operation]))
        else:
            self.cluster.kubectl("delete", *where)
        found.pop("status", None)
        for key in ("resourceVersion", "uid", "creationTimestamp", "generation"):
            found["metadata"].pop(key, None)
        self.wait_for_pods()
        try:
            yield
        finally:
            verb = "replace" if part else "create"
            self.cluster.kubectl(verb, "--filename", "-", stdin=json.dumps(found))
            self.wait_for_pods()

    def _all_ready(self) -> bool:
        for path in ("apps/v1/deployments", "apps/v1/statefulsets", "apps/v1/daemonsets"):
            for each in self.api.items(f"/apis/{path}"):
                status = each.get("status", {})
                if status.get("observedGeneration") != each["metadata"]["generation"]:
                    return False
                wanted = each["spec"].get("replicas", status.get("desiredNumberScheduled", 0))
                updated = status.get("updatedReplicas", status.get("updatedNumberScheduled", 0))
                ready = status.get("readyReplicas", status.get("numberReady", 0))
                if not (ready == updated == wanted == status.get("replicas", ready)):
                    return False
        return all(_settled(pod) for pod in self.api.items("/api/v1/pods"))


def _settled(pod: dict[str, object]) -> bool:
    status: dict[str, object] = pod.get("status", {})  # type: ignore[assignment]
    conditions: list[dict[str, str]] = status.get("conditions") or []  # type: ignore[assignment]
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready or status.get("phase") in ("Succeeded", "Failed")


def end_abandoned(prefix: str = "") -> list[str]:
    """End the meshes whose process is gone, as when it was killed; their names. `prefix` narrows by name."""
    ended = []
    for home in sorted(_HOMES.glob(prefix + "*")):
        owner = home / "owner.json"
        if owner.exists() and Process(*json.loads(owner.read_text())).alive():
            continue
        Mesh(home.name).stop()
        ended.append(home.name)
    return ended


def main(arguments: Sequence[str]) -> int:
    """`down`: end what was left behind; 1 where this machine cannot have any."""
    if arguments != ["down"] or missing():
        say(missing() or __doc__.strip())
        return 1
    ended = end_abandoned()
    say(f"ended and deleted: {', '.join(ended)}" if ended else "no mesh was left behind")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
