"""What docs/findings.md says is what the program does. Its files and sessions are run by tests/docs."""

import re

from dev.toolchain import ROOT
from mlmesh.invariants.registry import CODES
from mlmesh.model import errors
from mlmesh.options import POST_OPTIONS, REPORT_FORMAT
from tests.support.checks import check

PAGE = (ROOT / "docs" / "findings.md").read_text()


def test_the_page_names_every_form_and_exit_code() -> None:
    """A new one is a row of its table."""
    rows = set(re.findall(r"^\| `?(\w+)`? \|", PAGE, re.MULTILINE))
    codes = {errors.OK, errors.FINDINGS, errors.INPUT, errors.DEFECT, errors.CLOSED_PIPE}
    assert {*REPORT_FORMAT.choices, *map(str, codes)} <= rows


def test_the_variables_and_codes_that_it_names_exist() -> None:
    """None is misspelt."""
    known = {option.variable for option in POST_OPTIONS}
    assert set(re.findall(r"MLMESH_\w+", PAGE)) <= known
    assert set(re.findall(r"MLM\d{3}", PAGE)) <= CODES
    text = check("--help").stdout.decode()
    assert [each for each in set(re.findall(r"`(--[a-z-]+)`", PAGE)) if each not in text] == []
