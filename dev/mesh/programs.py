"""Which program of this machine stands for a container, since no image can be pulled or run."""

import re
from pathlib import Path
from shutil import copy2

from dev.mesh.api import Object
from dev.mesh.containers import arguments, named, tcp_ports
from dev.toolchain import tool

# Of dev.recipes: what runs inside pods.
NEEDED = ("envoy", "pilot-agent", "envoy-bootstrap", "endpoint-picker", "body-based-router", "mesh-app", "kubectl")

_SHELLS = re.compile(r"(^|/)(busybox|alpine|bash|debian|alpine/k8s)([:@]|$)")
_FLAGS = {False: "--port", True: "--tls-port"}
_OWN = re.compile(r"(?:^|/)(epp|bbr)(?:[:@-]|$)")


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
        """The path of `envoy`, `pilot-agent`, `epp`, `bbr` or `mesh-app`."""
        return str(self.home / name)

    def command(self, pod: Object, container: Object, values: dict[str, str], socket: Path) -> list[str]:
        """What to run for an app's container; empty where nothing can stand for it.

        Images of shells run their command as it is, the endpoint picker and the body router run themselves. For every
        other image mesh-app stands in, which plays an ML server on the TCP ports that the container declares. Ports
        named `https` speak TLS with what lies in the folder that the environment variable CERTIFICATES names; MUTUAL
        there has them ask for the caller's certificate too.
        """
        image = container.get("image", "")
        typed = [*arguments(container, values, "command"), *arguments(container, values)]
        if _SHELLS.search(image):
            return typed
        if own := _OWN.search(image):
            return [self.path(own[1]), *arguments(container, values)]
        secure = named(container, "https")
        ports = [word for port in tcp_ports(container) for word in (_FLAGS[port in secure], str(port))]
        if secure:
            ports += ["--certificates", values["CERTIFICATES"], *(["--mutual"] if "MUTUAL" in values else [])]
        if not ports:
            return ["sleep", "infinity"]
        grace = str(pod["spec"].get("terminationGracePeriodSeconds", 0))
        known = ("--name", pod["metadata"]["name"], "--socket", str(socket), "--grace", grace)
        return [self.path("mesh-app"), "serve", *known, *ports]
