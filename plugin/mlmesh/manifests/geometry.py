"""Where things stand in a document's text, from libyaml's marks, and the splices that are to be made in it."""

from yaml.nodes import MappingNode, SequenceNode

from mlmesh.manifests.nodes import Alias
from mlmesh.manifests.overlay import NotEditableError
from mlmesh.model.errors import DefectError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Splice = tuple[int, int, int, str]  # start, end, number, new text

_BLANKS = " \t"
_BLOCK_SCALARS = ("|", ">")


class Sheet:
    """A text with splices laid on it. ``eol`` is its own line break."""

    __slots__ = ("_explicit", "_splices", "eol", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        first = text.find("\n")
        self.eol = "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"
        self._splices: list[Splice] = []
        self._explicit: set[int] | None = None

    def splice(self, start: int, end: int, new: str) -> None:
        """Puts ``new`` in the place of a span. Several at one place come out in the order of the calls."""
        self._splices.append((start, end, len(self._splices), new))

    def splices(self) -> "list[Splice]":
        """All splices, in the order of the text."""
        return sorted(self._splices)

    def result(self, begin: int = 0, until: int | None = None, splices: "Sequence[Splice] | None" = None) -> str:
        """The text, or a part of it, with all splices made, or some. Raises DefectError where two overlap."""
        out = []
        at = begin
        for start, end, _, new in self.splices() if splices is None else sorted(splices):
            if start < at:
                raise DefectError("two changes of one document overlap")
            out.append(self.text[at:start])
            out.append(new)
            at = end
        out.append(self.text[at:until])
        return "".join(out)

    def line_start(self, at: int) -> int:
        """Where the line of a character begins."""
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        """Where the line behind the one of ``at`` begins, or the text's end."""
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found + 1

    def leads(self, at: int) -> bool:
        """Whether only blanks are in front of a character in its line."""
        return not self.text[self.line_start(at) : at].strip(_BLANKS)

    def after(self, node: "Any") -> int:
        """Where the line behind a node's last leaf begins, or the text's end.

        A block scalar ends where the next line begins already, all others within their last line.
        """
        end = leaf_end(node)
        if (
            end
            and self.text[end - 1] == "\n"
            and _last_leaf(node).end_mark.index == end
            and _is_block_scalar(_last_leaf(node))
        ):
            return end
        return self.line_end(end)

    def open_ended(self, node: "Any") -> bool:
        """Whether a node ends in a block scalar at the text's end without a line break: one more would change it."""
        leaf = _last_leaf(node)
        return _is_block_scalar(leaf) and leaf_end(leaf) == len(self.text) and not self.text.endswith("\n")

    def taken_in(self, node: "Any", at: int, column: int) -> int:
        """Where the lines from ``at`` on end that a node which ends in a block scalar takes in once it is next to them.

        They are comments as deep as its text, and blank lines where it keeps them. Its text is deeper than ``column``.
        """
        leaf = _last_leaf(node)
        if not _is_block_scalar(leaf):
            return at
        below = self.line_end(leaf.start_mark.index)
        header = self.text[leaf.start_mark.index : below].partition(" #")[0].split()[-1]
        filled = [line for line in self.text[below : leaf.end_mark.index].splitlines() if line.strip(" ")]
        told = not filled or any(sign.isdigit() for sign in header)
        depth = column + 1 if told else len(filled[0]) - len(filled[0].lstrip(" "))
        end = at
        while at < len(self.text):
            at, line = self.line_end(at), self.text[at : self.line_end(at)].rstrip("\r\n")
            indent = len(line) - len(line.lstrip(" "))
            blank = indent == len(line)
            if not blank and indent < depth:
                break
            if not blank or indent > depth or "+" in header:
                end = at
        return end

    def add_lines(self, at: int, lines: str) -> None:
        """Puts whole lines (no break at their end) where a line begins, or behind a text that has no last break."""
        if at == len(self.text) and at and self.text[at - 1] != "\n":
            self.splice(at, at, self.eol + lines)
        else:
            self.splice(at, at, lines + self.eol)

    def pad(self, end: int) -> str:
        """What keeps a new value apart from a comment that follows the old one without a blank."""
        return " " if self.text[end : end + 1] == "#" else ""

    def colon(self, key_node: "Any") -> int:
        """The place behind a key's colon. Raises NotEditableError for a key written with `?`."""
        at: int = key_node.end_mark.index
        while self.text[at : at + 1] in (" ", "\t"):
            at += 1
        if self.text[at : at + 1] != ":" or self.is_explicit(key_node):
            raise NotEditableError(
                "a key written with `?`, or without a colon", remedy="write it as `key: value`", node=key_node
            )
        return at + 1

    def is_explicit(self, key_node: "Any") -> bool:
        """Whether a key has a `?` in front, in its line or above."""
        if self._explicit is None:
            self._explicit = _explicit_keys(self.text)
        return key_node.start_mark.index in self._explicit


def _explicit_keys(text: str) -> "set[int]":
    """Where keys begin that have a `?` in front."""
    if not any(sign in text for sign in ("? ", "?\n", "?\r", "?\t")):
        return set()
    from yaml import CSafeLoader, KeyToken, scan

    found: set[int] = set()
    behind = False
    for token in scan(text, CSafeLoader):
        if behind:
            found.add(token.start_mark.index)
        behind = type(token) is KeyToken and text[token.start_mark.index : token.start_mark.index + 1] == "?"
    return found


def _is_block_scalar(node: "Any") -> bool:
    return type(node.value) is str and node.style in _BLOCK_SCALARS


def _last_leaf(node: "Any") -> "Any":
    """The node whose end is a node's end: block maps and lists have end marks behind the comments after them."""
    while True:
        if type(node) is MappingNode and not node.flow_style and node.value:
            key, node = node.value[-1]
            below = node.start_mark.line > key.end_mark.line or _is_block_scalar(key)
            if below and node.start_mark.index == node.end_mark.index:
                raise NotEditableError("a key written with `?`", remedy="write it as `key: value`", node=key)
        elif type(node) is SequenceNode and not node.flow_style and node.value:
            node = node.value[-1]
        else:
            return node


def leaf_end(node: "Any") -> int:
    """Where the text of a node's last leaf ends."""
    end: int = _last_leaf(node).end_mark.index
    return end


def is_deep(node: "Any") -> bool:
    """Whether a node is of whole lines: a map or list in block style, or a block scalar."""
    return is_block(node) or (type(node) is not Alias and _is_block_scalar(node))


def is_block(node: "Any") -> bool:
    """Whether a node is a map or list in block style."""
    return type(node) is not Alias and type(node.value) is list and not node.flow_style
