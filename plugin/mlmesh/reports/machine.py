"""Findings, plans and errors as JSON. The shapes carry a version and are stable."""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding
    from mlmesh.model.patches import Patch
    from mlmesh.model.pods import PodRole

VERSION = 1


def findings_json(findings: "Sequence[Finding]", error: "MlmeshError | None" = None) -> str:
    """``{"version", "findings": [...], "summary": {"errors", "warnings", "infos"}}``; ``error`` if one ended it."""
    shape: dict[str, Any] = {
        "version": VERSION,
        "findings": [_finding(finding) for finding in findings],
        "summary": {
            f"{level}s": sum(finding.severity == level for finding in findings)
            for level in ("error", "warning", "info")
        },
    }
    if error is not None:
        shape["error"] = {
            "exitCode": error.exit_code,
            "message": error.what,
            "place": error.place,
            "remedy": error.remedy,
        }
    return json.dumps(shape, indent=2, ensure_ascii=False) + "\n"


def plan_json(pods: "Sequence[PodRole]", patches: "Sequence[Patch]") -> str:
    """``{"version", "pods": [...], "patches": [...]}``; the operations are RFC 6902, from the document's root."""
    shape = {
        "version": VERSION,
        "pods": [
            {
                "document": pod.document,
                "apiVersion": pod.api_version,
                "kind": pod.kind,
                "namespace": pod.namespace,
                "name": pod.name,
                "pointer": pod.pointer,
                "role": pod.role,
                "reason": pod.reason,
            }
            for pod in pods
        ],
        "patches": [
            {
                "apiVersion": patch.api_version,
                "kind": patch.kind,
                "namespace": patch.namespace,
                "name": patch.name,
                "document": patch.document,
                "role": patch.role,
                "reason": patch.reason,
                "operations": list(patch.operations),
            }
            for patch in patches
        ],
    }
    return json.dumps(shape, indent=2, ensure_ascii=False) + "\n"


def _finding(finding: "Finding") -> "dict[str, Any]":
    return {
        "code": finding.code,
        "rule": finding.rule,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "message": finding.message,
        "remedy": finding.remedy,
        "apiVersion": finding.api_version,
        "kind": finding.kind,
        "namespace": finding.namespace,
        "name": finding.name,
        "document": finding.document,
        "line": finding.line,
        "pointer": finding.pointer,
        "source": finding.source,
        "fingerprint": finding.fingerprint,
    }
