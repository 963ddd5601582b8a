"""Which fixes of one document can be made together: RFC 6902 counts a list's items anew after each operation."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.model.patches import Operation


class Accepted:
    """The operations of several fixes of one document, none of which changes what another is about."""

    def __init__(self, data: object) -> None:
        """``data`` is the document that all pointers are for."""
        self._data = data
        self._made: set[str] = set()  # maps that a fix makes, to put something into
        self._touched: set[str] = set()
        self._whole: set[str] = set()  # fixes that were taken, as texts
        self._moved: dict[str, int] = {}  # lists, and the first item that has another number now
        self.operations: list[Operation] = []

    def take(self, operations: "Sequence[Operation]") -> bool:
        """Add a fix, all of it; False where it must wait, since an earlier one changes its place.

        What several findings ask for in the same words is made once.
        """
        words = repr(operations)
        if words in self._whole:
            return True
        new = [operation for operation in operations if not (_makes(operation) and operation["path"] in self._made)]
        paths = [operation["path"] for operation in new]
        if any(map(self._is_changed, paths)):
            return False
        for operation in new:
            path = operation["path"]
            if _makes(operation):
                self._made.add(path)
            else:
                self._touched.add(path)
            around, _, step = path.rpartition("/")
            if operation["op"] != "replace" and step.isdecimal() and isinstance(_at(self._data, around), list):
                self._moved[around] = min(int(step), self._moved.get(around, int(step)))
        self.operations += new
        self._whole.add(words)
        return True

    def _is_changed(self, path: str) -> bool:
        if path.endswith("/-"):  # behind the last item, wherever that is
            path = path[:-2]
            return any(_within(path, other) for other in self._touched)
        return any(_within(path, other) or _within(other, path) for other in self._touched) or any(
            _within(path, items) and path != items and int(path[len(items) + 1 :].partition("/")[0]) >= first
            for items, first in self._moved.items()
        )


def _makes(operation: "Operation") -> bool:
    return operation["op"] == "add" and operation["value"] == {}


def _within(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}/")


def _at(data: "Any", pointer: str) -> "Any":
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(data, list):
            data = data[int(key)] if key.isdecimal() and int(key) < len(data) else None
        else:
            data = data.get(key) if isinstance(data, dict) else None
    return data
