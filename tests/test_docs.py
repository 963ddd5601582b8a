"""The generated pages say what the program does."""

from dev.docs import PAGES
from dev.toolchain import ROOT


def test_the_generated_pages_are_those_of_the_program() -> None:
    """The pages that dev/docs.py writes from the program's own tables are committed as they come out."""
    for name, page in PAGES.items():
        assert (ROOT / name).read_text() == page(), f"run python -m dev.docs: {name} differs"
