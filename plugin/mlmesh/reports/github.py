"""Findings as workflow commands, which GitHub shows at the lines of a pull request.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.model.findings import Finding

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def github(findings: "Sequence[Finding]") -> str:
    """A line for each finding."""
    return "".join(map(_command, findings))


def _command(finding: "Finding") -> str:
    name = f"{finding.namespace}/{finding.name}" if finding.namespace else finding.name
    place = {"file": finding.file or finding.source, "line": str(finding.line) if finding.file else ""}
    properties = {**place, "title": f"{finding.code} {finding.rule}"}
    shown = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    message = f"{finding.kind} {name}: {finding.message}\nRemedy: {finding.remedy}"
    return f"::{_COMMANDS[finding.severity]} {shown}::{_data(message)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
