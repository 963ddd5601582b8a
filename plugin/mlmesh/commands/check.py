"""``mlmesh check``: manifests held against the invariants, and mended where that is safe."""

import os
import sys
from types import SimpleNamespace

import click

from mlmesh.baseline import Baseline, write
from mlmesh.commands.inputs import Inputs
from mlmesh.files import is_fed, read_files, write_report
from mlmesh.invariants.registry import documentation
from mlmesh.model.errors import InputError, MlmeshError, defect
from mlmesh.model.findings import ERROR
from mlmesh.options import BASELINE, CONTEXT, NAMESPACE, POLICY, REPORT, REPORT_FORMAT, VALUES, WARN_ONLY, Option
from mlmesh.post_help import click_option
from mlmesh.post_renderer import post_render
from mlmesh.reports.forms import written
from mlmesh.reports.text import error_text, findings_text
from mlmesh.reports.words import printable, title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mlmesh.model.findings import Finding

HELP = """\
Hold manifests against the invariants. Files, folders (all .yaml, .yml and .json in them) and standard input together
are one release; each finding names the file and the line that it is in.

\b
  helm template ml-mesh chart/ | mlmesh check --post-render     a release, as the post-renderer leaves it
  helm template ml-mesh chart/ -f prod.yaml | mlmesh check --post-render --values prod.yaml
                                                                each finding with the line of prod.yaml that it is from
  mlmesh check manifests/                                       a folder, as it is
  mlmesh check manifests/ --format sarif >mlmesh.sarif          for code scanning; also json, junit, github, gitlab
  mlmesh check manifests/ --diff                                what --fix would change
  mlmesh check manifests/ --write-baseline baseline.json        what is known from now on
  mlmesh check out.yaml --require-stamp                         whether they were post-rendered
  mlmesh check manifests/ --live                                with what the cluster holds as context
  mlmesh check --live                                           what the cluster holds, as it is

`mlmesh rules CODE` explains a finding. One object is excused by an annotation with a reason,
allow.mlmesh.dev/CODE: "why", a rule is made milder by the policy (invariants.severity).

--live reads the cluster that kubectl would (KUBECONFIG, --kubeconfig, --kube-context, or the pod's own account), by
kubectl get alone: the kinds that rules read, never Secrets or ConfigMaps. What the files hold, too, counts as the files
have it. It tells on standard error, and in the JSON report, what was read and what not, istiod's pods, and the
injector's webhooks. Without files, and nothing piped in, the cluster's own objects are judged.

\b
Exit codes:
  0    no invariant is broken (warnings are none)
  1    one is
  2    the manifests, the policy or the call is wrong, or the cluster cannot be read
  3    a defect of mlmesh
  130  interrupted, as by Ctrl-C
  141  the reader of standard output went away
"""
FORMAT = Option("--format", "FORMAT", "Text, or a form for programs.", choices=REPORT_FORMAT.choices)
POST_RENDER = Option("--post-render", "", "Judge what the post-renderer would make of them.")
REQUIRE_STAMP = Option(
    "--require-stamp", "", "Demand that they were post-rendered: what the post-renderer would change carries its stamp."
)
FIX = Option("--fix", "", "Mend what changes nothing that works; the files are rewritten, standard input goes on.")
UNSAFE_FIXES = Option("--unsafe-fixes", "", "Mend also what may need a look: read the diff.")
DIFF = Option("--diff", "", "Show what a fix would change (--fix, if none is named), and write nothing.")
LIVE = Option("--live", "", "Read the cluster, and take what it holds as context; nothing is written there.")
KUBECONFIG = Option("--kubeconfig", "FILE", "The file by which --live finds the cluster, as kubectl's.")
KUBE_CONTEXT = Option("--kube-context", "NAME", "The context in it, the current one if none is named.")
WRITE_BASELINE = Option("--write-baseline", "FILE", "Write all findings to a baseline; exit code 0.")
NO_MANIFESTS = ("baseline", "write_baseline", "report", "kubeconfig")  # options whose files a folder may hold


def check(**options: "Any") -> None:
    """The command's body, with its options by name; it leaves by click's exit.

    Whatever ended the run, a report in a form for programs says so: an empty one would be taken for a clean run.
    """
    asked = SimpleNamespace(**options, cluster=None, nothing=False)
    findings: list[Finding] = []
    note = ""
    error: MlmeshError | None = None
    try:
        findings, note = _judge(asked)
    except MlmeshError as caught:
        error = caught
    except Exception as caught:
        if isinstance(caught, OSError) and caught.filename is None:  # what was printed has no reader, or no room
            raise
        error = defect(caught)

    def shown(form: str, *, colour: bool = False) -> str:
        if form != "text":
            return written(form, findings, documentation, error, asked.cluster and asked.cluster.told)
        return (
            error_text(error, refused=False)
            if error
            else findings_text(findings, refused=False, note=note, colour=colour)
        )

    stream = sys.stderr if _is_taken(asked) else sys.stdout
    if asked.cluster:
        click.echo(asked.cluster.text(), err=True, nl=False)
    if error is not None:
        click.echo(error_text(error, refused=False), err=True, nl=False)
    if error is None or asked.form != "text":
        colour = _colour(stream.isatty())
        click.echo(shown(asked.form, colour=colour), nl=False, file=stream, color=colour)
    if asked.report:
        write_report(asked.report, shown(asked.report_format or "text"), REPORT)
    broken = any(finding.severity == ERROR for finding in findings) and not asked.warn_only and not asked.write_baseline
    click.get_current_context().exit(int(broken) if error is None else error.exit_code)


