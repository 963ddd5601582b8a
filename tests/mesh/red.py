"""The counter-proof: what a test rests on is taken away, and the test must fail.

A test that passes without the resource that it proves has proved nothing. Of a starred rule the good case stands in for
the bad one, and the other way round: neither may show what the other has to.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from dev.mesh.lab import Mesh


def expect_failure(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that name what they prove, and demand of each that an assertion of it fails."""
    kept = [item for item in items if item.get_closest_marker("proves") or item.get_closest_marker("starred")]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    for item in items:
        item.add_marker(pytest.mark.xfail(raises=AssertionError, strict=True, reason="what it proves was taken away"))


@contextmanager
def taken_away(mesh: Mesh, item: pytest.Item) -> Iterator[None]:
    """Take away what the test's markers name, for as long as the test runs."""
    with ExitStack() as gone:
        for marker in item.iter_markers("proves"):
            gone.enter_context(mesh.without(*marker.args, **marker.kwargs))
        yield
