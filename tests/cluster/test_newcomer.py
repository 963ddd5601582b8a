"""Somebody who has Helm, Python and nothing else, and follows the README: Helm 3, Helm 4, or both on one machine."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.toolchain import ROOT
from tests.cluster.releases import Releases
from tests.cluster.test_readme import README, installed

__all__ = ["installed"]

# What a shell and Helm's own commands use; no git, no compiler, nothing of this checkout's environment.
COMMANDS = ("sh", "bash", "env", "cat", "ls", "mkdir", "rm", "ln", "cp", "mv", "python3")

Run = Callable[[str, str], "subprocess.CompletedProcess[str]"]


def lines(title: str) -> str:
    """The commands below a heading of the README."""
    (section,) = re.findall(rf"^### {title}\n(.*?)(?=^##)", README, re.MULTILINE | re.DOTALL)
    (found,) = re.findall(r"^```sh helm[34]\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def run(releases: Releases, installed: Path, tool: Callable[[str], str], tmp_path: Path) -> Run:
    """`run(helm, commands)`: in an empty home, with that `helm`, what `pip install .` gave, and three variables."""
    few = tmp_path / "few"
    few.mkdir()
    for command in COMMANDS:
        there = shutil.which(command)
        assert there, command
        (few / command).symlink_to(there)
    home, work = tmp_path / "home", tmp_path / "mlmesh"
    for folder in (home, work):
        folder.mkdir()
    for part in ("chart", "plugin", "values"):
        (work / part).symlink_to(ROOT / part)

    def commands(helm: str, text: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "HOME": str(home),
            "KUBECONFIG": str(releases.cluster.kubeconfig),
            "PATH": f"{installed}:{Path(tool(helm)).parent}:{few}",
        }
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=work, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    return commands


def completed(releases: Releases) -> bool:
    """Whether the release is there, and its LLM route has the timeout that only the post-renderer writes."""
    route = releases.cluster.get("virtualservice.networking.istio.io", "llm-timeouts", "ml-serving")
    there = releases.revisions(namespace="ml-mesh") == [(1, "deployed")]
    return there and route is not None and route["spec"]["http"][0]["timeout"] == "120s"


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_one_helm_and_the_lines_of_the_readme(releases: Releases, run: Run, helm: str) -> None:
    """The lines below its heading, as they stand there, leave a release that the post-renderer has completed."""
    done = run(helm, lines("Helm 3" if helm == "helm3" else "Helm 4"))
    assert done.returncode == 0, done.stderr
    assert completed(releases)


def test_both_helms_of_one_home(releases: Releases, run: Run) -> None:
    """With a folder of its own for Helm 4 both install, and Helm 3 loads its plugins; in one folder it does not."""
    folder, install = lines("Both on one machine"), lines("Helm 4").splitlines()[-1]
    done = run("helm4", folder + install)
    assert done.returncode == 0, done.stderr
    assert completed(releases)
    assert "failed to load plugins" not in run("helm3", "helm plugin list").stderr
    releases.clean()
    done = run("helm3", lines("Helm 3"))
    assert done.returncode == 0, done.stderr
    assert completed(releases)
    assert run("helm4", lines("Helm 4").splitlines()[0]).returncode == 0
    assert "failed to load plugins" in run("helm3", "helm plugin list").stderr
