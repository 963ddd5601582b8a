"""The table of docs/mesh.md: by row of the reference design what the last whole run measured, and the test."""

import re
from typing import NamedTuple

import pytest

from dev.toolchain import ROOT

PAGE = ROOT / "docs" / "mesh.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


class Row(NamedTuple):
    """A row: its section and claim, what was seen, the file and name of the test."""

    claim: str
    measured: str
    test: str


_rows: list[Row] = []


def add(item: pytest.Item, claim: str, measured: str) -> None:
    """Note a row for the table."""
    _rows.append(Row(claim, measured, item.nodeid.rpartition("/")[2]))


def write(exit_status: int) -> None:
    """Put the table into the page, where every test of the table took part in the run and none failed."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    there = set(re.findall(r"`([^`]+::[^`]+)` \|$", table, re.MULTILINE))
    existing = {test for test in there if _exists(test)}
    if exit_status == 0 and _rows and existing <= {row.test for row in _rows}:
        lines = ["| row | measured | test |", "|---|---|---|"]
        lines += [f"| {row.claim} | {row.measured} | `{row.test}` |" for row in sorted(_rows)]
        PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after)


def _exists(test: str) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / "tests" / "mesh" / file
    return path.exists() and f"def {name}(" in path.read_text()
