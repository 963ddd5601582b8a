"""An environment: a chart's defaults, values files and what is set besides, as one tree of values."""

from mlmesh.model.errors import InputError
from mlmesh.model.values import Map, Merged, Origin, Removed, dotted, leaves
from mlmesh.values.layers import laid_over
from mlmesh.values.reading import read_values
from mlmesh.values.strvals import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HELMS = (3, 4)


def merge(
    chart: str, files: "Sequence[tuple[str, bytes]]", settings: "Sequence[tuple[str, str]]" = (), *, helm: int = 4
) -> Merged:
    """The values of a call of Helm, 3 or 4: files (name, content) over the defaults of the chart in a folder or .tgz.

    ``settings`` are (option, text), such as ``("--set", "a=1")``, in the order in which Helm takes them. Without a
    ``chart`` there are no defaults. Raises InputError, with file and line, for what Helm would not take.
    """
    notes: list[str] = []
    values = Map(Origin("", 0, "user"))
    for name, data in files:
        values = laid_over(values, read_values(name, data, layer="user", helm=helm, notes=notes))
    for option, text in settings:
        values = put(values, text, option, helm=helm)
    if not chart:
        return Merged(values, [], notes)
    from mlmesh.values.charts import read_chart
    from mlmesh.values.coalesce import Coalesced
    from mlmesh.values.dependencies import settle
    from mlmesh.values.profiles import fill_profiles

    found = read_chart(chart, helm, notes)
    settle(found, values, helm)
    coalesced = Coalesced(helm)
    values = coalesced.over(found, values)
    fill_profiles(found, values, helm, coalesced.removed)
    return Merged(values, list(_gone(coalesced.removed, values)), notes)


def differences(mine: Merged, other: Merged) -> list[str]:
    """The paths of leaves that are in one only, or have another value in the other, dotted."""
    left = {dotted(path): leaf.plain() for path, leaf in leaves(mine.values)}
    right = {dotted(path): leaf.plain() for path, leaf in leaves(other.values)}
    return sorted(
        path
        for path in left.keys() | right.keys()
        if path not in left or path not in right or left[path] != right[path]
    )


def beside(
    mine: Merged, chart: str, files: "Sequence[tuple[str, bytes]]", settings: "Sequence[tuple[str, str]]", *, helm: int
) -> str:
    """A remark on what another Helm makes of the same call; empty where it is the same."""
    try:
        others = differences(mine, merge(chart, files, settings, helm=helm))
    except InputError as error:
        return f"Helm {helm} refuses the same call: {error.what}"
    if not others:
        return ""
    shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    return f"Helm {helm} gives other values to {shown} (see --helm {helm})"


def _gone(removed: "list[Removed]", values: Map) -> "Iterator[Removed]":
    """Each leaf that was removed; what came back from a subchart's own defaults was not."""
    there = {path for path, _ in leaves(values)}
    for each in removed:
        for path, was in leaves(each.was, each.path):
            if path not in there:
                yield Removed(path, each.null, was)
