"""Findings as GitLab's Code Quality report, which a merge request shows beside the lines it changed.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

import json
from hashlib import sha256

from mlmesh.reports.words import line, path, printable, title, told, whence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding

_SEVERITIES = {"error": "critical", "warning": "minor", "info": "info"}


def gitlab(findings: "Sequence[Finding]", error: "MlmeshError | None" = None) -> str:
    """A list of issues. The error that ended the run is one that blocks: an empty list would be a clean run.

    GitLab takes issues of one fingerprint for one, and compares them with the target branch's: so a file is part of
    it, and lines are not.
    """
    issues = [_finding(finding) for finding in findings]
    if error is not None:
        issues.append(_issue("mlmesh", "blocker", printable(told(error)), file="", begins=1, identity=error.what))
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _finding(finding: "Finding") -> "dict[str, Any]":
    message = printable(f"{title(finding)}: {finding.message}. Remedy: {finding.remedy}. Where: {whence(finding)}")
    begins = line(finding) or (1 if finding.source else finding.line)
    check = f"{finding.code} {finding.rule}"
    return _issue(
        check, _SEVERITIES[finding.severity], message, file=path(finding), begins=begins, identity=finding.fingerprint
    )


def _issue(check: str, severity: str, message: str, *, file: str, begins: int, identity: str) -> "dict[str, Any]":
    file = file or "stdin"
    return {
        "description": message,
        "check_name": check,
        "fingerprint": sha256(f"{file}\0{check}\0{identity}".encode(errors="backslashreplace")).hexdigest(),
        "severity": severity,
        "location": {"path": file, "lines": {"begin": begins}},
    }
