"""CHANGELOG.md, read: what a version changed, and the heading that a new version gets.

`python -m dev.changelog` prints the section of the present version, or what is unreleased.
"""

import re
from typing import NamedTuple

from dev.progress import StepError
from dev.toolchain import ROOT

CHANGELOG = ROOT / "CHANGELOG.md"
UNRELEASED = "Unreleased"

_SECTION = r"^## \[{name}\][^\n]*\n(.*?)(?=^## \[|\Z)"
# Keep a Changelog's headings, which are Artifact Hub's kinds of changes, too.
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


class Change(NamedTuple):
    """An entry: its kind, one of `KINDS`, and its text on one line, in Markdown."""

    kind: str
    text: str


def notes(text: str, version: str) -> str:
    """The section of a version, or, where it has none yet, of what is unreleased; without its heading."""
    for name in (version, UNRELEASED):
        if found := re.search(_SECTION.format(name=re.escape(name)), text, re.MULTILINE | re.DOTALL):
            return found[1].strip()
    raise StepError(f"{CHANGELOG.name} has no section [{version}] and none [{UNRELEASED}]: add one")


def changes(section: str) -> list[Change]:
    """The entries of a section in their order; what is deeper in a list belongs to the entry above it."""
    found: list[Change] = []
    for kind, entries in re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", section, re.MULTILINE | re.DOTALL):
        if kind not in KINDS:
            raise StepError(f"{CHANGELOG.name} has a heading {kind}; Keep a Changelog has {', '.join(KINDS)}")
        items = re.findall(r"^- (.*?)(?=^- |\Z)", entries, re.MULTILINE | re.DOTALL)
        found.extend(Change(kind, " ".join(item.split())) for item in items)
    return found


def released(text: str, version: str, day: str) -> str:
    """The changelog after the release: what was unreleased stands under the version and its day (YYYY-MM-DD)."""
    heading = f"## [{UNRELEASED}]\n"
    if f"## [{version}]" in text:
        raise StepError(f"{CHANGELOG.name} has a section [{version}] already: take a higher version")
    if heading not in text or not notes(text, UNRELEASED):
        raise StepError(f"{CHANGELOG.name} has nothing under [{UNRELEASED}]: there is nothing to release")
    return text.replace(heading, f"{heading}\n## [{version}] - {day}\n", 1)


if __name__ == "__main__":
    from dev.version import version  # which reads this module, to raise a version

    print(notes(CHANGELOG.read_text(), version()))
