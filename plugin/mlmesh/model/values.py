"""Values and where each is from: maps and leaves that remember what they were laid over."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Value = "Map | Leaf"
    Path = tuple[str, ...]


class Origin:
    """Where a value stands: ``file`` (or an option such as ``--set a=1``) and its 1-based ``line``, 0 for an option.

    ``layer`` says whose it is: "chart" (a chart's defaults), "profile" (files of chart ml-mesh) or "user".
    """

    __slots__ = ("file", "layer", "line")

    def __init__(self, file: str, line: int, layer: str) -> None:
        self.file = file
        self.line = line
        self.layer = layer

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Leaf:
    """A value that is no map, or a map that replaced one: ``data`` as JSON has it.

    ``over`` are the values that it lies over, the nearest first.
    """

    __slots__ = ("data", "origin", "over")

    def __init__(self, data: "Any", origin: Origin, over: "tuple[Map | Leaf, ...]" = ()) -> None:
        self.data = data
        self.origin = origin
        self.over = over

    def laid_over(self, below: "Map | Leaf") -> "Leaf":
        """The same value, lying over another one as well."""
        return Leaf(self.data, self.origin, _over(self, below))

    def plain(self) -> "Any":
        """The value alone."""
        return self.data


class Map(dict[str, "Map | Leaf"]):
    """A map of values, which begins at ``origin``; ``over`` are values of other kinds that it lies over."""

    __slots__ = ("origin", "over")

    def __init__(self, origin: Origin, over: "tuple[Map | Leaf, ...]" = ()) -> None:
        super().__init__()
        self.origin = origin
        self.over = over

    def laid_over(self, below: "Map | Leaf") -> "Map":
        """The same map, lying over another value as well; its maps are not copied."""
        made = Map(self.origin, _over(self, below))
        made.update(self)
        return made

    def plain(self) -> "dict[str, Any]":
        """The values alone."""
        return {key: value.plain() for key, value in self.items()}

    def copy(self) -> "Map":
        """A copy whose maps are copies, too."""
        made = Map(self.origin, self.over)
        for key, value in self.items():
            made[key] = value.copy() if isinstance(value, Map) else value
        return made


def alone(value: "Map | Leaf") -> "Map | Leaf":
    """A value without what it lies over."""
    if not value.over:
        return value
    if isinstance(value, Leaf):
        return Leaf(value.data, value.origin)
    made = Map(value.origin)
    made.update(value)
    return made


def _over(value: "Map | Leaf", below: "Map | Leaf") -> "tuple[Map | Leaf, ...]":
    """What a value lies over, and what comes below that, each once.

    What Helm hands down to a subchart, or has it export, comes by again where its own defaults are laid below.
    """
    seen = {id(value.origin)}
    made = []
    for each in (*value.over, alone(below), *below.over):
        if id(each.origin) not in seen:
            seen.add(id(each.origin))
            made.append(each)
    return tuple(made)


def is_null(value: "Map | Leaf | None") -> bool:
    """Whether a value is there, and is null."""
    return isinstance(value, Leaf) and value.data is None


def leaves(value: "Map | Leaf", path: "Path" = ()) -> "Iterator[tuple[Path, Map | Leaf]]":
    """Path and value of every leaf below, by the order of keys; an empty map below is one, too."""
    if isinstance(value, Map) and (value or not path):
        for key in sorted(value):
            yield from leaves(value[key], (*path, key))
    else:
        yield path, value


def dotted(path: "Path") -> str:
    """A path as ``--set`` has it: dots in keys are escaped."""
    return ".".join(key.replace(".", r"\.") for key in path)


class Removed:
    """A default that a null took away: its path, the null, and the value that was there."""

    __slots__ = ("null", "path", "was")

    def __init__(self, path: "Path", null: Leaf, was: "Map | Leaf") -> None:
        self.path = path
        self.null = null
        self.was = was


class Merged:
    """All layers as one: ``values`` as templates see them, ``removed`` defaults, and ``notes`` on what may surprise."""

    __slots__ = ("notes", "removed", "values")

    def __init__(self, values: Map, removed: "list[Removed]", notes: "list[str]") -> None:
        self.values = values
        self.removed = removed
        self.notes = notes
