"""No value is dead, no path leads nowhere, and the README lists the values as they are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.chart_docs import MARK, main
from dev.chart_docs import render as render_docs
from dev.chart_values import defaults, opened
from dev.helm import Helm
from dev.toolchain import ROOT

CHART = ROOT / "chart"


def _leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(node, dict) and node:
        for key, below in node.items():
            yield from _leaves(below, (*path, key))
    elif node not in ({}, []):
        yield path, node


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return {"disabled": "enabled", "enabled": "disabled", "platform": "team"}.get(value, value + "x")
        case _:
            return value[1:]


def test_every_value_is_read(helm: Any, full_values: dict[str, Any], tmp_path: Path) -> None:
    """A change of any leaf of the values changes what is rendered, or is refused by a check."""
    program: Helm = helm("helm3")

    def rendered(values: dict[str, Any]) -> str:
        file = tmp_path / "values.yaml"
        file.write_text(json.dumps(values))
        arguments = ("template", "ml-mesh", "chart", "--skip-schema-validation", "-f", str(file))
        done = program.run(*arguments)
        return done.stdout + done.stderr

    before = rendered(full_values)
    assert "ERROR" not in before
    dead = []
    for path, value in _leaves(full_values):
        changed = json.loads(json.dumps(full_values))
        place = changed
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = _other(value)
        if rendered(changed) == before:
            dead.append(".".join(path))
    # Of a namespace that is not created only the name counts.
    assert dead == ["namespaces.frontend.injection", "namespaces.frontend.revision"]


def test_every_path_of_the_templates_exists(values: dict[str, Any]) -> None:
    """What a template reads below .Values is in values.yaml."""
    for template in sorted((CHART / "templates").rglob("*")):
        if template.is_dir():
            continue
        for path in re.findall(r"\.Values\.([A-Za-z.]+)", template.read_text()):
            place: Any = values
            for part in path.split("."):
                assert part in place, f"{template.name} reads {path}"
                place = place[part]


def test_every_value_is_described() -> None:
    """Each root key, and each key of the first item below it, has a comment."""
    listed = render_docs(opened((CHART / "values.yaml").read_text()))
    described = set(re.findall(r"^\| `([^`]+)` \|.*\| \S.* \|$", listed, re.MULTILINE))
    for root, items in defaults().items():
        assert re.search(rf"^### `{root}`\n\n\S", listed, re.MULTILINE)
        if not isinstance(items, dict):
            continue
        first = next(iter(items))
        assert f"{root}.{first}" in described
        if isinstance(items[first], dict) and root != "policy":
            assert {f"{root}.{first}.{key}" for key in items[first]} <= described


def test_readme_is_up_to_date() -> None:
    """The README's list of values is the one that values.yaml gives; `python -m dev.chart_docs` writes it anew."""
    assert main(["--check"]) == 0


def test_docs_of_a_small_file() -> None:
    """Comments describe the key below them; a map without comments is one default; the mark keeps the text above."""
    text = "# A root\n# key.\nroot:\n  # Inside.\n  leaf: 1\n  map: {a: [x]}\n"
    assert render_docs(text) == (
        "### `root`\n\nA root key.\n\n| key | default | meaning |\n|---|---|---|\n"
        '| `root.leaf` | `1` | Inside. |\n| `root.map` | `{"a": ["x"]}` |  |\n'
    )
    assert (CHART / "README.md").read_text().count(MARK) == 1


def test_docs_need_a_map() -> None:
    """A values.yaml that is not a map is an error, not an empty list."""
    with pytest.raises(TypeError, match="must hold a map"):
        render_docs("- a\n")
