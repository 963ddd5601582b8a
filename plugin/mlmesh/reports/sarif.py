"""Findings as SARIF 2.1.0, as GitHub's code scanning takes them.

https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

import json

from mlmesh import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from mlmesh.model.findings import Finding

MOST_RESULTS = 5_000  # GitHub shows no more of one run
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_RANK = {"error": 0, "warning": 1, "info": 2}
_PRECISION = {"object": "very-high", "contradiction": "very-high", "absence": "high", "version": "medium"}


def sarif(findings: "Sequence[Finding]", docs: "Mapping[str, str]") -> str:
    """One run. ``docs`` has the documentation of each finding's code, in Markdown.

    A place is the file and line that were read, else the chart's template, of which no line is known. The gravest
    come first where there are more than GitHub takes.
    """
    chosen = sorted(findings, key=lambda finding: _RANK[finding.severity])[:MOST_RESULTS]
    codes = sorted({finding.code for finding in chosen})
    by_code = {finding.code: finding for finding in reversed(chosen)}
    shape = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "mlmesh",
                        "semanticVersion": __version__,
                        "rules": [_rule(by_code[code], docs[code]) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, codes.index(finding.code)) for finding in chosen],
            }
        ],
    }
    return json.dumps(shape, indent=2, ensure_ascii=False) + "\n"


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
            "precision": _PRECISION.get(finding.confidence, "medium"),
            "problem.severity": {"info": "recommendation"}.get(finding.severity, finding.severity),
        },
    }


def _result(finding: "Finding", rule: int) -> "dict[str, Any]":
    name = f"{finding.namespace}/{finding.name}" if finding.namespace else finding.name
    line = finding.line if finding.file or not finding.source else 1
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.kind} {name}: {finding.message}. Remedy: {finding.remedy}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri(finding)},
                    "region": {"startLine": line, "startColumn": 1, "endLine": line, "endColumn": 2},
                },
                "logicalLocations": [
                    {"fullyQualifiedName": f"{finding.kind} {name}{finding.pointer}", "kind": "object"}
                ],
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": finding.fingerprint},
    }


def uri(finding: "Finding") -> str:
    """The file, else the chart's template, as a relative URI; ``stdin`` where neither is known."""
    from urllib.parse import quote

    return quote((finding.file or finding.source or "stdin").removeprefix("./"))
