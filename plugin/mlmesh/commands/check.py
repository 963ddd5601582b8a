"""``mlmesh check``: manifests held against the invariants, and mended where that is safe."""

import os
import sys

import click

from mlmesh.baseline import Baseline, write
from mlmesh.commands.fixes import diff, fixed
from mlmesh.commands.inputs import Inputs
from mlmesh.files import read_files, write_report
from mlmesh.invariants.registry import documentation
from mlmesh.model.errors import InputError
from mlmesh.model.findings import ERROR
from mlmesh.options import BASELINE, CONTEXT, NAMESPACE, POLICY, REPORT, REPORT_FORMAT, WARN_ONLY
from mlmesh.post_help import click_option
from mlmesh.post_renderer import post_render
from mlmesh.reports.forms import FORMS, written
from mlmesh.reports.text import findings_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlmesh.model.findings import Finding

HELP = """\
Hold manifests against the invariants. Files, folders (all .yaml, .yml and .json in them) and standard input together
are one release; each finding names the file and the line that it is in.

\b
  helm template ml-mesh chart/ | mlmesh check --post-render     a release, as the post-renderer leaves it
  mlmesh check manifests/                                       a folder, as it is
  mlmesh check manifests/ --format sarif >mlmesh.sarif          for code scanning; also json, junit, github
  mlmesh check manifests/ --fix --diff                          what --fix would change
  mlmesh check manifests/ --write-baseline baseline.json        what is known from now on

`mlmesh rules CODE` explains a finding. One object is excused by an annotation with a reason,
allow.mlmesh.dev/CODE: "why", a rule is made milder by the policy (invariants.severity).

\b
Exit codes:
  0    no invariant is broken (warnings are none)
  1    one is
  2    the manifests, the policy or the call is wrong
  3    a defect of mlmesh
"""


def check(  # noqa: PLR0917 - click passes them by name
    sources: tuple[str, ...],
    form: str,
    policy: tuple[str, ...],
    context: tuple[str, ...],
    namespace: str | None,
    baseline: str | None,
    write_baseline: str | None,
    report: str | None,
    report_format: str | None,
    **switches: bool,
) -> None:
    """The command's body; leaves by click's exit with 1 where an invariant is broken."""
    inputs = Inputs(sources)
    files, around = read_files(policy), read_files(context)

    def judged() -> "list[Finding]":
        try:
            return post_render(
                inputs.stream, files, context=around, namespace=namespace or "", as_it_is=not switches["post_render"]
            ).findings
        except InputError:
            inputs.blame()
            raise

    findings = judged()
    if switches["fix"] or switches["unsafe_fixes"]:
        texts = fixed(inputs, findings, unsafe=switches["unsafe_fixes"])
        if switches["diff"]:
            click.echo(diff(inputs, texts), nl=False)
            return
        findings = _mended(inputs, texts, findings, judged)
    note = ""
    if baseline:
        ((name, content),) = read_files([baseline])
        findings, note = Baseline(name, content).settled(findings)
    if write_baseline:
        write_report(write_baseline, write(findings))
        note += f" {len(findings)} written to {write_baseline}."
    inputs.locate(findings)
    broken = any(finding.severity == ERROR for finding in findings)
    if switches["warn_only"] and broken:
        note += " Errors are let through: --warn-only."
    if report:
        write_report(report, _shown(report_format or "text", findings, note))
    colour = _colour()
    text = _shown(form, findings, note, colour=colour)
    piped = "-" in inputs.names and (switches["fix"] or switches["unsafe_fixes"])  # the manifests have standard output
    click.echo(text, nl=False, err=piped, color=colour)
    if broken and not switches["warn_only"] and not write_baseline:
        click.get_current_context().exit(1)


def _mended(
    inputs: Inputs, texts: list[bytes], before: "list[Finding]", judged: "Callable[[], list[Finding]]"
) -> "list[Finding]":
    """Write the mended files, standard input's to standard output, and judge again."""
    for name, old, new in zip(inputs.names, inputs.texts, texts, strict=True):
        if name == "-":
            sys.stdout.buffer.write(new)
            sys.stdout.buffer.flush()
        elif new != old:
            with open(name, "wb") as target:
                target.write(new)
    inputs.texts = texts
    after = judged()
    left = {finding.fingerprint for finding in after}
    mended = [finding for finding in before if finding.fingerprint not in left]
    for finding in mended:
        click.echo(f"mended: {finding.code} {finding.kind} {finding.name} {finding.pointer}", err=True)
    return after


def _shown(form: str, findings: "Sequence[Finding]", note: str, *, colour: bool = False) -> str:
    if form == "text":
        return findings_text(findings, refused=False, note="." + note if note else "", colour=colour)
    return written(form, findings, documentation())


def _colour() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


COMMAND = click.Command(
    "check",
    callback=check,
    help=HELP,
    params=[
        click.Argument(["sources"], metavar="[FILE|DIR|-]...", nargs=-1),
        click.Option(["--format", "form"], type=click.Choice(FORMS), default="text", show_default=True),
        click.Option(["--post-render"], is_flag=True, help="Judge what the post-renderer would make of them."),
        click.Option(["--fix"], is_flag=True, help="Mend what changes nothing that works; the files are rewritten."),
        click.Option(["--unsafe-fixes"], is_flag=True, help="Mend also what may need a look: read the diff."),
        click.Option(["--diff"], is_flag=True, help="With a fix: show the changes, and write nothing."),
        click.Option(["--write-baseline"], metavar="FILE", help="Write all findings to a baseline; exit code 0."),
        *map(click_option, (POLICY, CONTEXT, NAMESPACE, BASELINE, WARN_ONLY, REPORT, REPORT_FORMAT)),
    ],
)
