"""The forms of a report by their names."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlmesh.model.findings import Finding

FORMS = ("text", "json", "sarif", "junit", "github")


def written(form: str, findings: "Sequence[Finding]", docs: "Mapping[str, str]") -> str:
    """A report in one of the forms that only programs read; ``docs`` has the documentation of each finding's code."""
    if form == "json":
        from mlmesh.reports.machine import findings_json

        return findings_json(findings)
    if form == "sarif":
        from mlmesh.reports.sarif import sarif

        return sarif(findings, docs)
    if form == "junit":
        from mlmesh.reports.junit import junit

        return junit(findings)
    from mlmesh.reports.github import github

    return github(findings)
