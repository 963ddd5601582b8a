"""How a test says that it cannot run here."""

import os
from typing import NoReturn

import pytest

# Tests that need data which is not in the repository; an outside user's CI does not have it either.
DATA_PREFIX = "data: "


def skips_are_failures() -> bool:
    """Whether the run demands every test, as CI does: `MLMESH_NO_SKIP=1`."""
    return os.environ.get("MLMESH_NO_SKIP", "") not in {"", "0"}


def not_run(reason: str) -> NoReturn:
    """End the running test as NOT RUN, for `reason`; tests/conftest.py makes that a failure where all are demanded."""
    pytest.skip(reason)


def no_data(reason: str) -> NoReturn:
    """End the running test as NOT RUN since its data is not part of the repository; never a failure."""
    not_run(DATA_PREFIX + reason)
