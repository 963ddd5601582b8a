"""The forms of a report by their names."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlmesh.model.cluster import Live
    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding


def written(
    form: str,
    findings: "Sequence[Finding]",
    docs: "Callable[[], Mapping[str, str]]",
    error: "MlmeshError | None" = None,
    live: "Live | None" = None,
) -> str:
    """A report in one of the forms that programs read: json, sarif, junit, github or gitlab.

    ``docs`` gives the documentation of every code, for the form that holds it. ``error`` ended the run: then what was
    found is not all, and each form says so. ``live`` is what was read from a cluster, which JSON alone holds.
    """
    if form == "json":
        from mlmesh.reports.machine import findings_json

        return findings_json(findings, error, live)
    if form == "sarif":
        from mlmesh.reports.sarif import sarif

        return sarif(findings, docs(), error)
    if form == "junit":
        from mlmesh.reports.junit import junit

        return junit(findings, error)
    if form == "gitlab":
        from mlmesh.reports.gitlab import gitlab

        return gitlab(findings, error)
    from mlmesh.reports.github import github

    return github(findings, error)
