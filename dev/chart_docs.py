"""What is made from values.yaml and the overlays: the list of values in the chart's README, and the chart's profiles.

`python -m dev.chart_docs` writes them; with --check it only says whether they are up to date (exit 1 if not).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

import yaml

from dev.chart_values import CHART, PROFILES, files, opened

MARK = "<!-- What follows is written by `python -m dev.chart_docs` from values.yaml. -->\n"


def render(values: str) -> str:
    """The Markdown for the text of a values.yaml: a heading and a table for each of its root keys.

    A key's description is the comment right above it. A map without comments inside stands as one default. Raises
    TypeError where the text holds no map.
    """
    root = yaml.compose(values)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml must hold a map")
    lines = values.splitlines()
    parts = []
    for key, node in root.value:
        rows = "".join(
            f"| `{path}` | {_code(default)} | {text} |\n" for path, default, text in _rows(node, key.value, lines)
        )
        table = f"\n| key | default | meaning |\n|---|---|---|\n{rows}" if rows else ""
        parts.append(f"### `{key.value}`\n\n{_comment(key, lines)}\n{table}")
    return "\n".join(parts)


def _rows(node: yaml.Node, path: str, lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Path, default and description of each key below the map `node`."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        below = f"{path}.{key.value}"
        nested = _has_comments(value, lines)
        default = "" if nested else json.dumps(yaml.safe_load(yaml.serialize(value)), separators=(", ", ": "))
        text = _comment(key, lines)
        if text or not nested:
            yield below, default, text
        if nested:
            yield from _rows(value, below, lines)


def _has_comments(node: yaml.Node, lines: Sequence[str]) -> bool:
    if not isinstance(node, yaml.MappingNode):
        return False
    return any(_comment(key, lines) or _has_comments(value, lines) for key, value in node.value)


def _comment(key: yaml.Node, lines: Sequence[str]) -> str:
    """The comment lines right above the key, as one line."""
    above = key.start_mark.line
    first = above
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return " ".join(line.strip().lstrip("#").strip() for line in lines[first:above])


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with --check compare them; 1 if one is out of date."""
    parser = argparse.ArgumentParser(prog="python -m dev.chart_docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args(arguments).check
    head = (CHART / "README.md").read_text().partition(MARK)[0]
    made = files() | {"README.md": head + MARK + "\n" + render(opened((CHART / "values.yaml").read_text()))}
    there = {"files/defaults.yaml", "README.md", *(f"{PROFILES}/{path.name}" for path in (CHART / PROFILES).glob("*"))}
    before = {name: (CHART / name).read_text() for name in there if (CHART / name).exists()}
    if check:
        return int(before != made)
    (CHART / PROFILES).mkdir(exist_ok=True)
    for name in before.keys() - made:
        (CHART / name).unlink()
    for name, text in made.items():
        (CHART / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
