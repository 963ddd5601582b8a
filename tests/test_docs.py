"""The generated pages say what the program does."""

from dev.docs import PAGES
from dev.toolchain import ROOT


def test_the_generated_pages_are_those_of_the_program() -> None:
    """docs/policy.md and docs/rules.md are written from the program's own tables and committed as they come out."""
    for name, page in PAGES.items():
        assert (ROOT / name).read_text() == page(), f"run python -m dev.docs: {name} differs"
