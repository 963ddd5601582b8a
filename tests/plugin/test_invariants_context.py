"""Cases of rules of which all but what is judged is in the context: as beside a cluster, or another release."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.rule_cases import bad_cases, findings, good_cases

# Rules that ask what part a pod plays, or what other routes there are.
CODES = ("MLM108", "MLM401", "MLM402", "MLM403", "MLM404", "MLM601", "MLM602", "MLM609", "MLM610", "MLM803")
DECLARED = {"good-external.yaml"}  # by a policy of its own, which a context does not have


def objects(file: Path) -> list[dict[str, Any]]:
    """The objects of a case."""
    return [item for item in yaml.safe_load_all(file.read_text()) if item]


def said(own: list[dict[str, Any]], others: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """What is found in some objects beside others."""
    (folder / "own.yaml").write_text(yaml.safe_dump_all(own))
    (folder / "context.yaml").write_text(yaml.safe_dump_all(others))
    return findings(folder / "own.yaml", "--context", str(folder / "context.yaml"))


@pytest.mark.parametrize("code", CODES)
def test_what_is_wrong_is_found_beside_the_rest_in_the_context(code: str, tmp_path: Path) -> None:
    """The judged objects alone are the release; how much it weighs may be less."""
    (tmp_path / code).mkdir()
    for file, _ in bad_cases(code):
        judged = {(each["kind"], each["name"]) for each in findings(file) if each["code"] == code}
        parts: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        for item in objects(file):
            parts[(item["kind"], item["metadata"]["name"]) not in judged].append(item)
        found = {(each["kind"], each["name"]) for each in said(*parts, tmp_path / code) if each["code"] == code}
        assert found == judged, file


@pytest.mark.parametrize("code", CODES)
def test_what_is_good_stays_good_beside_the_rest_in_the_context(code: str, tmp_path: Path) -> None:
    """Each object alone is the release: nothing more is told of it than in one stream with the others."""
    (tmp_path / code).mkdir()
    for file in (each for each in good_cases(code) if each.name not in DECLARED):
        items = objects(file)
        before = {each["code"] for each in findings(file)}
        for item in items:
            found = said([item], [each for each in items if each is not item], tmp_path / code)
            assert {each["code"] for each in found if each["severity"] != "info"} <= before, (file, item["kind"])
