"""One pod: its network namespace, its sidecar as the injector left it, its apps; from the Pod's creation to its end."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dev.mesh.api import Api, Object, pod_path
from dev.mesh.containers import PROXY, arguments, containers, ends, environment, tcp_ports
from dev.mesh.network import Network, entered, inside, listening
from dev.mesh.pod_files import PROXY_USER, write_kubeconfig, write_proxy_files
from dev.mesh.programs import Programs
from dev.processes import Process, start, stop
from dev.progress import StepError

_READY_SECONDS = 120


class Sandbox:
    """A pod that runs, or did. `processes` are those of its containers, by the containers' names.

    `ready` tells whether its proxy and its ports answer, `ending` whether it is being ended; `exit_code` is set once a
    pod that ends has ended.
    """

    def __init__(self, pod: Object, folder: Path, api: Api, network: Network, programs: Programs) -> None:
        self.pod = pod
        self.namespace: str = pod["metadata"]["namespace"]
        self.name: str = pod["metadata"]["name"]
        self.folder = folder
        self.socket = folder / "app.sock"
        self.processes: dict[str, Process] = {}
        self.ready = False
        self.ending = False
        self.exit_code: int | None = None
        self._api = api
        self._network = network
        self._programs = programs
        self._parts = containers(pod)
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.netns, self.address = network.add()

    @property
    def captured(self) -> bool:
        """Whether a sidecar takes the pod's traffic; a gateway's proxy does not, it is the workload."""
        return any(each["name"] in ("istio-init", "istio-validation") for each in self._parts.first)

    @property
    def mapped(self) -> bool:
        """Whether the pod reaches Services by rules in its namespace, as one without any proxy does."""
        return self._parts.proxy is None

    def run(self, names_ready: Callable[["Sandbox"], None]) -> None:
        """Start its containers in their order and wait until it is ready; about a second.

        `names_ready` is called once the namespace is there. Raises StepError where something ends early or is not ready
        within a minute, with the end of its log.
        """
        names_ready(self)
        for container in self._parts.first:
            self._run_first(container)
        if self._parts.proxy:
            self._start_proxy(self._parts.proxy)
            if self._parts.native or "postStart" in self._parts.proxy.get("lifecycle", {}):
                self._await_proxy()
        for container in self._parts.apps:
            self._start_app(container)
        if self._parts.proxy:
            self._await_proxy()
        if not ends(self.pod):
            for port in [port for container in self._parts.apps for port in tcp_ports(container)]:
                self._await(lambda port=port: listening(self.netns, port), f"port {port}")  # type: ignore[misc]
        self.ready = True

    def ended(self) -> bool:
        """Whether the apps of a pod that ends have all ended; `exit_code` is then the first that is not 0."""
        if not self.ready or not ends(self.pod):
            return False
        codes = [self.folder / f"{each['name']}.exit" for each in self._parts.apps]
        if not all(path.exists() and path.read_text().strip() for path in codes):
            return False
        self.exit_code = next((int(path.read_text()) for path in codes if int(path.read_text())), 0)
        # A classic sidecar goes on, and so does the pod: the known trouble of Jobs in a mesh.
        return self._parts.native or not self._parts.proxy

    def terminate(self, grace: float) -> None:
        """End it as a kubelet does, within `grace` seconds, and take its namespace away.

        The proxy's preStop hook runs first; apps and a classic proxy are then asked together, a native one after them.
        """
        self.ready, self.ending = False, True
        deadline = time.monotonic() + grace
        proxy = self.processes.get(PROXY)
        apps = [process for name, process in self.processes.items() if name != PROXY]
        if grace:
            hook = ((self._parts.proxy or {}).get("lifecycle") or {}).get("preStop", {}).get("exec")
            if hook and proxy and proxy.alive():
                self._execute(hook["command"], timeout=grace)
            together = apps if self._parts.native else [*apps, *([proxy] if proxy else [])]
            for process in together:
                process.terminate()
            while any(process.alive() for process in together) and time.monotonic() < deadline:
                time.sleep(0.05)
        left = max(0.0, deadline - time.monotonic())
        stop([*apps, *([proxy] if proxy else [])], patience=left if grace else 0)
        self._network.remove(self.netns)

    def log(self, container: str) -> str:
        """What a container has printed so far."""
        path = self.folder / f"{container}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _run_first(self, container: Object) -> None:
        if container["name"] not in ("istio-init", "istio-validation"):
            raise StepError(f"{self.namespace}/{self.name}: init container {container['name']} cannot run here")
        values = self._values(container)
        command = [self._programs.path("pilot-agent"), *arguments(container, values)]
        done = subprocess.run(inside(self.netns, command), env=values, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StepError(f"{self.namespace}/{self.name}: {container['name']} failed:\n{done.stdout}{done.stderr}")

    def _start_proxy(self, container: Object) -> None:
        write_proxy_files(self._api, self.pod, self.folder, self._programs.home / "envoy_bootstrap.json")
        values = self._values(container)
        command = [self._programs.path("pilot-agent"), *arguments(container, values)]
        log = self.folder / f"{PROXY}.log"
        log.touch()
        os.chown(log, PROXY_USER, PROXY_USER)  # Envoy opens its standard output anew
        self.processes[PROXY] = start(inside(self.netns, command, PROXY_USER), log, env=values)

    def _start_app(self, container: Object) -> None:
        name = container["name"]
        write_kubeconfig(self._api, self.pod, self.folder)
        values = {"KUBECONFIG": str(self.folder / "kubeconfig"), **self._values(container)}
        command = self._programs.command(self.pod, container, values, self.socket)
        if ends(self.pod):
            command = ["sh", "-c", '"$@"; echo $? >"$0"', str(self.folder / f"{name}.exit"), *command]
        self.processes[name] = start(inside(self.netns, command), self.folder / f"{name}.log", env=values)

    def _values(self, container: Object) -> dict[str, str]:
        path = f"{self._programs.home}:{os.environ.get('PATH', os.defpath)}"
        base = {"PATH": path, "HOME": "/tmp", "HOSTNAME": self.name}  # noqa: S108
        base |= {"KUBERNETES_SERVICE_HOST": "kubernetes.default.svc", "KUBERNETES_SERVICE_PORT": "6443"}
        return {**base, **environment(self._api, self.pod, container, self.address)}

    def _await_proxy(self) -> None:
        self._await(lambda: _answers(self.netns, 15021, "/healthz/ready"), "the proxy")

    def _await(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not ready():
            dead = [name for name, each in self.processes.items() if not each.alive()]
            if (dead and not ends(self.pod)) or time.monotonic() > deadline:
                ends_of_logs = "\n".join(self.log(name)[-2000:] for name in self.processes)
                ended = f"; {', '.join(dead)} ended" if dead else ""
                raise StepError(f"{self.namespace}/{self.name}: {what} is not ready{ended}\n{ends_of_logs}")
            time.sleep(0.05)

    def _execute(self, command: list[str], timeout: float) -> None:
        program = [self._programs.path("pilot-agent"), *command[1:]] if command[0] == "pilot-agent" else command
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(inside(self.netns, program, PROXY_USER), capture_output=True, timeout=timeout, check=False)


def bind(api: Api, pod: Object, node: str) -> None:
    """Put a pod on the node, as a scheduler does."""
    metadata = pod["metadata"]
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]}, "target": target}
    api.create(pod_path(metadata["namespace"], metadata["name"], "binding"), body)


def _answers(netns: str, port: int, path: str) -> bool:
    """Whether an HTTP server inside the namespace answers 200."""
    try:
        with entered(netns), _opener.open(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return int(answer.status) == 200
    except (OSError, urllib.error.URLError):
        return False


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
