"""Changes in block maps and lists: whole lines come and go, and no other line is touched."""

from mlmesh.manifests.geometry import is_block, is_deep, leaf_end
from mlmesh.manifests.nodes import Alias
from mlmesh.manifests.overlay import Branch, Fresh, NotEditableError, settled
from mlmesh.manifests.quoting import block, dump, entry, item

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.manifests.geometry import Sheet
    from mlmesh.manifests.tree import Tree

_UNIT = 2


def write(sheet: "Sheet", tree: "Tree", branch: Branch) -> None:
    """Splices a branch's changes in; the branch keeps an entry of its own. Raises NotEditableError."""
    if not is_block(branch.node):
        from mlmesh.manifests import flow

        flow.write(sheet, tree, branch)
    elif isinstance(branch.data, dict):
        _map(sheet, tree, branch)
    else:
        _list(sheet, tree, branch)


def _map(sheet: "Sheet", tree: "Tree", branch: Branch) -> None:
    node = branch.node
    entries = tree.entries(node)
    first = node.value[0][0]
    column = first.start_mark.column
    gone: set[int] = set()
    new: list[tuple[str, Any]] = []
    for key, change in branch.changes.items():
        own = entries.last.get(key)
        if change is None:
            gone.update(entries.all(key))
        elif own is not None:
            _value(sheet, tree, node.value[own], change)
        elif isinstance(change, Fresh):
            new.append((key, change.value))
    if (new or gone) and any(sheet.is_explicit(key_node) for key_node, _ in node.value):
        raise NotEditableError("a key written with `?`", remedy="write it as `key: value`", node=node)
    end = None
    if gone:
        end = _cut(sheet, [(key_node.start_mark.index, value_node) for key_node, value_node in node.value], gone)
    if not new:
        return
    lines = (sheet.eol + " " * column).join(entry(key, value, column, sheet.eol) for key, value in new)
    if end is not None:
        sheet.splice(end, end, " " * column + lines + sheet.eol)
    elif sheet.open_ended(node):
        if entries.merges or 0 in gone:
            raise NotEditableError(
                "the text ends in a block scalar without line break", remedy="end the text with a line break"
            )
        start = first.start_mark.index
        sheet.splice(start, start, lines + sheet.eol + " " * column)
    else:
        sheet.add_lines(sheet.after(node), " " * column + lines)


def _value(sheet: "Sheet", tree: "Tree", pair: "tuple[Any, Any]", change: "Fresh | Branch") -> None:
    """Puts a changed value in the place of an entry's value."""
    key_node, node = pair
    at, column = sheet.colon(key_node), key_node.start_mark.column
    if isinstance(change, Branch):
        plain = settled(change)
        if plain is None:
            if type(change.node) is Alias:
                _aliased(sheet, change, at, column)
            else:
                write(sheet, tree, change)
            return
        change = plain
    if isinstance(change.value, (dict, list)) and change.value:
        inner = column + _UNIT
        _below(sheet, at, node, " " * inner + block(change.value, inner, sheet.eol))
    else:
        _beside(sheet, at, node, dump(change.value))


def _aliased(sheet: "Sheet", branch: Branch, at: int, column: int) -> None:
    """An aliased map as a merge key and the new entries."""
    indent = " " * (column + _UNIT)
    new = [(key, each.value) for key, each in branch.changes.items() if isinstance(each, Fresh)]
    lines = [f"<<: *{branch.node.anchor}", *(entry(key, value, column + _UNIT, sheet.eol) for key, value in new)]
    _below(sheet, at, branch.node, indent + (sheet.eol + indent).join(lines))


def _below(sheet: "Sheet", at: int, node: "Any", lines: str) -> None:
    """Lines in the place of a value: below its key's line, whose comment stays."""
    start, end = node.start_mark.index, leaf_end(node)
    after = sheet.after(node)
    if start == end:
        sheet.add_lines(sheet.line_end(at), lines)
    elif "\n" in sheet.text[at:start]:
        broken = sheet.text[after - 1] == "\n"
        sheet.splice(sheet.line_end(at), after, lines + (sheet.eol if broken else ""))
    elif after == end and sheet.text[end - 1] == "\n":  # a block scalar: its line break goes with it
        sheet.splice(at, end, sheet.eol + lines + sheet.eol)
    elif after == end and sheet.open_ended(node):
        sheet.splice(at, end, sheet.eol + lines)
    else:
        sheet.splice(at, end, sheet.pad(end))
        sheet.add_lines(after, lines)


