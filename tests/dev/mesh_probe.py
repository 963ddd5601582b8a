"""Run by test_mesh_leftovers.py, in a pytest of its own: tests with a mesh that pass, fail, or wait to be ended."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.mesh.demo import CALLERS
from dev.mesh.lab import Mesh
from tests.support.meshes import running_mesh


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    """A mesh with three pods; the file that the environment names then tells its name."""
    with running_mesh() as own:
        own.cluster.kubectl("apply", "-f", str(CALLERS))
        own.wait_for_pods()
        Path(os.environ["MESH_PROBE"]).write_text(own.name)
        yield own


def test_passes(mesh: Mesh) -> None:
    """A pass."""
    assert len(mesh.pods("ml-frontend")) == 2


def test_fails(mesh: Mesh) -> None:
    """A failure."""
    assert mesh.pods("ml-frontend") == []


@pytest.mark.usefixtures("mesh")
def test_waits() -> None:
    """Half a minute in which to end it."""
    time.sleep(30)
