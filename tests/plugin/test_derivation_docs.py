"""What docs/timeouts.md says is what the program does."""

import re
from math import floor

import pytest
import yaml

from dev.toolchain import ROOT
from mlmesh.endpoints.catalogue import TYPES
from mlmesh.endpoints.derive import block
from mlmesh.endpoints.worst_case import sentence, worst_case
from mlmesh.model.units import duration_ms
from tests.support.objectives import policy_of

PAGE = (ROOT / "docs" / "timeouts.md").read_text()
ASKED = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
GETS = re.compile(
    r"A route of type `(\w+)`(?: to `(\w+)`)? gets:\n\n```yaml\n((?s:.*?))```\n((?:\n> [^\n]*)*)",
)


def examples() -> list[tuple[str, str, str, str, str]]:
    """(objectives, type, host, block, worst case or nothing) of every example of the page."""
    found = []
    for match in GETS.finditer(PAGE):
        told = [text for text in ASKED.findall(PAGE[: match.start()]) if "timeout:" not in text]
        found.append((told[-1], match[1], match[2] or "", match[3], match[4] or ""))
    return found


@pytest.mark.parametrize(("objectives", "kind", "host", "written", "told"), examples())
def test_the_examples_come_out_as_written(objectives: str, kind: str, host: str, written: str, told: str) -> None:
    """Each block, and the worst case below it where there is one."""
    found = block([TYPES[kind]], policy_of(objectives=yaml.safe_load(objectives)), [host] if host else [])
    assert found == yaml.safe_load(written)
    if told:
        words = " ".join(told.replace("\n> ", " ").split())
        assert sentence(worst_case(found), "request" if kind == "embeddings" else "generation") == words


def test_the_page_has_its_examples() -> None:
    """None is lost by another way of writing it."""
    assert len(examples()) == PAGE.count(" gets:\n") == 5
    assert sum(bool(told) for *_, told in examples()) == PAGE.count("> The client") == 3


def test_the_table_of_measurements_is_computed() -> None:
    """(60 s - time to first token) / time per token, in whole tokens."""
    rows = re.findall(r"^\| .* \| (\S+s) \| (\S+s) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 8
    for first, token, tokens in rows:
        assert floor((60_000 - duration_ms(first)) / duration_ms(token)) == int(tokens)