def _judge(asked: SimpleNamespace) -> "tuple[list[Finding], str]":
    """(findings, what there is to say besides). Fixes are made, and a baseline is written. Raises MlmeshError."""
    fixing = asked.fix or asked.unsafe_fixes or asked.diff
    if (asked.kubeconfig or asked.kube_context) and not asked.live:
        raise InputError(
            "a cluster is named, and none is read", remedy="add --live, or leave the cluster's options out"
        )
    if fixing and asked.post_render:
        raise InputError(
            "a fix is made in files as they are, and --post-render judges what would become of them",
            remedy="leave one of the two out",
        )
    if asked.require_stamp and asked.post_render:
        raise InputError(
            "--require-stamp asks whether manifests were post-rendered, and --post-render does that itself",
            remedy="leave one of the two out",
        )
    policy, context = read_files(asked.policy, POLICY), read_files(asked.context, CONTEXT)
    values = read_files(asked.values, VALUES)
    inputs, held, namespace = _inputs(asked, policy)
    context += held

    def judged() -> "list[Finding]":
        try:
            result = post_render(
                inputs.stream,
                policy,
                context=context,
                namespace=namespace,
                as_it_is=not asked.post_render,
                require_stamp=asked.require_stamp,
            )
        except InputError as error:
            inputs.blame(error)
            raise
        asked.nothing = not result.stream.documents and not asked.cluster
        if values:
            from mlmesh.values.causes import blame

            blame(result.findings, result.stream, values)
        if asked.cluster:
            asked.cluster.weigh(result)
        return result.findings

    found = judged()
    if fixing:
        found = _mended(asked, inputs, found, judged)
    findings, note = found, " What was read holds no object." if asked.nothing else ""
    if asked.baseline:
        ((name, content),) = read_files([asked.baseline], BASELINE)
        findings, known = Baseline(name, content).settled(found)
        note += known
    if asked.write_baseline:
        write_report(asked.write_baseline, write(found), WRITE_BASELINE, what="baseline")
        note += f" {len(found)} written to {asked.write_baseline}."
    if asked.warn_only and any(finding.severity == ERROR for finding in findings):
        note += " Errors are let through: --warn-only."
    inputs.locate(findings)
    return findings, note


def _inputs(asked: SimpleNamespace, policy: "list[tuple[str, bytes]]") -> "tuple[Inputs, list[tuple[str, bytes]], str]":
    """What is judged, what a cluster holds besides, and the release's namespace. Raises InputError.

    Where a cluster is read, and there are no manifests, its own objects are judged.
    """
    alone = asked.live and not asked.sources and not is_fed()
    if alone and (asked.fix or asked.unsafe_fixes or asked.diff):
        raise InputError("a fix is made in files, and the cluster is only read", remedy="name the files")
    files = (getattr(asked, name) for name in NO_MANIFESTS)
    given = None if alone else Inputs(asked.sources, [*filter(None, files), *asked.values])
    namespace = asked.namespace or ""
    if given is not None and not asked.live:
        return given, [], namespace
    from mlmesh.commands.beside import Cluster

    asked.cluster = Cluster(asked.kubeconfig or "", asked.kube_context or "")
    inputs = asked.cluster.read(given, policy, namespace)
    return inputs, asked.cluster.context, asked.cluster.live.namespace


def _mended(
    asked: SimpleNamespace, inputs: Inputs, findings: "list[Finding]", judged: "Callable[[], list[Finding]]"
) -> "list[Finding]":
    """Make the fixes in the files, or only show them; the findings of the files as they are then."""
    from mlmesh.commands.fixes import diff, mend

    before = inputs.texts
    left = mend(inputs, findings, judged, unsafe=asked.unsafe_fixes)
    if not asked.diff:
        inputs.save(before)
    kept = {(finding.fingerprint, finding.severity) for finding in left}  # what weighs less now was mended as well
    for finding in findings:
        if (finding.fingerprint, finding.severity) not in kept:
            done = "would mend" if asked.diff else "mended"
            click.echo(printable(f"{done}: {finding.code} {title(finding)} {finding.pointer}"), err=True)
    if asked.diff:
        click.echo(diff(inputs, before), nl=False)
        inputs.texts = before
        return findings
    if "-" in inputs.names:
        sys.stdout.buffer.write(inputs.texts[inputs.names.index("-")])
        sys.stdout.buffer.flush()
    return left


def _is_taken(asked: SimpleNamespace) -> bool:
    """Whether standard output has something else than the report: the diff, or the manifests with their fixes."""
    return bool(asked.diff or ((asked.fix or asked.unsafe_fixes) and "-" in (asked.sources or ("-",))))


def _colour(terminal: bool) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return terminal or bool(os.environ.get("FORCE_COLOR"))


COMMAND = click.Command(
    "check",
    callback=check,
    help=HELP,
    params=[
        click.Argument(["sources"], metavar="[FILE|DIR|-]...", nargs=-1),
        click_option(FORMAT, name="form", default="text"),
        *map(click_option, (POST_RENDER, REQUIRE_STAMP, FIX, UNSAFE_FIXES, DIFF, LIVE, KUBECONFIG, KUBE_CONTEXT)),
        *map(
            click_option,
            (POLICY, CONTEXT, NAMESPACE, VALUES, BASELINE, WRITE_BASELINE, WARN_ONLY, REPORT, REPORT_FORMAT),
        ),
    ],
)
