"""``mlmesh diff``: two environments beside each other, their values and their objects."""

import os
import sys
from functools import cached_property

import click

from mlmesh.commands.helm import Helm
from mlmesh.files import read_files, read_input
from mlmesh.manifests.comparison import compare
from mlmesh.manifests.stream import read
from mlmesh.model.differences import Differences
from mlmesh.model.errors import InputError
from mlmesh.options import NAMESPACE
from mlmesh.post_help import click_option
from mlmesh.post_renderer import post_render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.manifests.stream import Document
    from mlmesh.model.values import Merged

HELP = """\
Show what differs between two environments: their values, with file and line on both sides, and their objects as the
post-renderer leaves them.

\b
  mlmesh diff dev prod                                                       values/dev.yaml, beside values/prod.yaml
  mlmesh diff values/base.yaml,values/dev.yaml values/base.yaml,values/prod.yaml
  mlmesh diff --chart charts/llm dev.yaml prod.yaml --format markdown        for a comment on a pull request
  helm get manifest ml-mesh | mlmesh diff - rendered.yaml                    what runs, beside what is to run
  mlmesh diff "" values/prod.yaml                                            the chart's defaults, beside prod

An environment is its values files, with commas between them, in Helm's order; then Helm renders the chart with them. A
NAME that is no file stands for values/NAME.yaml. Or it is a rendered stream: a file of manifests, or - for standard
input; beside one an empty file is one, too. A change that three objects or more have alike,
such as a label with the chart's version, is told once. Values whose key looks like a secret's, and the data of Secrets,
are shown as ***. The markdown form is cut below GitHub's limit, and says how much is missing.

Exit codes: 0 whatever differs, or with --exit-code 1 where something does; 2 where a side cannot be read or rendered.
"""


class _Call:
    """What both sides share: the chart, and Helm, which is started only where a side must be rendered."""

    def __init__(self, chart: str, helm: str, release: str, namespace: str) -> None:
        self.chart = chart
        self.program = helm
        self.release = release
        self.namespace = namespace

    @cached_property
    def helm(self) -> Helm:
        """The program. Raises InputError."""
        from mlmesh.values.charts import is_chart

        if not is_chart(self.chart):
            raise InputError("no chart is there", place=self.chart, remedy="name a folder or a .tgz with --chart")
        return Helm(self.program)


class _Side:
    """One environment: ``stream`` as it is post-rendered, and ``merged`` values, None where it came rendered."""

    def __init__(self, name: str) -> None:
        """Read what it is: values ``files``, or ``data``, which came rendered. Raises InputError."""
        self.name = name
        self.files = [] if name in ("", "-") else read_files([_file(part) for part in name.split(",")])
        self.data = read_input("-") if name == "-" else None
        documents = _documents(self.files[0][1]) if len(self.files) == 1 else None
        self.empty = documents == []  # values that say nothing, or a release that is not there yet
        if documents and "apiVersion" in documents[0].data and "kind" in documents[0].data:
            self.data = self.files[0][1]

    def settle(self, call: _Call, other: "_Side") -> None:
        """Render it where it did not come rendered, and post-render it. Raises InputError."""
        self.merged: Merged | None = None
        data = self.files[0][1] if self.empty and other.data is not None else self.data
        if data is None:
            from mlmesh.values.environment import merge

            self.merged = merge(call.chart, self.files, helm=call.helm.version)
            data = call.helm.template(call.release, call.chart, [file for file, _ in self.files], call.namespace)
        name = self.name or call.chart
        try:
            result = post_render(data, namespace=call.namespace)
        except InputError as error:
            raise InputError(error.what, place=f"{name}: {error.place}", remedy=error.remedy) from None
        self.stream = b"".join(result.output)
        said = f"{name}: the post-renderer would refuse it (mlmesh check --post-render)"
        self.notes = [*(self.merged.notes if self.merged else ()), *([said] if result.failed else ())]


def _file(name: str) -> str:
    """The file that a part of an environment's name means."""
    overlay = os.path.join("values", f"{name}.yaml")
    if os.path.isfile(name) or not os.path.isfile(overlay):
        if not os.path.lexists(name):
            also = "" if "/" in name or "." in name else f", nor {overlay}"
            raise InputError(
                f"there is no such environment: no file {name}{also}",
                place=name,
                remedy="name values files, or manifests; paths are taken from the working directory",
            )
        return name
    return overlay


def _documents(data: bytes) -> "list[Document] | None":
    """The documents of a file, of which the first can be read; None where it is no stream."""
    try:
        found = read(data).documents
        if found:
            found[0].data  # noqa: B018 - whether it can be read
    except InputError:
        return None
    return found


def _diff(
    *, left: str, right: str, chart: str, helm: str, release: str, namespace: str | None, form: str, exit_code: bool
) -> None:
    if left == right == "-":
        raise InputError("both environments are standard input", remedy="give one of them as a file")
    call = _Call(chart, helm, release, namespace or "")
    one, other = _Side(left), _Side(right)
    one.settle(call, other)
    other.settle(call, one)
    told = Differences(left, right)
    if one.merged and other.merged:
        from mlmesh.values.comparison import compare_values

        told.values = compare_values(one.merged.values, other.merged.values)
    compare(one.stream, other.stream, told, namespace=call.namespace)
    told.notes = list(dict.fromkeys([*one.notes, *other.notes]))
    click.echo(_written(told, form), nl=False, color=True)
    click.get_current_context().exit(int(exit_code and bool(told)))


def _written(told: Differences, form: str) -> str:
    from mlmesh.reports.differences import differences_json, differences_text

    if form == "json":
        return differences_json(told)
    if form == "markdown":
        from mlmesh.reports.markdown import markdown

        return markdown(told)
    colour = not os.environ.get("NO_COLOR") and (sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR")))
    return differences_text(told, colour=colour)


COMMAND = click.Command(
    "diff",
    callback=_diff,
    help=HELP,
    params=[
        click.Argument(["left"], metavar="ENV"),
        click.Argument(["right"], metavar="ENV"),
        click.Option(["--chart"], metavar="CHART", default="chart", show_default=True, help="A folder, or a .tgz."),
        click.Option(["--helm"], metavar="PROGRAM", default="helm", show_default=True, help="The Helm that renders."),
        click.Option(["--release"], metavar="NAME", default="ml-mesh", show_default=True, help="The release's name."),
        click_option(NAMESPACE),
        click.Option(
            ["--format", "form"], type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True
        ),
        click.Option(["--exit-code"], is_flag=True, help="Exit with 1 where something differs, as git diff has it."),
    ],
)
