"""Findings as JUnit XML: a test case for each, so that a pipeline shows what failed and how often."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.model.findings import Finding


def junit(findings: "Sequence[Finding]") -> str:
    """One suite. Errors are failures; warnings and infos are skipped cases, whose text says what was found."""
    from xml.etree import ElementTree as ET

    heard = list(findings)
    failures = sum(finding.severity == "error" for finding in heard)
    suite = ET.Element(
        "testsuite",
        name="mlmesh",
        tests=str(len(heard) or 1),
        failures=str(failures),
        errors="0",
        skipped=str(len(heard) - failures),
    )
    for finding in heard:
        name = f"{finding.namespace}/{finding.name}" if finding.namespace else finding.name
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"{finding.code} {finding.rule}",
            name=f"{finding.kind} {name}{finding.pointer}",
            file=finding.file or finding.source,
            line=str(finding.line),
        )
        text = f"{finding.severity}: {finding.message}"
        inner = ET.SubElement(case, "failure" if finding.severity == "error" else "skipped", message=_legal(text))
        inner.text = _legal(f"remedy: {finding.remedy}")
    if not heard:
        ET.SubElement(suite, "testcase", classname="mlmesh", name="every invariant is kept")
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _legal(text: str) -> str:
    """The text without what XML 1.0 cannot hold."""
    return "".join(sign if sign in "\t\n" or (sign >= " " and sign not in "\ufffe\uffff") else "?" for sign in text)
