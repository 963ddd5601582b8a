"""The starred rules: `mlmesh check` tells their bad cases from their good ones, and each has its traffic and a row."""

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlmesh.cli import mlmesh
from mlmesh.invariants.registry import rules
from tests.mesh import table
from tests.mesh.starred import MANIFESTS, SIDES, STARRED, stream


def check(code: str, side: str) -> tuple[int, set[str], set[str]]:
    """The exit code of `mlmesh check` on a case, the codes of its errors, and of all its findings."""
    done = CliRunner().invoke(mlmesh, ["check", "-", "--format", "json"], input=stream(code, side))
    findings = json.loads(done.stdout)["findings"]
    errors = {each["code"] for each in findings if each["severity"] == "error"}
    return done.exit_code, errors, {each["code"] for each in findings}


@pytest.mark.parametrize("code", STARRED)
def test_check_has_one_error_for_the_bad_case_and_none_for_the_good_one(code: str) -> None:
    """The manifests that the mesh is given are stopped for this rule alone, and let pass where it is kept."""
    exit_code, errors, _ = check(code, "bad")
    assert (exit_code, errors) == (1, {code})
    exit_code, errors, all_codes = check(code, "good")
    assert (exit_code, errors) == (0, set())
    assert code not in all_codes


def test_every_starred_rule_is_an_error_with_traffic_and_a_row() -> None:
    """The starred rules, their manifests, the tests with their codes, and the rows of docs/mesh.md are one list."""
    assert {rule.code for rule in rules() if rule.severity == "error"} >= set(STARRED)
    files = {path.name for path in MANIFESTS.glob("*/MLM*.yaml")}
    assert files == {f"{code}.{side}.yaml" for code in STARRED for side in SIDES}
    marked = [code for path in Path(__file__).parent.glob("test_*.py") for code in _marks(path)]
    assert sorted(marked) == sorted(STARRED)
    assert table.starred_rows() == set(STARRED)


def _marks(path: Path) -> list[str]:
    """The codes with which a module's tests are marked."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [call.args[0].value for call in calls if ast.unparse(call.func) == "pytest.mark.starred"]  # type: ignore[attr-defined]
