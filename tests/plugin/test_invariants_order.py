"""Where an object stands, or in what it is wrapped, is nothing that a finding depends on."""

import pytest
import yaml

from mlmesh.post_renderer import post_render
from tests.support.rule_cases import CASES

LISTS = ("MLM305", "MLM508", "MLM509")  # of Namespaces, which are kept apart
SHARED = "MLM107"


def told(text: str) -> set[tuple[str, str]]:
    """Codes and fingerprints of what is found."""
    return {(each.code, each.fingerprint) for each in post_render(text.encode(), as_it_is=True).findings}


def objects(code: str) -> list[dict[str, object]]:
    return [item for item in yaml.safe_load_all((CASES / code / "bad.yaml").read_text()) if item]


@pytest.mark.parametrize("code", LISTS)
def test_namespaces_of_a_list_are_judged_as_others(code: str) -> None:
    """A List holds what a stream holds: the rules that judge Namespaces have the same findings."""
    apart = "---\n".join(map(yaml.safe_dump, objects(code)))
    together = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": objects(code)})
    assert code in {each for each, _ in told(apart)}
    assert told(together) == told(apart)


def test_of_two_that_clash_the_same_one_is_told_in_any_order() -> None:
    """A baseline knows a finding when the documents have changed places."""
    items = objects(SHARED)
    there = "---\n".join(map(yaml.safe_dump, items))
    back = "---\n".join(map(yaml.safe_dump, reversed(items)))
    assert SHARED in {code for code, _ in told(there)}
    assert told(there) == told(back)
