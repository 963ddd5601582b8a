"""A mesh for tests: started where the machine can have one, and ended whatever happens."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dev.mesh.lab import NEEDED, Mesh, end_abandoned, missing
from dev.progress import StepError
from dev.toolchain import tool
from tests.support.running import no_root, not_run


def demand_machine() -> None:
    """End the running test as NOT RUN where this machine cannot have a mesh."""
    if os.geteuid() != 0:
        no_root(f"a mesh needs {missing()}")
    if lacking := missing():
        not_run(f"a mesh needs {lacking}")


@contextmanager
def running_mesh() -> Iterator[Mesh]:
    """A control plane without a release. NOT RUN where the machine lacks something; meshes of killed runs are ended."""
    demand_machine()
    try:
        for each in NEEDED:
            tool(each)
    except StepError as error:
        not_run(str(error))
    end_abandoned("test-")
    mesh = Mesh(f"test-{os.getpid()}")
    try:
        mesh.start()
        yield mesh
    finally:
        mesh.stop()
