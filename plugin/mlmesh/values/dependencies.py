"""Which subcharts there are: aliases, conditions and tags; and the values that a chart imports from them."""

from mlmesh.model.values import Leaf, Map, Origin
from mlmesh.values.coalesce import Coalesced
from mlmesh.values.versions import allows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.values.charts import Chart


def settle(chart: "Chart", values: Map, helm: int) -> None:
    """Leave the chart the subcharts that are switched on, under their aliases, and import what it imports."""
    _enable(chart, values, helm, "")
    _import(chart, helm)


def _enable(chart: "Chart", values: Map, helm: int, prefix: str) -> None:
    if not chart.requirements:
        return
    found = [child for child in chart.dependencies if not any(_is_of(child, each) for each in chart.requirements)]
    for requirement in chart.requirements:
        child = next((child for child in chart.dependencies if _is_of(child, requirement)), None)
        if child is not None:
            found.append(child.called(_name(requirement)))
    chart.dependencies = found
    merged = Coalesced(helm).over(chart, values)
    off = {_name(each) for each in chart.requirements if not _is_on(each, merged, prefix)}
    chart.dependencies = [child for child in found if child.name not in off]
    chart.requirements = [each for each in chart.requirements if _name(each) not in off]
    for child in chart.dependencies:
        _enable(child, merged, helm, f"{prefix}{child.name}.")


def _is_of(child: "Chart", requirement: "dict[str, Any]") -> bool:
    """Whether charts/ has it for this requirement: of one chart there may be several versions, under aliases."""
    return child.name == requirement.get("name") and allows(str(requirement.get("version") or ""), child.version)


def _name(requirement: "dict[str, Any]") -> str:
    return str(requirement.get("alias") or requirement.get("name") or "")


def _is_on(requirement: "dict[str, Any]", values: Map, prefix: str) -> bool:
    """By the first of its conditions that is a boolean, else by its tags: one that is true, or none that is false."""
    for condition in str(requirement.get("condition") or "").strip().split(","):
        value = _at(values, prefix + condition) if condition else None
        if isinstance(value, Leaf) and isinstance(value.data, bool):
            return value.data
    tags = values.get("tags")
    words = requirement.get("tags") or ()
    told = [tags[word] for word in words if word in tags] if isinstance(tags, Map) else []
    said = [tag.data for tag in told if isinstance(tag, Leaf) and isinstance(tag.data, bool)]
    return True in said or False not in said


def _at(values: "Map | Leaf", path: str) -> "Map | Leaf | None":
    at: Map | Leaf | None = values
    for part in path.split("."):
        if not isinstance(at, Map):
            return None
        at = at.get(part)
    return at


def _import(chart: "Chart", helm: int) -> None:
    for child in chart.dependencies:
        _import(child, helm)
    if not chart.requirements:
        return
    merge = Coalesced(helm, merging=True)
    values = merge.over(chart, Map(Origin(chart.file, 1, "chart")))
    imported = Map(Origin(chart.file, 1, "chart"))
    for requirement in chart.requirements:
        for wanted in requirement.get("import-values") or ():
            named = isinstance(wanted, dict)
            inside = str(wanted.get("child")) if named else f"exports.{wanted}"
            parent = str(wanted.get("parent")) if named else "."
            table = _at(values, f"{_name(requirement)}.{inside}")
            if isinstance(table, Map):
                table = table.copy()
                for part in [] if parent == "." else parent.split(".")[::-1]:
                    outer = Map(table.origin)
                    outer[part] = table
                    table = outer
                merge.tables(imported, table, (), merging=True)
    merge.tables(values, imported, (), merging=True)
    chart.values = values
