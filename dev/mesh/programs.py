"""Which program of this machine stands for a container, since no image can be pulled or run."""

import re
from pathlib import Path
from shutil import copy2

from dev.mesh.api import Object
from dev.mesh.containers import arguments, tcp_ports
from dev.toolchain import tool

# Of dev.recipes: what runs inside pods.
NEEDED = ("envoy", "pilot-agent", "envoy-bootstrap", "endpoint-picker", "mesh-app")

_SHELLS = re.compile(r"(^|/)(busybox|alpine|bash|debian)([:@]|$)")
_PICKER = re.compile(r"(^|/)(epp|endpoint-picker)([:@-]|$)")


class Programs:
    """The programs, copied to `home`: the cache lies in a home directory, which a sidecar's user may not enter."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def lay(self) -> None:
        """Copy them."""
        self.home.mkdir(mode=0o755)
        for name in NEEDED:
            source = tool(name)
            for file in source.iterdir() if source.is_dir() else [source]:
                copy2(file, self.home / file.name)

    def path(self, name: str) -> str:
        """The path of `envoy`, `pilot-agent`, `epp` or `mesh-app`."""
        return str(self.home / name)

    def command(self, pod: Object, container: Object, values: dict[str, str], socket: Path) -> list[str]:
        """What to run for an app's container; empty where nothing can stand for it.

        Images of shells run their command as it is, the endpoint picker runs itself. For every other image mesh-app
        stands in, which plays an ML server on the TCP ports that the container declares.
        """
        image = container.get("image", "")
        typed = [*arguments(container, values, "command"), *arguments(container, values)]
        if _SHELLS.search(image):
            return typed
        if _PICKER.search(image):
            return [self.path("epp"), *arguments(container, values)]
        ports = [word for port in tcp_ports(container) for word in ("--port", str(port))]
        if not ports:
            return ["sleep", "infinity"]
        grace = str(pod["spec"].get("terminationGracePeriodSeconds", 0))
        named = ("--name", pod["metadata"]["name"], "--socket", str(socket), "--grace", grace)
        return [self.path("mesh-app"), "serve", *named, *ports]
