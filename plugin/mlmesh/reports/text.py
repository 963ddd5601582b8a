"""Findings and errors as a person reads them in a terminal at night."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding

LEVELS = ("error", "warning", "info")
_COLOURS = {"error": "31", "warning": "33", "info": "36"}


def summary(findings: "Sequence[Finding]") -> str:
    """``1 error, 2 warnings``; ``no findings`` where there are none."""
    counts = [(sum(finding.severity == level for finding in findings), level) for level in LEVELS]
    parts = [f"{count} {level}{'s' if count > 1 and level != 'info' else ''}" for count, level in counts if count]
    return ", ".join(parts) or "no findings"


def findings_text(findings: "Sequence[Finding]", refused: bool, *, note: str = "", colour: bool = False) -> str:
    """All findings, errors first: what, where, and what to do.

    ``refused``: the manifests were held back; ``note`` is what else the first line says; ``colour``: for a terminal.
    """
    head = f"mlmesh: {summary(findings)}"
    if refused:
        head += ". No manifests were passed on: nothing changes in the cluster."
    head += note
    ordered = sorted(findings, key=lambda finding: LEVELS.index(finding.severity))
    return "\n\n".join([head, *("\n".join(_finding(finding, colour)) for finding in ordered)]) + "\n"


def _finding(finding: "Finding", colour: bool) -> "Iterator[str]":
    name = f"{finding.namespace}/{finding.name}" if finding.namespace else finding.name
    place = f"{finding.file}:{finding.line}" if finding.file else f"line {finding.line} of the stream"
    title = f"{finding.severity.upper()} {finding.code} {finding.rule}"
    yield f"\x1b[1;{_COLOURS[finding.severity]}m{title}\x1b[0m" if colour else title
    yield f"  what:   {finding.message}"
    yield f"  where:  {finding.kind} {name}, {place} (document {finding.document})"
    yield f"          {finding.pointer}" + (f" from {finding.source}" if finding.source else "")
    for number, text in finding.excerpt:
        line = number - finding.shift
        yield f"          {'>' if line == finding.line else ' '} {line:4} | {text}".rstrip()
    yield f"  remedy: {finding.remedy}"
    yield f"  more:   mlmesh rules {finding.code}"


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
