"""Helm, 3 or 4, with homes of its own: the user's repositories, plugins and releases are neither seen nor touched."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from dev.cluster import Cluster
from dev.progress import StepError
from dev.toolchain import ROOT, tool

PLUGIN = ROOT / "plugin" / "mlmesh-post"


class Helm:
    """The Helm called `name` in `dev.recipes`, its homes below `home`, against `cluster` or no cluster at all.

    `mlmesh-post` is found as users are told to set it up: on PATH by Helm 3, as an installed plugin by Helm 4.
    """

    def __init__(self, name: str, home: Path, cluster: Cluster | None = None) -> None:
        self.name = name
        self.program = tool(name)
        self.environment = _environment(self.program, home, cluster)
        if self.has_plugins and not (home / "data" / "plugins" / PLUGIN.name).exists():
            done = self.run("plugin", "install", str(PLUGIN))
            if done.returncode:
                raise StepError(f"{name} cannot install the plugin: {done.stderr.strip()}")

    @property
    def has_plugins(self) -> bool:
        """Whether its post-renderers are plugins, as from Helm 4 on."""
        return self.name.startswith("helm4")

    def run(
        self, *arguments: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `helm` with the arguments, from the repository's root if no other folder is named.

        `env` is laid over its environment. The result holds what it printed; a failure is the caller's to judge.
        """
        environment = {**self.environment, **(env or {})}
        return subprocess.run(
            [str(self.program), *arguments],
            cwd=cwd,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )


def _environment(program: Path, home: Path, cluster: Cluster | None) -> dict[str, str]:
    base = cluster.environment() if cluster else {**os.environ, "KUBECONFIG": str(home / "no-kubeconfig")}
    # MLMESH_ variables are options of the post-renderer; only those that the caller sets are to be in force.
    environment = {name: value for name, value in base.items() if not name.startswith(("HELM_", "MLMESH_"))}
    for kind in ("cache", "config", "data"):
        environment[f"HELM_{kind.upper()}_HOME"] = str(home / kind)
    folders = [Path(sys.executable).parent, program.parent, tool("kubectl").parent]
    environment["PATH"] = os.pathsep.join([*map(str, folders), environment.get("PATH", os.defpath)])
    return environment
