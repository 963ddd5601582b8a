"""What every report says alike: an object's name, a place, and text that only shows what it is."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding


def title(finding: "Finding") -> str:
    """``Gateway ml/gw``."""
    return (
        f"{finding.kind} {finding.namespace}/{finding.name}" if finding.namespace else f"{finding.kind} {finding.name}"
    )


def place(finding: "Finding") -> str:
    """``manifests/gw.yaml:7 (document 0)``, else ``line 7 of the stream (document 0)``."""
    where = f"{finding.file}:{finding.line}" if finding.file else f"line {finding.line} of the stream"
    return f"{where} (document {finding.document})"


def origin(finding: "Finding") -> str:
    """The pointer, and the chart's template where it is known: ``/spec/host from chart/templates/rules.yaml``."""
    return finding.pointer + (f" from {finding.source}" if finding.source else "")


def whence(finding: "Finding") -> str:
    """All that is known of where a finding is from: its place, its origin and its value."""
    return ", ".join(filter(None, (place(finding), origin(finding), owed(finding))))


def told(error: "MlmeshError") -> str:
    """An error in a line: what, where, and what to do."""
    where = f" ({error.place})" if error.place else ""
    remedy = f". Remedy: {error.remedy}" if error.remedy else ""
    return f"{error.what}{where}{remedy}"


def owed(finding: "Finding") -> str:
    """The value that a finding is owed to: ``values/prod.yaml:12, gateways.ml-gateway``; empty where none is known."""
    return "{1}:{2}, {0}".format(*finding.values) if finding.values else ""


def path(finding: "Finding") -> str:
    """The file that is to be mended, as a pipeline names it, from the working directory; empty where it is unknown.

    It is that of the values, else the one that was read, else the chart's template.
    """
    found = finding.values[1] if finding.values else finding.file or finding.source
    return relative(found) if found else ""


def line(finding: "Finding") -> int:
    """The line in that file; 0 where it is not known."""
    if finding.values:
        return finding.values[2]
    return finding.line if finding.file else 0


def relative(name: str) -> str:
    """A file's name from the working directory; absolute only where it is outside of that."""
    from os.path import abspath, relpath

    inside = relpath(name)
    return abspath(name) if inside.startswith("..") else inside


def printable(text: str) -> str:
    """One line that no terminal takes for a command: what is not printable is escaped, tabs are blanks."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text.expandtabs(4)
    )
