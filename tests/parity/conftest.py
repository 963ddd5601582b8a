"""`--write-parity`, which writes docs/parity.md from a run."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Heard where tests/parity is named on the command line."""
    parser.addoption("--write-parity", action="store_true", help="write docs/parity.md from what this run sees")
