"""The profiles of chart ml-mesh: layers between its defaults and the user's values, as its _profiles.tpl has them."""

import os

from mlmesh.model.errors import InputError
from mlmesh.model.values import Leaf, Map, Removed, is_null
from mlmesh.values.reading import read_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.values.charts import Chart

    Path = tuple[str, ...]

_FOLDER = "files/profiles/"
_DEFAULTS = "files/defaults.yaml"
_NULL_IS_A_VALUE = ("policy", "global")


def fill_profiles(chart: "Chart", values: Map, helm: int, removed: list[Removed], path: "Path" = ()) -> None:
    """Lay the profiles that are named under the values of every chart ml-mesh, be it a subchart, and the defaults that
    its values.yaml has behind a ``#`` under them. Nulls that took such a default away are added to ``removed``.

    Raises InputError for a profile that there is not.
    """
    for child in chart.dependencies:
        below = values.get(child.name)
        if isinstance(below, Map):
            fill_profiles(child, below, helm, removed, (*path, child.name))
    if _DEFAULTS not in chart.files or not any(map(_profile, chart.files)):
        return
    told = _read(chart, _DEFAULTS, helm, layer="chart")
    unset, maps = _map(told.get("unset")), _map(told.get("maps"))
    for profile in _chosen(chart, values):
        _fill(values, _read(chart, f"{_FOLDER}{profile}.yaml", helm, layer="profile"), maps)
    _fill(values, unset, maps)
    _clear(values, unset, removed, path)
    _prune(values, removed, path, kept=_NULL_IS_A_VALUE)


def _profile(file: str) -> str:
    inside = file.removeprefix(_FOLDER)
    return inside.removesuffix(".yaml") if inside != file and inside.endswith(".yaml") and "/" not in inside else ""


def _chosen(chart: "Chart", values: Map) -> list[str]:
    """The profiles that are named, the last first: what it says the others do not."""
    value = values.get("profile")
    if not isinstance(value, Leaf) or not value.data:
        return []
    names = [name for name in str(value.data).split("+") if name][::-1]
    known = sorted(filter(None, map(_profile, chart.files)))
    for name in names:
        if name not in known:
            raise InputError(
                f"profile: there is no {name}", place=str(value.origin), remedy=f"there are {', '.join(known)}"
            )
    return names


def _read(chart: "Chart", file: str, helm: int, *, layer: str) -> Map:
    name = os.path.join(os.path.dirname(chart.file), file)
    return read_values(name, chart.files[file], layer=layer, helm=helm)


def _map(value: "Map | Leaf | None") -> Map:
    if not isinstance(value, Map):
        raise InputError("the chart's files/defaults.yaml is not what `make docs` writes", remedy="take the chart anew")
    return value


def _fill(into: Map, layer: Map, maps: Map) -> None:
    """Fill a map with what it does not say. A map of values.yaml (``maps``) that is missing a null took away."""
    for key, value in layer.items():
        held = into.get(key)
        if held is None:
            if key not in maps:
                into[key] = value.copy() if isinstance(value, Map) else value
        elif isinstance(held, Map) and isinstance(value, Map):
            below = maps.get(key)
            _fill(held, value, below if isinstance(below, Map) else Map(layer.origin))
        else:
            into[key] = held.laid_over(value)


def _clear(values: Map, defaults: Map, removed: list[Removed], path: "Path") -> None:
    """Take away the defaults that a null removes, as Helm does where values.yaml has them."""
    for key, default in defaults.items():
        held = values.get(key)
        if is_null(held):
            null = values.pop(key)
            assert isinstance(null, Leaf)  # noqa: S101
            removed.append(Removed((*path, key), null, default))
        elif isinstance(held, Map) and isinstance(default, Map):
            _clear(held, default, removed, (*path, key))


def _prune(values: Map, removed: list[Removed], path: "Path", *, kept: "tuple[str, ...]" = ()) -> None:
    """Take out what else is null, as the chart does: what only an earlier file has, a later one takes back by it."""
    for key in [each for each in values if each not in kept]:
        held = values[key]
        if isinstance(held, Map):
            _prune(held, removed, (*path, key))
        elif is_null(held):
            null = values.pop(key)
            if isinstance(null, Leaf) and null.over:
                removed.append(Removed((*path, key), null, null.over[0]))
