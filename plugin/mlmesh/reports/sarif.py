"""Findings as SARIF 2.1.0, as GitHub's code scanning takes them.

https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

import json

from mlmesh import __version__
from mlmesh.reports.words import line, origin, owed, path, printable, title, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding

MOST_RESULTS = 5_000  # GitHub shows no more of one run
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_RANK = {"error": 0, "warning": 1, "info": 2}
_PRECISION = {
    "object": "very-high",
    "contradiction": "very-high",
    "absence": "high",
    "version": "medium",
    "guess": "low",
}


def sarif(findings: "Sequence[Finding]", docs: "Mapping[str, str]", error: "MlmeshError | None" = None) -> str:
    """One run. ``docs`` has the documentation of each finding's code, in Markdown.

    A place is that of the value that a finding is owed to, else the file and line that were read, else the chart's
    template, of which no line is known. The gravest come first where there are more than GitHub takes. ``error`` ended
    the run: it is a notification, and the run was no success, so that nobody takes it for a clean one.
    """
    chosen = sorted(findings, key=lambda finding: _RANK[finding.severity])[:MOST_RESULTS]
    by_code = {finding.code: finding for finding in reversed(chosen)}
    places = {code: at for at, code in enumerate(sorted(by_code))}
    shape = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "mlmesh",
                        "semanticVersion": __version__,
                        "rules": [_rule(by_code[code], docs[code]) for code in places],
                    }
                },
                "invocations": [_invocation(error)],
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, places[finding.code]) for finding in chosen],
            }
        ],
    }
    return json.dumps(shape, indent=2, ensure_ascii=False) + "\n"


def _invocation(error: "MlmeshError | None") -> "dict[str, Any]":
    if error is None:
        return {"executionSuccessful": True}
    return {
        "executionSuccessful": False,
        "exitCode": error.exit_code,
        "toolExecutionNotifications": [{"level": "error", "message": {"text": told(error)}}],
    }


def _rule(finding: "Finding", doc: str) -> "dict[str, Any]":
    summary = " ".join(doc.partition("\n\n")[0].split())
    return {
        "id": finding.code,
        "name": "".join(word.title() for word in finding.rule.split("-")),
        "shortDescription": {"text": summary},
        "fullDescription": {"text": summary},
        "help": {"text": doc, "markdown": doc},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {
            "tags": ["kubernetes", "istio"],
            "precision": _PRECISION[finding.confidence],
            "problem.severity": {"info": "recommendation"}.get(finding.severity, finding.severity),
        },
    }


def _result(finding: "Finding", rule: int) -> "dict[str, Any]":
    at = line(finding) or (1 if finding.source else finding.line)
    name = printable(title(finding))
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": printable(f"{name}: {finding.message}. Remedy: {finding.remedy}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding)},
                    "region": {"startLine": at, "startColumn": 1, "endLine": at, "endColumn": 2},
                },
                "logicalLocations": [{"fullyQualifiedName": printable(f"{name}{finding.pointer}"), "kind": "object"}],
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": finding.fingerprint},
        "properties": {
            "document": finding.document,
            "line": finding.line,
            "place": printable(origin(finding)),
            **({"values": printable(owed(finding))} if finding.values else {}),
        },
    }


def _uri(finding: "Finding") -> str:
    """A relative URI, which GitHub looks for in the repository; ``stdin`` where neither file nor template is known."""
    from urllib.parse import quote

    found = path(finding) or "stdin"
    return ("file://" if found.startswith("/") else "") + quote(found, errors="surrogateescape")
