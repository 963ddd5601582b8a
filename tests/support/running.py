"""How a test says that it cannot run here."""

import os
from typing import NoReturn

import pytest

# What is no failure even where every test is demanded: data that is not in the repository, which an outside user's CI
# does not have either, and root.
EXCUSES = ("data: ", "root: ")


def skips_are_failures() -> bool:
    """Whether the run demands every test, as CI does: `MLMESH_NO_SKIP=1`."""
    return os.environ.get("MLMESH_NO_SKIP", "") not in {"", "0"}


def not_run(reason: str) -> NoReturn:
    """End the running test as NOT RUN, for `reason`; tests/conftest.py makes that a failure where all are demanded."""
    pytest.skip(reason)


def no_data(reason: str) -> NoReturn:
    """End the running test as NOT RUN since its data is not part of the repository; never a failure."""
    not_run("data: " + reason)


def no_root(reason: str) -> NoReturn:
    """End the running test as NOT RUN since only root can run it; never a failure."""
    not_run("root: " + reason)
