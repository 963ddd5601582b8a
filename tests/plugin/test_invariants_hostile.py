"""Values of a wrong kind in what the rules are about: told, or passed over, but never met with a traceback."""

import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from mlmesh.model.errors import DefectError, MlmeshError
from mlmesh.post_renderer import post_render
from tests.support.rule_cases import CASES

ODD: tuple[Any, ...] = (
    None, [], {}, "", 0, -1, 1.5, True, [None], [[]], {"a": None}, "*", "/", "a" * 300, "\u2028x\n", [1, 2], 10**30,
    "0s", "-5s", float("inf"), ":", "ns/", "/x", "99999999999",
)  # fmt: skip
KEPT = ("apiVersion", "kind")


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place below a node, by its keys and indices."""
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        if not (isinstance(node, dict) and not path and key in KEPT):
            yield (*path, key)
            yield from places(value, (*path, key))


def judged(items: list[Any]) -> None:
    """Both kinds of run over objects; an error of the input is an answer, a defect is none."""
    text = "---\n".join(yaml.safe_dump(item, sort_keys=False, allow_unicode=True) for item in items).encode()
    for as_it_is in (True, False):
        try:
            post_render(text, as_it_is=as_it_is)
        except DefectError:
            raise
        except MlmeshError:
            pass


@pytest.mark.parametrize("case", sorted(str(path.relative_to(CASES)) for path in CASES.glob("*/bad*.yaml")))
def test_a_rule_bears_what_it_does_not_expect(case: str) -> None:
    """Of each of a rule's broken cases some values are exchanged for others, the same at each run, a few at once."""
    chance = random.Random(case)  # noqa: S311 - the same at each run
    items = [item for item in yaml.safe_load_all((CASES / case).read_text()) if item]
    for _ in range(20):
        mutated = deepcopy(items)
        for _ in range(chance.randint(1, 3)):
            item = chance.choice(mutated)
            *above, key = chance.choice(list(places(item)))
            holder = item
            for step in above:
                holder = holder[step]
            holder[key] = deepcopy(chance.choice(ODD))
        judged(mutated)


@pytest.mark.parametrize(
    ("code", "path", "value"),
    [
        ("MLM109", ("spec", "http", 1, "match"), [None]),
        ("MLM606", ("spec", "endpointPickerRef", "port", "number"), {}),
        ("MLM963", ("spec", "configPatches", 0, "applyTo"), {}),
        ("MLM970", ("spec", "ports", 0, "number"), []),
    ],
)
def test_a_list_or_a_map_in_place_of_a_word_is_no_defect(code: str, path: tuple[Any, ...], value: Any) -> None:
    """Values that end up in sets: in every object that has the place."""
    items = [item for item in yaml.safe_load_all((CASES / code / "bad.yaml").read_text()) if item]
    changed = 0
    for item in items:
        holder = item
        try:
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = value
            changed += 1
        except (KeyError, IndexError, TypeError):
            continue
    assert changed
    judged(items)
