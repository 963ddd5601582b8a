"""Reading only what a change touches: the entries of block maps that hold all splices, each as a text of its own.

What stands outside of an entry's lines is the same bytes as before, and a block map's entry reads the same wherever it
stands at its column. So a text whose changed entries read, each by itself, as what the patch says of them reads as the
patch says; entries that were put behind a map's last line are such a text, too. Whatever is not that plain is left to a
reading of the whole text.
"""

from functools import lru_cache

from yaml.nodes import MappingNode

from mlmesh.manifests.nodes import compose
from mlmesh.manifests.scalars import RefusedError
from mlmesh.manifests.values import Budget, Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.manifests.geometry import Sheet, Splice
    from mlmesh.manifests.tree import Tree

_BREAKS = ("\r", "\x85", "\u2028", "\u2029")
_FEW = 64  # changes; beyond, one reading of the whole costs less
_MANY_NODES = 1_000_000  # the whole text was within its limits


class Entry:
    """A block map's entry in whole lines from ``start`` to ``end``; ``path`` leads to its value from the root.

    Of entries that are new the lines are those of the splice, ``path`` leads to their map, and ``new_in`` is its node.
    """

    __slots__ = ("column", "end", "new_in", "path", "splices", "start")

    def __init__(self, start: int, end: int, column: int, path: tuple[str, ...], new_in: "Any" = None) -> None:
        self.new_in = new_in
        self.start = start
        self.end = end
        self.column = column
        self.path = path
        self.splices: list[Splice] = []


def reads_as(sheet: "Sheet", tree: "Tree", data: "Any", values: Values) -> bool:
    """Whether the changed entries show that the sheet's result reads as ``data``; False where that is open."""
    if len(sheet.splices()) > _FEW or tree.special or any(sign in sheet.text for sign in _BREAKS):
        return False
    entries = _entries(sheet, tree)
    return bool(entries) and all(_reads(entry, sheet, tree, data, values) for entry in entries)


def _entries(sheet: "Sheet", tree: "Tree") -> "list[Entry]":
    """The entries that hold all splices, none within another; empty where a splice is in no entry."""
    found: dict[tuple[int, int], Entry] = {}
    for splice in sheet.splices():
        entry = _around(splice, sheet, tree)
        if entry is None:
            return []
        found.setdefault((entry.start, entry.end), entry).splices.append(splice)
    outer: list[Entry] = []
    for entry in sorted(found.values(), key=lambda each: (each.start, each.end)):
        if outer and (entry.start < outer[-1].end or _ends_with(outer[-1], entry)):
            outer[-1].splices += entry.splices
        else:
            outer.append(entry)
    return outer


def _ends_with(entry: Entry, new: Entry) -> bool:
    """Whether new entries are the last lines of an entry that has another change."""
    return new.new_in is not None and new.start == entry.end and new.path[: len(entry.path)] == entry.path


def _around(splice: "Splice", sheet: "Sheet", tree: "Tree") -> Entry | None:
    """The innermost entry that still has its key, and nothing but itself, with the splice made; or the new entries."""
    start, end, _, new = splice
    column = len(new) - len(new.lstrip(" ")) if start == end and sheet.line_start(start) == start else None
    node, limit = tree.root, len(sheet.text)
    path: tuple[str, ...] = ()
    found = None
    while type(node) is MappingNode and not node.flow_style:
        at = _before(node.value, start)
        if at < 0:
            break
        key_node, value = node.value[at]
        key = key_node.value
        begin = sheet.line_start(key_node.start_mark.index)
        limit = sheet.line_start(node.value[at + 1][0].start_mark.index) if at + 1 < len(node.value) else limit
        indent = key_node.start_mark.column
        plain = (
            type(key) is str
            and begin + indent == key_node.start_mark.index
            and not sheet.text[begin : begin + indent].strip(" ")
        )
        if not plain or end > limit or key_node.end_mark.index > start or len(tree.entries(node).all(key)) != 1:
            break
        if column is not None and not (indent < column or (indent == column and new[column : column + 1] == "-")):
            if indent == column and start == sheet.after(node) and new.endswith("\n"):
                return Entry(start, start, column, path, node)
            break
        path = (*path, key)
        found = Entry(begin, limit, indent, path)
        node = value
    return found


def _before(pairs: "list[tuple[Any, Any]]", place: int) -> int:
    """The last entry whose key begins before a place; -1 where there is none."""
    at = len(pairs) - 1
    while at >= 0 and pairs[at][0].start_mark.index >= place:
        at -= 1
    return at


def _reads(entry: Entry, sheet: "Sheet", tree: "Tree", data: "Any", values: Values) -> bool:
    text = sheet.result(entry.start, entry.end, entry.splices)
    expected = data
    for key in entry.path:
        if not isinstance(expected, dict) or key not in expected:
            return False
        expected = expected[key]
    if entry.new_in is None:
        return _read(text, entry.column, len(entry.path), values) == {entry.path[-1]: expected}
    read = _read_new(text, entry.column, len(entry.path) + 1)
    before = tree.entries(entry.new_in).last
    return (
        read is not None
        and isinstance(expected, dict)
        and len(expected) == len(before) + len(read)
        and all(key not in before and key in expected and expected[key] == read[key] for key in read)
    )


@lru_cache(256)  # most objects of a release get the same lines
def _read_new(text: str, column: int, depth: int) -> "dict[str, Any] | None":
    return _read(text, column, depth, Values(Budget(_MANY_NODES)))


def _read(text: str, column: int, depth: int, values: Values) -> "dict[str, Any] | None":
    """Go's reading of a block map at a column, in a text of its own; None where it is none, or refused."""
    try:
        root, special = compose(text.encode(), _MANY_NODES)
        if special or type(root) is not MappingNode or root.start_mark.column != column:
            return None
        return values.mapping(root, depth)
    except RefusedError:
        return None
