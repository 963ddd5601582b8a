"""Pages name the tests that hold their claims: each of them exists."""

import re

import pytest

from dev.snippets import pages
from dev.toolchain import ROOT
from tests.support.named import NAMED, lost


def text(page: str) -> str:
    """A page."""
    return (ROOT / page).read_text()


@pytest.mark.parametrize("page", [page for page in pages() if NAMED.search(text(page))])
def test_the_tests_that_a_page_names_exist(page: str) -> None:
    """File and function, as they are called now."""
    assert lost(text(page)) == set()


@pytest.mark.parametrize("page", ["docs/security.md", "docs/reference-design.md", "docs/troubleshooting.md"])
def test_a_page_of_claims_names_a_test_in_every_row(page: str) -> None:
    """In tables with a column `test`, no cell of it is empty."""
    column = None
    rows = 0
    for line in text(page).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            column = None
        elif column is None:
            column = cells.index("test") if "test" in cells else -1
        elif column >= 0 and not set(cells[column]) <= set("-"):
            assert NAMED.search(cells[column]), line
            rows += 1
        else:
            assert column < 0 or cells[column], line
    assert rows >= 10
