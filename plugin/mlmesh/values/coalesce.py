"""User values over the defaults of a chart and of its subcharts: what Helm calls coalescing.

A null takes a default away. Helm 3 and 4 differ in the nulls that a chart's own defaults hold: Helm 4 drops them, so
that a parent's null no longer takes a default of a subchart away.
"""

from mlmesh.model.errors import InputError
from mlmesh.model.values import Leaf, Map, Origin, Removed, is_null

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.values.charts import Chart

    Path = tuple[str, ...]

GLOBAL = "global"


class Coalesced:
    """Merging as one Helm does it: ``helm`` is 3 or 4. ``removed`` are the defaults that nulls took away.

    With ``merging`` nulls are kept, which is how Helm prepares what it coalesces later.
    """

    def __init__(self, helm: int, *, merging: bool = False) -> None:
        self.helm = helm
        self.merging = merging
        self.removed: list[Removed] = []

    def over(self, chart: "Chart", values: Map, path: "Path" = ()) -> Map:
        """The values over the defaults of a chart and its subcharts. Raises InputError where one stands for a chart."""
        values = values.copy()
        self._defaults(chart, values, path)
        for child in chart.dependencies:
            below = values.setdefault(child.name, Map(Origin(chart.file, 1, "chart")))
            if not isinstance(below, Map):
                raise InputError(
                    f"{child.name} is a subchart's name, and its value is no map",
                    place=str(below.origin),
                    remedy="write the subchart's values below it",
                )
            self._globals(below, values, (*path, child.name))
            values[child.name] = self.over(child, below, (*path, child.name))
        return values

    def _defaults(self, chart: "Chart", values: Map, path: "Path") -> None:
        children = {child.name for child in chart.dependencies}
        for key, default in chart.values.copy().items():
            held = values.get(key)
            if held is None:
                if not self.merging and self.helm > 3:
                    if is_null(default):
                        continue
                    _without_nulls(default)
                values[key] = default
            elif is_null(held) and not self.merging:
                self._take(values, key, default, path)
            elif isinstance(held, Map) and isinstance(default, Map):
                merging = self.merging or key in children
                if not merging and self.helm > 3:
                    _without_nulls(default)
                self.tables(held, default, (*path, key), merging=merging)
            else:
                values[key] = held.laid_over(default)

    def tables(self, values: Map, defaults: Map, path: "Path", *, merging: bool) -> None:
        """Put the defaults under the values of one map, which changes."""
        for key, default in defaults.items():
            held = values.get(key)
            if held is None:
                values[key] = default
            elif is_null(held) and not is_null(default) and not merging:
                self._take(values, key, default, path)
            elif isinstance(held, Map) and isinstance(default, Map):
                self.tables(held, default, (*path, key), merging=merging)
            else:
                values[key] = held.laid_over(default)

    def _take(self, values: Map, key: str, default: "Map | Leaf", path: "Path") -> None:
        null = values.pop(key)
        assert isinstance(null, Leaf), "nothing else is a null"  # noqa: S101
        if not is_null(default):
            nearer = (each for each in null.over if each.origin.layer != "user" and not is_null(each))
            self.removed.append(Removed((*path, key), null, next(nearer, default)))

    def _globals(self, below: Map, values: Map, path: "Path") -> None:
        """Hand the globals of a chart down to a subchart, over its own."""
        held, given = below.get(GLOBAL), values.get(GLOBAL)
        if (held is not None and not isinstance(held, Map)) or (given is not None and not isinstance(given, Map)):
            return  # Helm only warns
        made = held.copy() if held is not None else Map(given.origin if given is not None else below.origin)
        for key, value in (given or {}).items():
            own = made.get(key)
            if isinstance(value, Map):
                if own is None:
                    made[key] = value.copy()
                elif isinstance(own, Map):
                    copied = value.copy()
                    self.tables(copied, own, (*path, GLOBAL, key), merging=True)
                    made[key] = copied
            elif not isinstance(own, Map):
                made[key] = value if own is None else value.laid_over(own)
        below[GLOBAL] = made


def _without_nulls(value: "Map | Leaf") -> None:
    """Take the nulls out of a map, at every depth."""
    if isinstance(value, Map):
        for key in [key for key, below in value.items() if is_null(below)]:
            del value[key]
        for below in value.values():
            _without_nulls(below)
