"""The endpoint types of every rule of every route of the corpus, as lines that a verdict file lists.

``python -m tests.corpus.routes CORPUS`` writes routes.yaml again.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from mlmesh.endpoints.routes import KINDS, Rule, rules
from mlmesh.post_renderer import post_render

VERDICTS = Path(__file__).parent / "routes.yaml"
Lines = dict[str, dict[str, str]]


def rules_of(path: Path) -> Iterator[Rule]:
    """Every rule of a stream's routes that has requests, in a List too, in the stream's order."""
    release = post_render(path.read_bytes()).graph
    items = [item for kind, group in KINDS.items() for item in release.of(group, kind)]
    for item in sorted(items, key=lambda item: item.document.index):
        yield from rules(item, release)


def lines(corpus: Path) -> Lines:
    """What the program says of each rule by document, kind, name and rule: ``types: reason``; ``-`` for no type."""
    said: Lines = {}
    for path in sorted(corpus.glob("*.yaml")):
        for rule in rules_of(path):
            item = rule.owner
            key = f"{item.document.index} {item.kind} {item.name} {rule.path.removeprefix('/spec/')}"
            kinds = "+".join(kind.name for kind in rule.types) or "-"
            said.setdefault(path.stem, {})[key] = f"{kinds}: {rule.reason}"
    return said


def write(corpus: Path) -> None:
    """Write the lines of today into the file."""
    head = VERDICTS.read_text().partition("\nstreams:")[0]
    text = yaml.safe_dump({"streams": lines(corpus)}, sort_keys=False, allow_unicode=True, width=10_000)
    VERDICTS.write_text(f"{head}\n{text}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
