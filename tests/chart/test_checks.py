"""Values that contradict each other are refused, each with a message that names the keys."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.toolchain import ROOT

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "checks.yaml").read_text())


def _refusal(refusal: Callable[..., str], values: dict[str, Any]) -> str:
    arguments = []
    for name, value in values.items():
        arguments += ["--set-json", f"{name}={json.dumps(value)}"]
    return refusal(*arguments)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_contradiction_is_refused_and_its_twin_is_not(refusal: Callable[..., str], case: dict[str, Any]) -> None:
    """The wrong values are refused with ERROR: and the message, which names the keys; the right ones render."""
    assert f": ERROR: {case['message']}\n" in _refusal(refusal, case["wrong"])
    assert _refusal(refusal, case["right"]) == ""


def test_everything_wrong_is_told_at_once(refusal: Callable[..., str]) -> None:
    """Two contradictions are two lines, each of which begins ERROR:."""
    two = {
        "routes": {"inference-route": {"gateway": "none"}},
        "authorization": {"namespaces": {"none": "off"}},
    }
    told = _refusal(refusal, two)
    assert told.count("ERROR: ") == 2
    assert "\nERROR: routes" in told


def test_every_check_has_a_case() -> None:
    """No message of the chart's checks.yaml, and of its helpers, is without a failing test."""
    templates = ROOT / "chart" / "templates"
    text = "".join(path.read_text() for path in (templates / "checks.yaml", *sorted(templates.glob("_checks_*.tpl"))))
    formats = re.findall(r'append \$errors \(printf "([^"]+)"', text)
    assert len(formats) == text.count("append $errors")
    for form in formats:
        pattern = re.compile(".+".join(re.escape(part) for part in form.split("%s")))
        assert any(pattern.fullmatch(case["message"]) for case in CASES), f"no case for: {form}"
