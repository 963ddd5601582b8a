"""Findings as JUnit XML: a test case for each, so that a pipeline shows what failed and how often.

There is no standard; what Jenkins, GitLab and Azure read in common is used, and `file` and `line` as GitLab and
pytest have them.
"""

from mlmesh.reports.words import line, path, printable, title, told, whence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding


def junit(findings: "Sequence[Finding]", error: "MlmeshError | None" = None) -> str:
    """One suite. Errors are failures; warnings and infos are skipped cases, whose text says what was found.

    The error that ended the run is a case that ended in an error.
    """
    from xml.etree import ElementTree as ET

    cases = [_case(finding) for finding in findings]
    if error is not None:
        case = ET.Element("testcase", classname="mlmesh", name="the run")
        ET.SubElement(case, "error", message=_legal(told(error)))
        cases.append(case)
    elif not cases:
        cases.append(ET.Element("testcase", classname="mlmesh", name="every invariant is kept"))
    failures = sum(finding.severity == "error" for finding in findings)
    suite = ET.Element(
        "testsuite",
        name="mlmesh",
        tests=str(len(cases)),
        failures=str(failures),
        errors=str(int(error is not None)),
        skipped=str(len(findings) - failures),
    )
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(finding: "Finding") -> "Element":
    from xml.etree import ElementTree as ET

    attributes = {
        "classname": f"{finding.code} {finding.rule}",
        "name": title(finding) + finding.pointer,
        "file": path(finding),
        "line": str(line(finding) or ""),
    }
    case = ET.Element("testcase", {name: _legal(value) for name, value in attributes.items() if value})
    outcome = "failure" if finding.severity == "error" else "skipped"
    inner = ET.SubElement(case, outcome, message=_legal(f"{finding.severity}: {finding.message}"))
    inner.text = _legal(f"remedy: {finding.remedy}\nwhere: {whence(finding)}")
    return case


def _legal(text: str) -> str:
    """The text without what XML 1.0 cannot hold, or readers would show as something else."""
    return "\n".join(map(printable, text.split("\n")))
