"""What the standard, and GitHub's code scanning by its documentation, ask of a SARIF log.

https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import jsonschema

LEVELS = ("error", "warning", "note", "none")
PRECISIONS = ("very-high", "high", "medium", "low")


def invalid(log: dict[str, Any], standard: str) -> list[str]:
    """What OASIS's schema has against the log. `standard` is the folder `sarif-schema` of dev.recipes."""
    schema = json.loads((Path(standard) / "schema.go").read_text().split("`")[1])
    assert schema["title"].startswith("Static Analysis Results Format (SARIF) Version 2.1.0")
    return [f"{error.json_path}: {error.message}" for error in jsonschema.Draft4Validator(schema).iter_errors(log)]


def refused(log: dict[str, Any]) -> Iterator[str]:
    """A sentence for each thing that GitHub refuses, or does not show."""
    if log.get("version") != "2.1.0" or "sarif-2.1.0" not in log.get("$schema", ""):
        yield "no SARIF 2.1.0"
    if not 1 <= len(log["runs"]) <= 20:
        yield "not 1 to 20 runs"
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        if not driver.get("name"):
            yield "the tool has no name"
        yield from (f"{rule.get('id')}: {what}" for rule in driver["rules"] for what in _rule(rule))
        if len(run["results"]) > 5_000:
            yield "more results than are shown"
        for result in run["results"]:
            yield from (f"{result.get('ruleId')}: {what}" for what in _result(result, driver["rules"]))


def _rule(rule: dict[str, Any]) -> Iterator[str]:
    for field in ("shortDescription", "fullDescription", "help"):
        if not 0 < len(rule[field].get("text", "")) <= (100_000 if field == "help" else 1024):
            yield f"{field}.text is empty or too long"
    if not rule.get("id") or len(rule.get("name", "")) > 255:
        yield "id or name"
    if rule["defaultConfiguration"]["level"] not in LEVELS or rule["properties"]["precision"] not in PRECISIONS:
        yield "a level or a precision that is none"
    if len(rule["properties"]["tags"]) > 10:
        yield "more tags than are shown"


def _result(result: dict[str, Any], rules: list[dict[str, Any]]) -> Iterator[str]:
    if not result["message"].get("text"):
        yield "no message"
    if result["level"] not in LEVELS:
        yield "a level that is none"
    if not result["partialFingerprints"].get("primaryLocationLineHash"):
        yield "no fingerprint: the alert opens anew with every run"
    if not 0 <= result["ruleIndex"] < len(rules) or rules[result["ruleIndex"]]["id"] != result["ruleId"]:
        yield "the rule is another"
    if not result["locations"]:
        yield "no location: no alert"
        return
    place = result["locations"][0]["physicalLocation"]
    uri = urlparse(place["artifactLocation"]["uri"])
    if uri.scheme or uri.path.startswith("/") or ".." in unquote(uri.path).split("/") or " " in uri.path:
        yield "no relative URI"
    region = place["region"]
    if not (1 <= region["startLine"] <= region["endLine"] and region["startColumn"] >= 1 and region["endColumn"] >= 1):
        yield "no region"
