"""The endpoint types of other projects' routes: few paths tell one, and none is told wrongly."""

from pathlib import Path

import yaml

from tests.corpus.routes import VERDICTS, lines

LISTED = yaml.safe_load(VERDICTS.read_text())["streams"]


def test_every_rule_of_every_route_has_the_types_that_are_listed(corpus: Path) -> None:
    """Types and reason of each, compared exactly: what changes is looked at, and listed anew."""
    now = lines(corpus)
    assert sum(map(len, now.values())) > 250
    changed = [
        f"{stem}: {key}: {LISTED.get(stem, {}).get(key)} -> {now.get(stem, {}).get(key)}"
        for stem in sorted({*now, *LISTED})
        for key in {**LISTED.get(stem, {}), **now.get(stem, {})}
        if now.get(stem, {}).get(key) != LISTED.get(stem, {}).get(key)
    ]
    assert changed == []


def test_every_rule_without_a_type_has_a_reason() -> None:
    """Nothing is silent about why nothing is known."""
    assert all(line.partition(": ")[2] for here in LISTED.values() for line in here.values())
