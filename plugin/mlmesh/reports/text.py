"""Findings and errors as a person reads them in a terminal at night."""

from mlmesh.reports.words import origin, owed, place, printable, title

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
    """All findings, errors first: what, where, and what to do. What is said alike of several places is said once.

    ``refused``: the manifests were held back; ``note``: sentences that the first line says besides; ``colour``: for a
    terminal.
    """
    head = f"mlmesh: {summary(findings)}"
    if refused:
        head += ". No manifests were passed on: nothing changes in the cluster."
    if note:
        head += f"{'' if refused else '.'} {printable(note.strip())}"
    groups: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: LEVELS.index(finding.severity)):
        said = (finding.severity, finding.code, finding.message, finding.remedy)
        groups.setdefault(said, []).append(finding)
    return "\n\n".join([head, *("\n".join(_finding(group, colour)) for group in groups.values())]) + "\n"


def _finding(group: "Sequence[Finding]", colour: bool) -> "Iterator[str]":
    finding, *others = group
    head = f"{finding.severity.upper()} {finding.code} {finding.rule}"
    yield f"\x1b[1;{_COLOURS[finding.severity]}m{head}\x1b[0m" if colour else head
    yield printable(f"  what:   {finding.message}")
    yield printable(f"  where:  {title(finding)}, {place(finding)}")
    yield printable(f"          {origin(finding)}")
    if finding.values:
        yield printable(f"  values: {owed(finding)}")
    for number, text in finding.excerpt:
        line = number - finding.shift
        yield printable(f"          {'>' if line == finding.line else ' '} {line:4} | {text}").rstrip()
    for index, other in enumerate(others):
        known = f", {owed(other)}" if other.values else ""
        yield printable(f"  {'' if index else 'also:':7} {title(other)}, {place(other)}, {other.pointer}{known}")
    yield printable(f"  remedy: {finding.remedy}")
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
    return "\n".join(printable(part) for line in lines for part in line.split("\n")) + "\n"
