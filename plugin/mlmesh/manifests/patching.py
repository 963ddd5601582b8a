"""RFC 6902 operations on plain data: what an edited text must read back as."""

from functools import lru_cache

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
    own: dict[int, Any] = {}  # containers made here, which may be changed; held, so that no id is given twice
    box: list[Any] = [data]

    def mine(parent: "Any", token: "str | int", path: str) -> "Any":
        child = parent[token]
        if not isinstance(child, (dict, list)):
            raise no_path(path)
        if id(child) not in own:
            child = child.copy()
            own[id(child)] = parent[token] = child
        return child

    last: list[str] | None = None
    holder: Any = box
    for operation in operations:
        path = operation["path"]
        *above, name = split(path)
        if above != last:
            holder = mine(box, 0, path)
            for token in above:
                at = token if isinstance(holder, dict) else index(token, len(holder), path, end=False)
                if not present(holder, at):
                    raise no_path(path)
                holder = mine(holder, at, path)
            last = above
        at = name if isinstance(holder, dict) else index(name, len(holder), path, end=operation["op"] == "add")
        change(holder, at, operation)
    return box[0]


@lru_cache(1024)  # most objects of a release are changed at the same places
def split(path: str) -> tuple[str, ...]:
    """The keys and indices of a pointer. Raises DefectError where it is none, or the whole document."""
    if not path.startswith("/"):
        raise no_path(path)
    return tuple(unescape(token) for token in path.split("/")[1:])


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
