"""The tables of docs/mesh.md: what the last whole run measured, and the tests that did.

One has a row for each claim of the reference design, the other one for each starred rule.
"""

import re
from typing import NamedTuple

import pytest

from dev.toolchain import ROOT
from mlmesh.invariants.registry import rules

PAGE = ROOT / "docs" / "mesh.md"


class Row(NamedTuple):
    """A row: its section and claim, what was seen, the file and name of the test."""

    claim: str
    measured: str
    test: str


class Proof(NamedTuple):
    """What a starred rule's cases did, by `bad` and `good`; the test, and what it claims."""

    seen: dict[str, str]
    claim: str
    test: str


_rows: list[Row] = []
_proofs: dict[str, Proof] = {}  # by code


def add(item: pytest.Item, claim: str, measured: str) -> None:
    """Note a row for the table."""
    _rows.append(Row(claim, measured, _test(item)))


def add_starred(item: pytest.Function, code: str, side: str, seen: str) -> None:
    """Note what the bad or the good case of a starred rule did."""
    proof = Proof({}, " ".join((item.obj.__doc__ or "").split()), _test(item).partition("[")[0])
    _proofs.setdefault(code, proof).seen[side] = seen


def write(exit_status: int) -> None:
    """Put each table into the page, where every test of that table took part in the run and none failed."""
    if exit_status:
        return
    there = set(re.findall(r"`([^`]+::[^`]+)` \|$", between("measured"), re.MULTILINE))
    existing = {test for test in there if _exists(test)}
    if _rows and existing <= {row.test for row in _rows}:
        rows = (f"| {row.claim} | {row.measured} | `{row.test}` |" for row in sorted(_rows))
        _put("measured", ["| row | measured | test |", "|---|---|---|", *rows])
    whole = {code: proof for code, proof in _proofs.items() if len(proof.seen) == 2}
    if whole and starred_rows() <= whole.keys():
        names = {rule.code: rule.name for rule in rules()}
        lines = (
            f"| [{code}](rules/{code}.md) {names[code]} | {claim} | {seen['bad']} | {seen['good']} | `{test}` |"
            for code, (seen, claim, test) in sorted(whole.items())
        )
        head = ["| rule | claim | the bad case | the good case | test |", "|---|---|---|---|---|"]
        _put("starred", [*head, *lines])


def starred_rows() -> set[str]:
    """The codes of the rows that the page has."""
    return set(re.findall(r"^\| \[(MLM\d+)\]", between("starred"), re.MULTILINE))


def between(name: str) -> str:
    """The table of that name as the page has it."""
    _, table, _ = _parts(name)
    return table


def _put(name: str, lines: list[str]) -> None:
    before, _, after = _parts(name)
    PAGE.write_text(before + "\n".join(lines) + "\n" + after)


def _parts(name: str) -> tuple[str, str, str]:
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before, _, rest = PAGE.read_text().partition(begin)
    table, _, after = rest.partition(end)
    return before + begin, table, end + after


def _test(item: pytest.Item) -> str:
    return item.nodeid.rpartition("/")[2]


def _exists(test: str) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / "tests" / "mesh" / file
    return path.exists() and f"def {name}(" in path.read_text()
