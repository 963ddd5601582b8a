"""Operations written into a document's text, proven by reading what they touch again."""

from mlmesh.manifests import blocks
from mlmesh.manifests.geometry import Sheet, leaf_end
from mlmesh.manifests.limits import allowed_nodes
from mlmesh.manifests.nodes import Uncollected
from mlmesh.manifests.overlay import NotEditableError, overlay, settled
from mlmesh.manifests.patching import patched
from mlmesh.manifests.quoting import dump
from mlmesh.manifests.rereading import reads_as
from mlmesh.manifests.split import BOM
from mlmesh.manifests.values import Budget, Values
from mlmesh.model.errors import DefectError, InputError, MlmeshError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.manifests.overlay import Branch
    from mlmesh.manifests.stream import Document
    from mlmesh.manifests.tree import Tree
    from mlmesh.model.patches import Operation

__all__ = ["edit", "patched"]


def edit(document: "Document", operations: "Sequence[Operation]") -> "tuple[bytes, Any]":
    """The document's text with RFC 6902 operations (add, replace, remove) made in it, and Go's reading of that text.

    Only lines that a change needs are touched; strings come in quotes. As far as the change reaches, the new text is
    read again and must equal the patched data: DefectError where it does not, or where a path leads nowhere.
    InputError, with place and remedy, where the text does not allow a change without changing another place, too
    (shared anchors, keys written with `?`).
    """
    with Uncollected():
        return _edit(document, operations)


def _edit(document: "Document", operations: "Sequence[Operation]") -> "tuple[bytes, Any]":
    data = document.data
    tree = document.tree
    if "\ufeff" in tree.text:
        raise InputError(
            "cannot change the text: it has an inner byte order mark, which Go reads over or stumbles at by chance",
            place=document.place,
            remedy="take the character out, or escape it in double quotes",
        )
    if not tree.telling:
        raise InputError(
            "cannot change the text: it is too large to tell aliases and tags in it apart",
            place=document.place,
            remedy="write the values out instead of aliases, or split the document",
        )
    try:
        sheet = _write(tree, overlay(tree, data, operations))
    except NotEditableError as error:
        line = document.line_of(error.pointer) if error.node is None else document.line + error.node.start_mark.line
        raise InputError(
            f"cannot change the text: {error.what}", place=document.at(line), remedy=error.remedy
        ) from None
    wanted = patched(data, operations)
    try:
        text = (BOM if tree.source.startswith(BOM) else b"") + sheet.result().encode()
        values = Values(Budget(2 * allowed_nodes(len(text))), document.stream.values)
        if reads_as(sheet, tree, wanted, values):
            return text, wanted
        new = document.reading(text, values)[0]
    except MlmeshError as error:
        raise _blame(document, sheet.text, f"a changed text cannot be read: {error.what}") from error
    if new != wanted:
        raise _blame(document, sheet.text, "a changed text does not read as the patch says")
    return text, new


def _write(tree: "Tree", root: "Branch") -> Sheet:
    """The document's text with splices for all changes. Raises NotEditableError."""
    sheet = Sheet(tree.text)
    plain = settled(root)
    if plain is None:
        blocks.write(sheet, tree, root)
        return sheet
    end = leaf_end(tree.root)
    tail = sheet.eol if end and sheet.text[end - 1] == "\n" else ""
    sheet.splice(tree.root.start_mark.index, end, dump(plain.value) + tail)
    return sheet


def _blame(document: "Document", text: str, what: str) -> InputError | DefectError:
    """The error for a text that does not read as the patched data: ours, but where its blanks mislead readers."""
    for name, signs in (("line breaks other than LF and CR LF", "\r\x85\u2028\u2029"), ("tabs", "\t")):
        if any(sign in text.replace("\r\n", "\n") for sign in signs):
            return InputError(
                f"cannot change the text: it has {name}",
                place=document.place,
                remedy="save it with LF line ends and blanks, and escape other signs in double quotes",
            )
    return DefectError(what, place=document.place, remedy="please report this manifest")
