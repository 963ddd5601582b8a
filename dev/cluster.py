"""A real Kubernetes API on loopback: etcd, API server and controllers as plain processes, no root, no containers.

It has no nodes: nothing is scheduled and no pod runs (`dev.mesh` brings a node, and runs them). Ports are free ones,
keys are its own, and everything it writes is in one folder.
"""

import base64
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from dev.cache import cache_dir
from dev.processes import Journal
from dev.progress import StepError
from dev.toolchain import tool

NEEDED = ("kubectl", "etcd", "kube-apiserver", "kube-controller-manager", "crds")

_READY_SECONDS = 90
_TRIES = 3  # a port that was free can be taken before the server has it
_CONTROLLERS = "namespace,serviceaccount,serviceaccount-token,garbage-collector,root-ca-certificate-publisher"
_WORKLOAD_CONTROLLERS = "deployment,replicaset,statefulset,daemonset,job,cronjob,endpointslice,disruption"
_KEPT_NAMESPACES = {"default", "kube-system", "kube-public", "kube-node-lease"}


class _EndedEarlyError(StepError):
    """A server that ended before it was ready."""


class Cluster:
    """The cluster whose files are in `home`; `start` and `stop` may be called by different processes.

    With `workloads` it has the controllers that make pods and the endpoints of Services; otherwise no pod comes to be.
    """

    def __init__(self, home: Path, *, workloads: bool = False) -> None:
        self.home = home
        self._controllers = f"{_CONTROLLERS},{_WORKLOAD_CONTROLLERS}" if workloads else _CONTROLLERS
        self.kubeconfig = home / "kubeconfig"
        self._journal = Journal(home / "processes.json")

    @classmethod
    def named(cls, name: str) -> "Cluster":
        """The cluster of that name in the cache directory."""
        return cls(cache_dir() / "run" / name)

    def running(self) -> bool:
        """Whether all its processes run."""
        return self._journal.running()

    def start(self) -> None:
        """Start it from nothing, with the CRDs of Istio, Gateway API and the Inference Extension; about ten seconds.

        Raises StepError where a process ends early, several times, or is not ready in time.
        """
        for name in NEEDED:
            tool(name)
        for tries_left in range(_TRIES - 1, -1, -1):
            try:
                self._start_servers()
                break
            except _EndedEarlyError:
                if not tries_left:
                    raise
        for folder in sorted(tool("crds").iterdir()):
            self.kubectl("create", "-f", str(folder))
        self.kubectl("wait", "--for", "condition=established", "--timeout=60s", "crd", "--all")

    def _start_servers(self) -> None:
        self.stop()
        self.home.mkdir(parents=True, mode=0o700)
        etcd_port, peer_port, port = free_ports(3)
        token = secrets.token_hex(16)
        tokens = self.home / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f"{token},mlmesh-admin,mlmesh-admin,system:masters\n")
        self._start(_etcd(self.home, etcd_port, peer_port))
        self._start(_api_server(self.home, etcd_port, port))
        self._wait(port, token)
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(_kubeconfig(port, token, _certificate(self.home).read_text()), indent=1))
        self._start(_controllers(self.home, self.kubeconfig, self._controllers))

    def stop(self) -> None:
        """End its processes, the API server before what it needs, and delete its folder."""
        self._journal.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def empty(self) -> None:
        """Delete every namespace that is not Kubernetes' own, with all that is in it, and wait until they are gone."""
        listed = self.kubectl("get", "namespaces", "-o", "name").split()
        if others := [name for name in listed if name.partition("/")[2] not in _KEPT_NAMESPACES]:
            self.kubectl("delete", "--timeout=120s", *others)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What kubectl prints; StepError with its message where it fails."""
        command = [str(tool("kubectl")), *arguments]
        done = subprocess.run(command, input=stdin, env=self.environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise StepError(f"kubectl {' '.join(arguments)} failed (exit {done.returncode}): {done.stderr.strip()}")
        return done.stdout

    def environment(self) -> dict[str, str]:
        """The user's environment, pointed at this cluster and at nothing in the user's home."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
        environment["KUBECONFIG"] = str(self.kubeconfig)
        environment["KUBECACHEDIR"] = str(self.home / "kube-cache")
        environment["KUBERC"] = "off"
        return environment

    def _start(self, command: list[str]) -> None:
        self._journal.start(command, self.home / f"{Path(command[0]).name}.log")

    def _wait(self, port: int, token: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        request = urllib.request.Request(
            f"https://127.0.0.1:{port}/readyz", headers={"Authorization": f"Bearer {token}"}
        )
        while time.monotonic() < deadline:
            if not self.running():
                raise _EndedEarlyError(f"etcd or the API server ended early:\n{self._ends_of_logs()}")
            try:
                # A proxy of the user's must not see this.
                trusted = ssl.create_default_context(cafile=str(_certificate(self.home)))
                handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
                with urllib.request.build_opener(*handlers).open(request, timeout=5):
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise StepError(f"the API server is not ready after {_READY_SECONDS} s:\n{self._ends_of_logs()}")

    def _ends_of_logs(self) -> str:
        ends = [log.read_text(errors="replace").splitlines()[-15:] for log in sorted(self.home.glob("*.log"))]
        return "\n".join(line for end in ends for line in end)


def _etcd(home: Path, port: int, peer_port: int) -> list[str]:
    peer = f"http://127.0.0.1:{peer_port}"
    command = [str(tool("etcd")), "--data-dir", str(home / "etcd"), "--log-level", "warn", "--unsafe-no-fsync"]
    for kind, url in (("client", f"http://127.0.0.1:{port}"), ("peer", peer)):
        command += [f"--listen-{kind}-urls", url]
        command += [f"--{'initial-advertise-peer' if kind == 'peer' else 'advertise-client'}-urls", url]
    return [*command, "--initial-cluster", f"default={peer}"]


def _api_server(home: Path, etcd_port: int, port: int) -> list[str]:
    # The server makes its certificate itself and does so before it reads the key for service account tokens: so one key
    # serves both, and neither openssl nor a library is needed.
    key = _certificate(home).with_suffix(".key")
    return [
        str(tool("kube-apiserver")),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        # Published nowhere, as the reconciler is off; named since a machine without a route has no address to choose.
        "--advertise-address=192.0.2.1",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={_certificate(home).parent}",
        f"--token-auth-file={home / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--api-audiences=https://kubernetes.default.svc,istio-ca",  # Istio's agents ask for tokens of the second
        f"--service-account-signing-key-file={key}",
        f"--service-account-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--enable-priority-and-fairness=false",
        "--profiling=false",
    ]


def _controllers(home: Path, kubeconfig: Path, names: str) -> list[str]:
    return [
        str(tool("kube-controller-manager")),
        f"--kubeconfig={kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
        f"--controllers={','.join(f'{name}-controller' for name in names.split(','))}",
        f"--service-account-private-key-file={_certificate(home).with_suffix('.key')}",
        f"--root-ca-file={_certificate(home)}",
        # The defaults pace a busy cluster; here they would make deleting a namespace take half a minute.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]


def _certificate(home: Path) -> Path:
    return home / "pki" / "apiserver.crt"


def _kubeconfig(port: int, token: str, authority: str) -> dict[str, object]:
    encoded = base64.b64encode(authority.encode()).decode()
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": encoded}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "mlmesh", "cluster": cluster}],
        "users": [{"name": "mlmesh-admin", "user": {"token": token}}],
        "contexts": [{"name": "mlmesh", "context": {"cluster": "mlmesh", "user": "mlmesh-admin"}}],
        "current-context": "mlmesh",
    }


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listened on just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports
