"""Fixtures of the tests of mlmesh.manifests."""

from collections.abc import Callable, Iterator

import pytest

from tests.plugin.manifests.oracle import Oracle


@pytest.fixture(scope="session")
def oracle(tool: Callable[[str], str]) -> Iterator[Oracle]:
    """Go's reading, from the program in tests/oracle."""
    running = Oracle(tool("go-oracle"))
    yield running
    running.close()
