"""Findings as workflow commands, which GitHub shows at the lines of a pull request.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from mlmesh.reports.words import line, path, printable, title, told, whence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def github(findings: "Sequence[Finding]", error: "MlmeshError | None" = None) -> str:
    """A line for each finding, and one for the error that ended the run."""
    lines = [_finding(finding) for finding in findings]
    if error is not None:
        lines.append(_command("error", {"title": "mlmesh"}, told(error)))
    return "".join(lines)


def _finding(finding: "Finding") -> str:
    properties = {
        "file": path(finding),
        "line": str(line(finding) or ""),
        "title": f"{finding.code} {finding.rule}",
    }
    message = f"{title(finding)}: {finding.message}\nRemedy: {finding.remedy}\nWhere: {whence(finding)}"
    return _command(_COMMANDS[finding.severity], properties, message)


def _command(name: str, properties: "dict[str, str]", message: str) -> str:
    shown = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name} {shown}::{_data(message)}\n"


def _data(text: str) -> str:
    return "%0A".join(printable(part).replace("%", "%25") for part in text.split("\n"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
