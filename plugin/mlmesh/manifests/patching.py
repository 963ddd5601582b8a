"""RFC 6902 operations on plain data: what an edited text must read back as."""

from mlmesh.model.errors import DefectError
from mlmesh.model.patches import unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.model.patches import Operation


def patched(data: "Any", operations: "Sequence[Operation]") -> "Any":
    """``data`` with the operations applied. ``data`` and the operations stay as they are.

    What no operation reaches is shared with ``data``, not copied. Raises DefectError for a path that is not there.
    """
    own: set[int] = set()  # containers made here, which may be changed
    keep: list[Any] = []  # so that no id is given twice
    box: list[Any] = [data]

    def mine(parent: "Any", token: "str | int", child: "Any") -> "Any":
        if id(child) not in own:
            child = child.copy()
            own.add(id(child))
            keep.append(child)
            parent[token] = child
        return child

    for operation in operations:
        path = operation["path"]
        parent: Any = box
        at: str | int = 0
        tokens = split(path)
        for depth, token in enumerate(tokens, 1):
            child = parent[at]
            if not isinstance(child, (dict, list)):
                raise no_path(path)
            parent = mine(parent, at, child)
            last = depth == len(tokens)
            at = (
                token
                if isinstance(parent, dict)
                else index(token, len(parent), path, end=last and operation["op"] == "add")
            )
            if not last and not present(parent, at):
                raise no_path(path)
        change(parent, at, operation)
    return box[0]


def split(path: str) -> list[str]:
    """The keys and indices of a pointer. Raises DefectError where it is none, or the whole document."""
    if not path.startswith("/"):
        raise no_path(path)
    return [unescape(token) for token in path.split("/")[1:]]


def index(name: str, length: int, path: str, *, end: bool) -> int:
    """The index that a token means in a list. Raises DefectError where there is none."""
    if name == "-" and end:
        return length
    if not (name.isdecimal() and name.isascii()) or (name[0] == "0" and name != "0"):
        raise no_path(path)
    at = int(name)
    if at > length or (at == length and not end):
        raise no_path(path)
    return at


def present(container: "Any", token: "str | int") -> bool:
    """Whether a map has the key; an index was checked already."""
    return isinstance(container, list) or token in container


def change(parent: "Any", token: "str | int", operation: "Operation") -> None:
    """One operation on the map or list that holds its target. Raises DefectError where there is no target."""
    if operation["op"] == "add" and isinstance(parent, list) and isinstance(token, int):
        parent.insert(token, copied(operation["value"]))
        return
    if operation["op"] != "add" and not present(parent, token):
        raise no_path(operation["path"])
    if operation["op"] == "remove":
        del parent[token]
    else:
        parent[token] = copied(operation["value"])


def copied(value: "Any") -> "Any":
    """A copy of plain data that shares nothing with it."""
    if isinstance(value, dict):
        return {key: copied(child) for key, child in value.items()}
    return [copied(child) for child in value] if isinstance(value, list) else value


def no_path(path: str) -> DefectError:
    """The error of an operation whose path leads nowhere."""
    return DefectError(f"an operation's path {path} leads nowhere")
