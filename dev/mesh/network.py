"""The wires: one network namespace a pod, all on the bridge of a namespace called the hub. None of it leads outside."""

import ctypes
import itertools
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dev.progress import StepError

HUB = "10.66.0.1"  # where pods see istiod and the API server

_NAMES = Path("/etc/netns")  # `ip netns exec` lays the files of a namespace's folder here over /etc
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """The namespaces of the mesh called `name`; their own names all begin with `mlmesh-<name>-`."""

    def __init__(self, name: str) -> None:
        self._prefix = f"mlmesh-{name}-"
        self.hub = self._prefix + "hub"
        self._numbers = itertools.count(10)

    def start(self) -> None:
        """Make the hub."""
        run("ip", "netns", "add", self.hub)
        run("ip", "-n", self.hub, "link", "set", "lo", "up")
        run("ip", "-n", self.hub, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", self.hub, "addr", "add", f"{HUB}/16", "dev", "bridge")
        run("ip", "-n", self.hub, "link", "set", "bridge", "up")

    def add(self) -> tuple[str, str]:
        """Make a pod's namespace on the bridge: its name and its address, which is never given again."""
        number = next(self._numbers)
        namespace, wire = f"{self._prefix}{number}", f"pod{number}"
        address = f"10.66.{number >> 8}.{number & 255}"
        run("ip", "netns", "add", namespace)
        run("ip", "link", "add", wire, "netns", self.hub, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        run("ip", "-n", self.hub, "link", "set", wire, "master", "bridge", "up")
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("ip", "-n", namespace, "addr", "add", f"{address}/16", "dev", "eth0")
        run("ip", "-n", namespace, "link", "set", "eth0", "up")
        run("ip", "-n", namespace, "route", "add", "default", "via", HUB)
        with entered(namespace):
            # As a container runtime sets it: a gateway that is not root listens on port 80.
            Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")
        return namespace, address

    def remove(self, namespace: str) -> None:
        """End what runs in a namespace and delete it with its interfaces, rules and files; fine if it is gone."""
        done = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False)
        for pid in done.stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
        shutil.rmtree(files_of(namespace), ignore_errors=True)

    def stop(self) -> None:
        """Remove every namespace of this mesh, whoever made it."""
        for path in (*Path("/run/netns").glob(self._prefix + "*"), *_NAMES.glob(self._prefix + "*")):
            self.remove(path.name)
        with suppress(OSError):
            _NAMES.rmdir()  # only if it is empty
        # `ip netns add` mounts this folder on itself; that goes once no namespace, whoever's, is mounted there.
        if Path("/run/netns").is_mount() and not any(Path("/run/netns").iterdir()):
            subprocess.run(["umount", "/run/netns"], capture_output=True, check=False)


def inside(namespace: str, command: Sequence[str], user: int | None = None) -> list[str]:
    """The command that runs `command` in a namespace, as root or as `user`."""
    as_user = [] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return ["ip", "netns", "exec", namespace, *as_user, *command]


def files_of(namespace: str) -> Path:
    """The folder whose files stand in for those of /etc in the namespace."""
    return _NAMES / namespace


@contextmanager
def entered(namespace: str) -> Iterator[None]:
    """Let this thread, and no other, stand in the namespace: a socket made meanwhile belongs to it."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def listening(namespace: str, port: int) -> bool:
    """Whether something accepts connections on the port, asked from inside the namespace."""
    try:
        with entered(namespace):
            connection = socket.create_connection(("127.0.0.1", port), timeout=1)
    except OSError:
        return False
    connection.close()
    return True


def run(*command: str, stdin: str = "") -> str:
    """What `command` prints; StepError with its message where it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepError(f"{' '.join(command)} failed (exit {done.returncode}): {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
