"""The tests that a text names, and whether they exist."""

import ast
import re
from functools import cache
from pathlib import Path

from dev.toolchain import ROOT

NAMED = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")


@cache
def _functions(file: Path) -> frozenset[str]:
    return frozenset(node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef))


def lost(text: str) -> set[str]:
    """Which of the tests and fixtures that a text names, as PATH or PATH::NAME, do not exist."""
    return {
        f"{file}::{name}"
        for file, name in NAMED.findall(text)
        if not (ROOT / file).exists() or (name and name not in _functions(ROOT / file))
    }