def _beside(sheet: "Sheet", at: int, node: "Any", text: str) -> None:
    """One line's text in the place of a value: beside its key."""
    start, end = node.start_mark.index, leaf_end(node)
    if start == end:
        sheet.splice(at, at, " " + text)
    elif is_deep(node) and "\n" in sheet.text[at:start]:
        sheet.splice(at, at, " " + text)
        sheet.splice(sheet.line_end(at), sheet.after(node), "")
    else:
        sheet.splice(start, end, text + (sheet.eol if sheet.text[end - 1] == "\n" else sheet.pad(end)))


def _list(sheet: "Sheet", tree: "Tree", branch: Branch) -> None:
    node = branch.node
    dashes = _dashes(sheet, node)
    column = dashes[0] - sheet.line_start(dashes[0])
    kept = set()
    new: list[str] = []
    for each in branch.items:
        original = each if isinstance(each, int) else each.index
        if original < 0:
            new.append(item(each.value, column, sheet.eol) if isinstance(each, Fresh) else "")
            continue
        kept.add(original)
        if new:
            sheet.splice(dashes[original], dashes[original], "".join(text + sheet.eol + " " * column for text in new))
            new = []
        if not isinstance(each, int):
            _item(sheet, tree, dashes[original] + 1, node.value[original], each)
    gone = set(range(len(dashes))) - kept
    end = _cut(sheet, list(zip(dashes, node.value, strict=True)), gone)
    if not new:
        return
    lines = " " * column + (sheet.eol + " " * column).join(new)
    if end is not None:
        sheet.splice(end, end, lines + sheet.eol)
    elif sheet.open_ended(node.value[-1]):
        raise NotEditableError(
            "the text ends in a block scalar without line break", remedy="end the text with a line break"
        )
    else:
        sheet.add_lines(sheet.after(node.value[-1]), lines)


def _item(sheet: "Sheet", tree: "Tree", at: int, node: "Any", change: "Fresh | Branch") -> None:
    plain = settled(change) if isinstance(change, Branch) else change
    if plain is not None:
        _beside(sheet, at, node, dump(plain.value))
    elif isinstance(change, Branch):
        write(sheet, tree, change)


def _dashes(sheet: "Sheet", node: "Any") -> list[int]:
    """The place of each item's dash. Raises NotEditableError where an item's dash is not found."""
    text = sheet.text
    at: int = node.start_mark.index
    if text[at : at + 1] != "-":  # an anchor or a tag: the items begin below its line
        at = _next_dash(sheet, node, sheet.line_end(at))
    return [at, *(_next_dash(sheet, node, sheet.after(before)) for before in node.value[:-1])]


def _next_dash(sheet: "Sheet", node: "Any", at: int) -> int:
    """The dash that the first line from ``at`` on begins with, blank lines and comments aside."""
    text = sheet.text
    while at < len(text):
        end = sheet.line_end(at)
        line = text[at:end]
        content = line.lstrip(" ")
        if content.startswith("-"):
            return at + len(line) - len(content)
        if content.strip() and not content.startswith("#"):
            break
        at = end
    raise NotEditableError(
        "a list whose items cannot be told apart", remedy="write each item on lines of its own", node=node
    )


def _cut(sheet: "Sheet", entries: "list[tuple[int, Any]]", gone: "set[int]") -> "int | None":
    """Takes entries (place of key or dash, value) out line by line; at least one stays.

    An entry that shares its line with the dash of a list around it makes room for the next one that stays. Gives the
    place where the last entry's lines began if that one is gone, else None.
    """
    last = None
    skip = -1
    for index in sorted(gone):
        start, node = entries[index]
        if index < skip:
            continue
        if sheet.leads(start):
            last = sheet.line_start(start)
            end = sheet.after(node)
            stays = next((entries[each][1] for each in range(index - 1, -1, -1) if each not in gone), None)
            sheet.splice(last, end if stays is None else sheet.taken_in(stays, end, start - last), "")
            continue
        skip = next((each for each in range(index, len(entries)) if each not in gone), -1)
        if skip < 0:
            raise NotEditableError("an entry that shares its line", remedy="give it a line of its own", node=node)
        sheet.splice(start, entries[skip][0], "")
    return last if len(entries) - 1 in gone else None
