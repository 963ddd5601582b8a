"""Findings and errors as a person reads them in a terminal at night."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding

LEVELS = ("error", "warning", "info")


def summary(findings: "Sequence[Finding]") -> str:
    """``1 error, 2 warnings``; ``no findings`` where there are none."""
    counts = [(sum(finding.severity == level for finding in findings), level) for level in LEVELS]
    parts = [f"{count} {level}{'s' if count > 1 and level != 'info' else ''}" for count, level in counts if count]
    return ", ".join(parts) or "no findings"


def findings_text(findings: "Sequence[Finding]", refused: bool) -> str:
    """All findings, errors first: what, where, and what to do. ``refused``: the manifests were held back."""
    head = f"mlmesh: {summary(findings)}"
    if refused:
        head += ". No manifests were passed on: nothing changes in the cluster."
    ordered = sorted(findings, key=lambda finding: LEVELS.index(finding.severity))
    return "\n\n".join([head, *map(_finding, ordered)]) + "\n"


def _finding(finding: "Finding") -> str:
    name = f"{finding.namespace}/{finding.name}" if finding.namespace else finding.name
    place = f"{finding.kind} {name}, line {finding.line} of the stream (document {finding.document})"
    lines = [
        f"{finding.severity.upper()} {finding.code} {finding.rule}",
        f"  what:   {finding.message}",
        f"  where:  {place}",
        f"          {finding.pointer}" + (f" from {finding.source}" if finding.source else ""),
        f"  remedy: {finding.remedy}",
    ]
    return "\n".join(lines)


def error_text(error: "MlmeshError", refused: bool = True) -> str:
    """An error that ended the run: what, where, and what to do. ``refused``: manifests were held back by it."""
    lines = [f"mlmesh: {error.what}"]
    if error.place:
        lines.append(f"  where:  {error.place}")
    if error.remedy:
        lines.append(f"  remedy: {error.remedy}")
    if refused:
        lines.append("  No manifests were passed on: nothing changes in the cluster.")
    return "\n".join(lines) + "\n"
