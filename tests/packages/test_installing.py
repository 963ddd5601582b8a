"""The wheel, installed as its users install it, into empty homes."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mlmesh
from tests.packages.conftest import Newcomer, Released

VERSION = f"mlmesh-post {mlmesh.__version__}\n"
BIN = Path(sys.executable).parent
# What a user's pip, pipx and uv make environments of: this machine's Python, not this environment's.
PYTHON = str(Path(sys.executable).resolve())


@pytest.fixture
def anyone(newcomer: Callable[[str], Newcomer]) -> Newcomer:
    """A newcomer; which Helm there is matters to none of the installers."""
    return newcomer("helm4")


def test_pip_installs_the_wheel(anyone: Newcomer, released: Released) -> None:
    """Into a new virtual environment, with the locked requirements by hash; both commands run from there."""
    anyone.ok(PYTHON, "-m", "venv", "--without-pip", "own")
    pip = (str(BIN / "python"), "-m", "pip", "--python", "own/bin/python", "install")
    anyone.ok(*pip, "--require-hashes", "--requirement", str(released.folder / "requirements.txt"))
    anyone.ok(*pip, "--no-deps", str(released.one("*.whl")))
    assert anyone.ok("own/bin/mlmesh-post", "--version") == VERSION
    assert "mlmesh" in anyone.ok("own/bin/mlmesh", "--help")
    assert anyone.ok(*pip[:-1], "check") == "No broken requirements found.\n"


def test_pip_installs_the_source_archive(anyone: Newcomer, released: Released) -> None:
    """From the source archive a wheel is built and installed."""
    anyone.ok(PYTHON, "-m", "venv", "--without-pip", "own")
    pip = (str(BIN / "python"), "-m", "pip", "--python", "own/bin/python", "install")
    anyone.ok(*pip, str(released.one("mlmesh-*.tar.gz")))
    assert anyone.ok("own/bin/mlmesh-post", "--version") == VERSION


def test_pipx_installs_the_wheel(anyone: Newcomer, released: Released) -> None:
    """`pipx install` puts the commands into ~/.local/bin."""
    pipx = (str(BIN / "python"), "-m", "pipx", "install", "--python", PYTHON)
    anyone.ok(*pipx, str(released.one("*.whl")))
    assert anyone.ok(".local/bin/mlmesh-post", "--version") == VERSION


def test_uv_installs_the_wheel(anyone: Newcomer, released: Released) -> None:
    """`uv tool install` puts the commands into ~/.local/bin."""
    anyone.ok(str(BIN / "uv"), "tool", "install", "--python", PYTHON, str(released.one("*.whl")))
    assert anyone.ok(".local/bin/mlmesh-post", "--version") == VERSION
