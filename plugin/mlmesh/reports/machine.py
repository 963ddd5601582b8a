"""Findings, plans and errors as JSON. The shapes carry a version and are stable."""

import json
from math import inf

from mlmesh.model.cost import together
from mlmesh.model.units import cpu_text, memory_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.model.cluster import Live
    from mlmesh.model.cost import Cost, Total
    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding
    from mlmesh.model.patches import Patch
    from mlmesh.model.pods import PodRole

VERSION = 1


def findings_json(findings: "Sequence[Finding]", error: "MlmeshError | None" = None, live: "Live | None" = None) -> str:
    """``{"version", "findings": [...], "summary": {"errors", "warnings", "infos"}}``; ``error`` if one ended it.

    ``live`` is what was read from a cluster, where one was. The shape is docs/schemas/findings.schema.json.
    """
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
    if live is not None:
        from mlmesh.reports.live import live_json

        shape["live"] = live_json(live)
    return json.dumps(shape, indent=2, ensure_ascii=False) + "\n"


def plan_json(pods: "Sequence[PodRole]", patches: "Sequence[Patch]", cost: "Cost") -> str:
    """``{"version", "pods": [...], "patches": [...], "cost": {...}}``; the operations are RFC 6902, from the root.

    ``cost`` is ``{"roles": {ROLE: {"pods", "requests": {"cpu", "memory"}, "limits": {"cpu", "memory"}}}, "total"}`` of
    the sidecars that are there all the time, and the same under ``perNode`` (DaemonSets, one node) and ``perRun``
    (CronJobs and what others run, one run of each). Quantities are Kubernetes'; a limit of null is none.
    """
    shape = {
        "version": VERSION,
        "pods": [
            {
                "document": pod.document,
                "apiVersion": pod.api_version,
                "kind": pod.kind,
                "namespace": pod.namespace,
                "name": pod.name,
                "part": pod.part,
                "pointer": pod.pointer,
                "role": pod.role,
                "reason": pod.reason,
                "conflict": pod.conflict,
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
        "cost": {
            **_cost(cost.always),
            "perNode": _cost(cost.per_node),
            "perRun": _cost(cost.per_run),
        },
    }
    return json.dumps(shape, indent=2, ensure_ascii=False) + "\n"


def _cost(totals: "dict[str, Total]") -> "dict[str, Any]":
    return {
        "roles": {role: _total(total) for role, total in totals.items()},
        "total": _total(together(totals)),
    }


def _total(total: "Total") -> "dict[str, Any]":
    return {
        "pods": total.pods,
        "requests": {"cpu": cpu_text(total.cpu), "memory": memory_text(total.memory)},
        "limits": {
            "cpu": None if total.cpu_limit == inf else cpu_text(total.cpu_limit),
            "memory": None if total.memory_limit == inf else memory_text(total.memory_limit),
        },
    }


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
        "file": finding.file,
        "document": finding.document,
        "line": finding.line,
        "pointer": finding.pointer,
        "source": finding.source,
        "values": dict(zip(("path", "file", "line"), finding.values, strict=True)) if finding.values else None,
        "fix": finding.fix,
        "fingerprint": finding.fingerprint,
    }
