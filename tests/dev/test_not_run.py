"""No test is left out in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev.toolchain import ROOT

SUITE = """
import pytest
from tests.support.running import no_data, no_root, not_run

def test_fine():
    pass

def test_tool():
    not_run("no compiler here")

def test_data():
    no_data("no corpus here")

def test_root():
    no_root("no root here")

def test_plain():
    pytest.skip("just so")

@pytest.mark.skip(reason="marked")
def test_marked():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    raise AssertionError
"""


def run(folder: Path, *flags: str, demanded: bool) -> subprocess.CompletedProcess[str]:
    """Run the suite above, with every test demanded or not."""
    (folder / "test_suite.py").write_text(SUITE)
    environment = {**os.environ, "MLMESH_NO_SKIP": "1" if demanded else "0", "COLUMNS": "400"}
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest"]
    command += ["-p", "no:cacheprovider", "--rootdir", str(folder), str(folder), *flags]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("flags", [(), ("--numprocesses", "2")], ids=["one process", "shared by two"])
def test_each_is_told_with_its_reason(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """The end of a run names each test that did not run, and why; the run passes."""
    done = run(tmp_path, *flags, demanded=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.rpartition("::")[2] for line in done.stdout.splitlines() if line.startswith("NOT RUN: ")]
    assert sorted(told) == [
        "test_data: data: no corpus here",
        "test_marked: marked",
        "test_plain: just so",
        "test_root: root: no root here",
        "test_tool: no compiler here",
    ]


@pytest.mark.parametrize("name", ["test_tool", "test_plain", "test_marked"])
def test_each_is_a_failure_where_all_are_demanded(tmp_path: Path, name: str) -> None:
    """With MLMESH_NO_SKIP=1 a test that does not run fails, however it was skipped."""
    done = run(tmp_path, demanded=True)
    assert done.returncode == 1
    assert any(line.startswith(("FAILED", "ERROR")) and f"::{name} " in line for line in done.stdout.splitlines())


def test_missing_data_is_never_a_failure(tmp_path: Path) -> None:
    """Data that is not in the repository may be absent anywhere; its tests are still told."""
    done = run(tmp_path, demanded=True)
    assert "NOT RUN: test_suite.py::test_data: data: no corpus here" in done.stdout
    assert "::test_data -" not in done.stdout
