"""One layer over another, as Helm merges the files of ``-f``: maps merge, all else replaces, a null too."""

from mlmesh.model.values import Leaf, Map, Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def laid_over(below: Map, above: Map) -> Map:
    """A new map with both; neither is changed."""
    made = Map(below.origin, below.over)
    made.update(below)
    for key, value in above.items():
        held = made.get(key)
        if isinstance(held, Map) and isinstance(value, Map):
            made[key] = laid_over(held, value)
        else:
            made[key] = value if held is None else value.laid_over(held)
    return made


def valued(data: "Any", origin: Origin) -> "Map | Leaf":
    """Plain data as values that all stand at one place."""
    if not isinstance(data, dict):
        return Leaf(data, origin)
    made = Map(origin)
    for key, value in data.items():
        made[key] = valued(value, origin)
    return made
