"""What differs between two environments: values, and objects."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.model.values import Leaf, Map, Path


class ValueChange:
    """A leaf that is not the same on both sides; None where a side does not have it."""

    __slots__ = ("left", "path", "right")

    def __init__(self, path: "Path", left: "Map | Leaf | None", right: "Map | Leaf | None") -> None:
        self.path = path
        self.left = left
        self.right = right


class Absent:
    """In place of a field's value where there is no such field."""


ABSENT = Absent()


class FieldChange:
    """A field of an object that is not the same: its path, keys and ``[name=x]`` or ``[0]`` of lists, and both values.

    A value is ABSENT on the side that does not have the field. With ``secret`` what stands beside it says that its
    values are not to be shown. Where a path ends in ``[order]``, the values are the names of a list's items.
    """

    __slots__ = ("left", "path", "right", "secret")

    def __init__(self, path: "Path", left: "Any", right: "Any") -> None:
        self.path = path
        self.left = left
        self.right = right
        self.secret = False


class ObjectName:
    """Which object it is."""

    __slots__ = ("api_version", "kind", "name", "namespace")

    def __init__(self, api_version: str, kind: str, namespace: str, name: str) -> None:
        self.api_version = api_version
        self.kind = kind
        self.namespace = namespace
        self.name = name

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class ObjectChange:
    """An object that is on both sides and differs."""

    __slots__ = ("fields", "name")

    def __init__(self, name: ObjectName, fields: "list[FieldChange]") -> None:
        self.name = name
        self.fields = fields


class Differences:
    """Two environments beside each other. ``values`` is None where a side is a rendered stream, which has none.

    ``left`` and ``right`` are their names, ``same`` how many objects are alike, ``notes`` what there is to say besides.
    """

    def __init__(self, left: str, right: str) -> None:
        self.left = left
        self.right = right
        self.values: list[ValueChange] | None = None
        self.added: list[ObjectName] = []
        self.removed: list[ObjectName] = []
        self.changed: list[ObjectChange] = []
        self.same = 0
        self.notes: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.values or self.added or self.removed or self.changed)
