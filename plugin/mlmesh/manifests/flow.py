"""Changes in flow maps and lists, JSON documents among them."""

from mlmesh.manifests.geometry import leaf_end
from mlmesh.manifests.nodes import Alias
from mlmesh.manifests.overlay import Branch, Fresh, NotEditableError, settled
from mlmesh.manifests.quoting import dump, quoted_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.manifests.geometry import Sheet
    from mlmesh.manifests.tree import Tree


def write(sheet: "Sheet", tree: "Tree", branch: Branch) -> None:
    """Splices a branch's changes in. Raises NotEditableError."""
    if type(branch.node) is Alias:
        sheet.splice(branch.node.start_mark.index, branch.node.end_mark.index, "{" + aliased(branch) + "}")
    elif isinstance(branch.data, dict):
        _map(sheet, tree, branch)
    else:
        _list(sheet, tree, branch)


def aliased(branch: Branch) -> str:
    """An aliased map as a merge key and the new entries, for the inside of a flow map."""
    new = ((key, each.value) for key, each in branch.changes.items() if isinstance(each, Fresh))
    return ", ".join([f"<<: *{branch.node.anchor}", *(f"{quoted_key(key)}: {dump(value)}" for key, value in new)])


def value(sheet: "Sheet", tree: "Tree", at: int, node: "Any", change: "Fresh | Branch") -> None:
    """Puts a new value in the place of a node's text; ``at`` is the place behind its colon or dash."""
    if isinstance(change, Branch):
        plain = settled(change)
        if plain is None:
            write(sheet, tree, change)
            return
        change = plain
    start, end = node.start_mark.index, leaf_end(node)
    if start == end:
        sheet.splice(at, at, " " + dump(change.value))
    else:
        sheet.splice(start, end, dump(change.value) + sheet.pad(end))


def _map(sheet: "Sheet", tree: "Tree", branch: Branch) -> None:
    node = branch.node
    entries = tree.entries(node)
    if node.value and node.value[0][0].start_mark.index == node.start_mark.index:
        raise NotEditableError("a map without braces inside a list", remedy="put braces around it", node=node)
    gone: set[int] = set()
    new = []
    for key, change in branch.changes.items():
        own = entries.last.get(key)
        if change is None:
            gone.update(entries.all(key))
        elif own is None:
            new.append((key, change))
        else:
            key_node, value_node = node.value[own]
            value(sheet, tree, _colon(sheet, key_node, value_node), value_node, change)
    spans = [
        (key_node.start_mark.index, max(key_node.end_mark.index, leaf_end(value_node)))
        for key_node, value_node in node.value
    ]
    if any(sheet.is_explicit(node.value[index][0]) for index in gone):
        raise NotEditableError("a key written with `?`", remedy="write it as `key: value`", node=node)
    _cut(sheet, spans, gone)
    texts = [f"{quoted_key(key)}: {dump(change.value)}" for key, change in new if isinstance(change, Fresh)]
    if not texts:
        return
    if entries.merges:  # what stands before a merge key is overridden by it
        _append(sheet, node.value[-1][1], spans[-1][1], texts)
        return
    first = spans[0][0]
    if sheet.is_explicit(node.value[0][0]):
        raise NotEditableError("a key written with `?`", remedy="write it as `key: value`", node=node)
    line = sheet.line_start(first)
    gap = sheet.eol + sheet.text[line:first] if sheet.leads(first) and line > node.start_mark.index else " "
    sheet.splice(first, first, "".join(f"{text},{gap}" for text in texts))


def _colon(sheet: "Sheet", key_node: "Any", value_node: "Any") -> int:
    """The place behind a key's colon, which is made where a key in braces has none."""
    end: int = key_node.end_mark.index
    alone = value_node.start_mark.index == value_node.end_mark.index == end
    if alone and "\n" not in sheet.text[key_node.start_mark.index : end] and not sheet.is_explicit(key_node):
        sheet.splice(end, end, ":")
        return end
    return sheet.colon(key_node)


def _list(sheet: "Sheet", tree: "Tree", branch: Branch) -> None:
    nodes = branch.node.value
    spans = [(each.start_mark.index, leaf_end(each)) for each in nodes]
    kept = set()
    new: list[str] = []
    for each in branch.items:
        original = each if isinstance(each, int) else each.index
        if original < 0:
            new.append(dump(each.value) if isinstance(each, Fresh) else "")
            continue
        kept.add(original)
        if new:
            sheet.splice(spans[original][0], spans[original][0], "".join(text + ", " for text in new))
            new = []
        if not isinstance(each, int):
            value(sheet, tree, spans[original][0], nodes[original], each)
    _cut(sheet, spans, set(range(len(nodes))) - kept)
    if new:
        _append(sheet, nodes[-1], spans[-1][1], new)


def _append(sheet: "Sheet", last: "Any", at: int, texts: list[str]) -> None:
    """Puts entries behind the last one. Raises NotEditableError where that is empty: a comma would get into its tag."""
    if last.value == "" and not last.style:
        raise NotEditableError("an entry without a value", remedy="write the value out", node=last)
    sheet.splice(at, at, "".join(", " + text for text in texts))


def _cut(sheet: "Sheet", spans: "list[tuple[int, int]]", gone: "set[int]") -> None:
    """Takes entries out with one comma each; at least one stays."""
    if not gone:
        return
    last = max(index for index in range(len(spans)) if index not in gone)
    for index in sorted(gone):
        if index < last:
            sheet.splice(spans[index][0], spans[index + 1][0], "")
    if last + 1 < len(spans):
        sheet.splice(spans[last][1], spans[-1][1], "")
