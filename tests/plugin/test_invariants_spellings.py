"""Every case of every rule in other spellings of the same objects: what is said of them is the same."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.rule_cases import CASES, findings

FILES = sorted(CASES.glob("*/*.yaml"))
Items = list[dict[str, Any]]


def as_list(items: Items) -> str:
    """All objects in one List, as kubectl writes them."""
    inner = [each for item in items for each in (item["items"] if item["kind"] == "List" else [item])]
    return yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": inner})


def as_json(items: Items) -> str:
    """Each object on a line of JSON."""
    return "\n---\n".join(map(json.dumps, items))


def with_quoted_keys(items: Items) -> str:
    """Keys in single quotes, and a blank before the colon."""
    return re.sub(r"(?m)^(\s*(?:- )*)([A-Za-z][\w./-]*):(?=\s)", r"\1'\2' :", yaml.safe_dump_all(items, width=1000))


@pytest.mark.parametrize("spelt", [as_list, as_json, with_quoted_keys])
@pytest.mark.parametrize("code", sorted({file.parent.name for file in FILES}))
def test_a_case_is_judged_alike_however_it_is_written(code: str, spelt: Callable[[Items], str], tmp_path: Path) -> None:
    """The same codes and severities for the same objects as one List, as JSON, and with keys in quotes."""
    for file in (each for each in FILES if each.parent.name == code):
        items = [item for item in yaml.safe_load_all(file.read_text()) if item]
        (tmp_path / code).mkdir(exist_ok=True)
        other = tmp_path / code / "other.yaml"
        other.write_text(spelt(items))
        assert said(other) == said(file), file


def said(file: Path) -> list[tuple[str, str, str, str]]:
    """What is found in a file, in no order."""
    return sorted((each["code"], each["severity"], each["kind"], each["name"]) for each in findings(file))
