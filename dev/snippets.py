"""The code blocks of the documentation, and what holds each: tests/docs runs them, docs/snippets.md tells of them.

A block that tests/docs/test_snippets.py can take by its kind needs no word. For any other, tests/docs/snippets.yaml
says what else runs or validates it, or why nothing does.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

import yaml
from markdown_it import MarkdownIt

from dev.chart_values import defaults
from dev.toolchain import ROOT

VERDICTS = ROOT / "tests" / "docs" / "snippets.yaml"
EVERY = "*"
KINDS = {
    "session": "`console`: each command is run, and must print what stands there. A line `...` stands for any lines.",
    "commands": "`sh`: the commands are run, and must succeed.",
    "values": "`yaml` with keys of the chart's values: Helm renders the chart with them, and no rule finds an error.",
    "policy": "`yaml` that holds a MeshPolicy: the post-renderer reads it.",
    "manifests": "`yaml` that holds other objects: a real API server takes them, in a dry run with strict validation.",
}


class Block(NamedTuple):
    """A code block of a page: its first line's number in the page, the words behind its fence, and its text."""

    page: str
    line: int
    info: tuple[str, ...]
    text: str

    @property
    def head(self) -> str:
        """Its first line that is not blank."""
        return next((line.strip() for line in self.text.splitlines() if line.strip()), "")

    @property
    def file(self) -> str:
        """The file that readers make of it: a comment in its first line names it. Empty where it is none."""
        named = re.fullmatch(r"# ([\w./-]+\.\w+)", self.text.partition("\n")[0])
        return named[1] if named else ""

    @property
    def kind(self) -> str:
        """The key of KINDS by which the tests take it; empty where they cannot."""
        match self.info[:1]:
            case ("console",):
                return "session"
            case ("sh",):
                return "commands"
            case ("yaml",):
                return _kind_of_yaml(self.text)
        return ""


def _kind_of_yaml(text: str) -> str:
    try:
        items = [item for item in yaml.safe_load_all(text) if item is not None]
    except yaml.YAMLError:
        return ""  # a template, say
    if not items or not all(isinstance(item, dict) for item in items):
        return ""
    if all("apiVersion" in item and "kind" in item for item in items):
        return "policy" if all(item["kind"] == "MeshPolicy" for item in items) else "manifests"
    return "values" if len(items) == 1 and items[0].keys() <= _values() else ""


@cache
def _values() -> frozenset[str]:
    return frozenset(defaults())


def pages() -> list[str]:
    """Every page, by its path from the root."""
    docs = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
    return ["README.md", "CONTRIBUTING.md", "chart/README.md", *docs]


def blocks_of(page: str, text: str) -> list[Block]:
    """The code blocks of a page's text, fenced and indented ones, in their order."""
    return [
        Block(page, token.map[0] + 1, tuple(token.info.split()), token.content)
        for token in MarkdownIt("commonmark").parse(text)
        if token.type in {"fence", "code_block"} and token.map
    ]


def blocks() -> Iterator[Block]:
    """Every code block of every page."""
    for page in pages():
        yield from blocks_of(page, (ROOT / page).read_text())


@cache
def verdicts() -> dict[str, dict[str, str]]:
    """By a pattern of pages, and the beginning of a block's first line (or EVERY): what holds such blocks."""
    loaded: dict[str, dict[str, str]] = yaml.safe_load(VERDICTS.read_text())
    return loaded


def verdict_on(block: Block) -> tuple[str, str, str] | None:
    """The pattern, the beginning and the verdict that speak of a block; the longest beginning goes first."""
    found = [
        (pattern, start, verdict)
        for pattern, entries in verdicts().items()
        if fnmatchcase(block.page, pattern)
        for start, verdict in entries.items()
        if start == EVERY or block.head.startswith(start)
    ]
    return max(found, key=lambda each: (each[1] != EVERY, len(each[1])), default=None)


def page() -> str:
    """The text of docs/snippets.md."""
    rows = [
        f"| {pattern} | {'all others' if start == EVERY else f'`{start}`'} | {verdict} |\n"
        for pattern, entries in verdicts().items()
        for start, verdict in entries.items()
    ]
    return f"""\
# What is run of these pages

<!-- Written by dev/snippets.py from tests/docs/snippets.yaml. -->

Every code block of README.md, CONTRIBUTING.md, chart/README.md and docs/ is run or validated, or stands below with the
reason why not. `tests/docs/test_snippets.py` takes a block by what stands behind its fence:

{"".join(f"- {text}" + chr(10) for text in KINDS.values())}
A page's blocks are taken in their order, in a folder that holds the chart, the plugin and the overlays. A block whose
first line is a comment with a file's name is written to that file. `helm` is Helm 4 unless the fence says `helm3`.

Blocks that something else takes, by the beginning of their first line:

| page | block | what holds it |
|---|---|---|
{"".join(rows)}"""
