"""Findings and errors as a person reads them in a terminal at night."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding
    from mlmesh.model.patches import Operation, Patch
    from mlmesh.model.pods import PodRole

LEVELS = ("error", "warning", "info")
SHOWN = 200  # characters of one value in the text of a plan


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


def error_text(error: "MlmeshError") -> str:
    """An error that ended the run: what, where, and what to do."""
    lines = [f"mlmesh: {error.what}"]
    if error.place:
        lines.append(f"  where:  {error.place}")
    if error.remedy:
        lines.append(f"  remedy: {error.remedy}")
    lines.append("  No manifests were passed on: nothing changes in the cluster.")
    return "\n".join(lines) + "\n"


def plan_text(pods: "Sequence[PodRole]", patches: "Sequence[Patch]") -> str:
    """Every change with its reason and operations, then the pods that get none, and why."""
    changed = {(patch.document, patch.kind, patch.namespace, patch.name) for patch in patches}
    left = [pod for pod in pods if (pod.document, pod.kind, pod.namespace, pod.name) not in changed]
    blocks = [f"{_counted(len(patches), 'object')} to change, {_counted(len(pods), 'pod template')}"]
    for patch in patches:
        lines = [f"{_title(patch)} (document {patch.document})", f"  why: {patch.reason}"]
        lines += [f"  {_operation(operation)}" for operation in patch.operations]
        blocks.append("\n".join(lines))
    if left:
        lines = [f"  {_title(pod)}: {f'{pod.role}: {pod.reason}' if pod.role else 'no role'}" for pod in left]
        blocks.append("\n".join(["Pods left as they are:", *lines]))
    return "\n\n".join(blocks) + "\n"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _title(item: "Patch | PodRole") -> str:
    return f"{item.kind} {item.namespace}/{item.name}" if item.namespace else f"{item.kind} {item.name}"


def _operation(operation: "Operation") -> str:
    if operation["op"] == "remove":
        return f"remove  {operation['path']}"
    from json import dumps

    value = dumps(operation["value"], ensure_ascii=False)
    shown = value if len(value) <= SHOWN else f"{value[:SHOWN]}... ({len(value)} characters: see --format json)"
    return f"{operation['op']:<7} {operation['path']} = {shown}"
