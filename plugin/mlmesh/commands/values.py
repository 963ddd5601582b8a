"""``mlmesh values``: what the layers of values make together, and where each of them is from."""

import click

from mlmesh.files import read_files, read_input
from mlmesh.model.errors import InputError
from mlmesh.reports.values import chosen, values_json, values_text
from mlmesh.values.charts import is_chart
from mlmesh.values.environment import HELMS, beside, merge
from mlmesh.values.strvals import JSON, SET, STRING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.model.values import Merged

EXPLAIN = """\
Show the values that templates see, each with the file and line that it is from, and what it overrides there.

\b
  mlmesh values explain chart/ -f values/base.yaml -f values/prod.yaml
  mlmesh values explain chart/ -f values/prod.yaml gateways.ml-gateway       one key and all below
  mlmesh values explain chart/ --set profile=prod policy.sidecars            a profile is a layer, too
  mlmesh values explain -f base.yaml -f prod.yaml                            the files alone, without a chart

CHART is a folder or a .tgz. The values of subcharts count, as conditions and tags have them. A null removes a default
of a chart; a key that only another file sets stays, as null (chart ml-mesh takes it out). Lists replace each other.
Values whose key looks like a secret's are shown as ***.

Exit codes: 0, or 2 where Helm would not take the files, with file and line.
"""


def layers(files: "Sequence[str]") -> list[tuple[str, bytes]]:
    """Files as ``-f`` names them, one or several with commas, with their contents. Raises InputError."""
    found: list[tuple[str, bytes]] = []
    for name in (part for each in files for part in each.split(",")):
        if "://" in name:
            raise InputError("a values file is at an address", place=name, remedy="fetch it, and name the file")
        found += [("standard input", read_input("-"))] if name.strip() == "-" else read_files([name])
    return found


def _explain(
    *,
    words: tuple[str, ...],
    files: tuple[str, ...],
    sets: tuple[str, ...],
    strings: tuple[str, ...],
    jsons: tuple[str, ...],
    helm: str,
    form: str,
) -> None:
    chart = words[0] if words and is_chart(words[0]) else ""
    paths = words[1:] if chart else words
    given = files or sets or strings or jsons
    if words and not chart and ("/" in words[0] or not given):
        raise InputError("no chart is there", place=words[0], remedy="name a folder with a Chart.yaml, or a .tgz file")
    if not (chart or given):
        raise InputError("there are no values", remedy="name a chart, or values files with -f: see --help")
    read = layers(files)
    settings = [(option, text) for option, texts in ((JSON, jsons), (SET, sets), (STRING, strings)) for text in texts]
    merged = merge(chart, read, settings, helm=int(helm))
    for other in HELMS:
        if other != int(helm) and (note := beside(merged, chart, read, settings, helm=other)):
            merged.notes.append(note)
    for path in paths:
        _check(path, merged)
    click.echo(values_json(merged, paths) if form == "json" else values_text(merged, paths), nl=False)


def _check(path: str, merged: "Merged") -> None:
    """Refuse a path that leads nowhere."""
    from difflib import get_close_matches

    from mlmesh.model.values import dotted, leaves

    there = [each for each, _ in leaves(merged.values)] + [each.path for each in merged.removed]
    if any(chosen(each, [path]) for each in there):
        return
    known = {dotted(each[:end]) for each in there for end in range(1, len(each) + 1)}
    near = get_close_matches(path, sorted(known), 1)
    raise InputError(
        f"no value is at {path}",
        remedy=f"did you mean {near[0]}?" if near else "leave the path out to see all values",
    )


class _Whole(click.types.StringParamType):
    """Text that a variable holds as it is, with its blanks: Helm parts what is set by commas."""

    def split_envvar_value(self, rv: str) -> "Sequence[str]":
        """All of it is one."""
        return [rv]


_WHOLE = _Whole()
COMMAND = click.Group(
    "values",
    help="Ask where values come from.",
    commands=[
        click.Command(
            "explain",
            callback=_explain,
            help=EXPLAIN,
            params=[
                click.Argument(["words"], metavar="[CHART] [PATH]...", nargs=-1),
                click.Option(
                    ["-f", "--values", "files"],
                    metavar="FILE",
                    type=click.Path(allow_dash=True),
                    multiple=True,
                    help="As Helm's, in its order; - too.",
                ),
                click.Option([SET, "sets"], metavar="KEY=VALUE", type=_WHOLE, multiple=True, help="As Helm's."),
                click.Option([STRING, "strings"], metavar="KEY=VALUE", type=_WHOLE, multiple=True, help="As Helm's."),
                click.Option([JSON, "jsons"], metavar="KEY=JSON", type=_WHOLE, multiple=True, help="As Helm's."),
                click.Option(
                    ["--helm"],
                    type=click.Choice([str(helm) for helm in HELMS]),
                    default="4",
                    show_default=True,
                    help="Whose rules hold; where the other Helm's give other values, a note says so.",
                ),
                click.Option(
                    ["--format", "form"], type=click.Choice(["text", "json"]), default="text", show_default=True
                ),
            ],
        )
    ],
)
