"""A mesh leaves nothing behind: after a pass, a failure, Ctrl-C, and a kill that is followed by `make mesh-down`."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.toolchain import ROOT
from tests.support.meshes import demand_machine

PROBE = ROOT / "tests" / "dev" / "mesh_probe.py"


class Probe:
    """A pytest of its own, with a mesh; `name` is the mesh's."""

    def __init__(self, test: str, folder: Path) -> None:
        told = folder / "name"
        self._log = folder / "log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"{PROBE}::{test}"],
                cwd=ROOT,
                env={**os.environ, "MESH_PROBE": str(told)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 120
        while not told.exists() or not told.read_text():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)
        self.name = told.read_text()

    def said(self) -> str:
        """What it printed."""
        return self._log.read_text()


def left(name: str) -> dict[str, list[str]]:
    """What there is of the mesh called `name`."""
    places = {"home": Path("/var/lib/mlmesh"), "namespaces": Path("/run/netns"), "names": Path("/etc/netns")}
    found = {what: [path.name for path in place.glob(f"*{name}*")] for what, place in places.items()}
    found["processes"] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if f"mlmesh/{name}/".encode() in text or f"mlmesh-{name}-".encode() in text:
            found["processes"].append(process.name)
    return {what: sorted(items) for what, items in found.items()}


def machine() -> Counter[str]:
    """What a mesh could leave outside its namespaces: interfaces, mounts, iptables rules, a line each.

    A namespace's own mount is `left`'s to find, by its name: other runs' meshes may come and go meanwhile.
    """
    commands = (["ip", "-o", "link"], ["iptables-save"])
    printed = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands]
    lines = [line for text in printed for line in text.splitlines() if not line.startswith(("#", ":"))]
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if " /run/netns/mlmesh-" not in line]
    return Counter(lines + mounts)


NOTHING: dict[str, list[str]] = {"home": [], "namespaces": [], "names": [], "processes": []}


@pytest.fixture
def probe(tmp_path: Path) -> Callable[[str], Probe]:
    """`probe(test)`: run that test of mesh_probe.py; returns once its mesh stands."""
    demand_machine()
    return lambda test: Probe(test, tmp_path)


@pytest.mark.parametrize(("test", "status"), [("test_passes", 0), ("test_fails", 1)])
def test_nothing_is_left_after_a_pass_or_a_failure(probe: Callable[[str], Probe], test: str, status: int) -> None:
    """The mesh stood, with processes and namespaces; when the run has ended there is nothing of it."""
    before = machine()
    run = probe(test)
    assert run.process.wait(60) == status, run.said()
    assert left(run.name) == NOTHING
    assert machine() <= before


def test_nothing_is_left_after_ctrl_c(probe: Callable[[str], Probe]) -> None:
    """Ctrl-C in the midst of a test ends the mesh too."""
    before = machine()
    run = probe("test_waits")
    there = left(run.name)
    assert len(there["namespaces"]) >= 4, there
    assert len(there["processes"]) >= 10, there
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(60) == 2, run.said()
    assert left(run.name) == NOTHING
    assert machine() <= before


def test_a_killed_run_is_cleaned_up_by_make_mesh_down(probe: Callable[[str], Probe]) -> None:
    """A run that was killed leaves all of it; `make mesh-down` ends it, and what other runs have stays."""
    before = machine()
    run = probe("test_waits")
    run.process.kill()
    run.process.wait(10)
    assert len(left(run.name)["processes"]) >= 10
    done = subprocess.run(["make", "mesh-down"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.name in done.stderr
    assert left(run.name) == NOTHING
    assert machine() <= before
