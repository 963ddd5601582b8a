"""A document's nodes beside its text: which entry a key has, and where a pointer leads."""

from yaml.nodes import MappingNode, SequenceNode

from mlmesh.manifests.nodes import Alias, Uncollected, compose, marked
from mlmesh.manifests.scalars import MERGE, RefusedError
from mlmesh.manifests.values import Budget, Values
from mlmesh.model.patches import unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mlmesh.manifests.scalars import Key

_BOM = "\ufeff"


class Entries:
    """The entries of one map by index: ``last`` has each own key's, ``merges`` those of `<<`.

    ``odd`` are the keys that are not strings to Go, such as 1 or true.
    """

    __slots__ = ("_earlier", "last", "merges", "odd")

    def __init__(self, node: "Any", key_of: "Callable[[Any], str | Key]") -> None:
        self.last: dict[str, int] = {}
        self.merges: list[int] = []
        self.odd: set[str] = set()
        self._earlier: dict[str, list[int]] = {}  # of duplicate keys
        last = self.last
        for index, (key_node, _) in enumerate(node.value):
            key = key_of(key_node)
            if not isinstance(key, str):
                if key is MERGE:
                    self.merges.append(index)
                    continue
                key = key.text
                self.odd.add(key)
            if key in last:
                self._earlier.setdefault(key, []).append(last[key])
            last[key] = index

    def all(self, key: str) -> list[int]:
        """Every entry of a key."""
        return [*self._earlier.get(key, ()), self.last[key]] if key in self.last else []


class Tree:
    """``root`` is the node of a document's object, ``text`` what its marks count in: no byte order mark is in it.

    Given the ``root`` of the same text, it is taken unless the tree must tell more. ``special``: there are aliases or
    tags. ``telling``: aliases can be told from what they name, so edits are safe.
    """

    __slots__ = ("_entries", "_text", "_values", "root", "source", "special", "telling")

    def __init__(self, source: bytes, *, special: bool, root: "Any" = None) -> None:
        self.source = source
        self.special = special
        self.telling = True
        self.root = root
        if root is None or special:
            with Uncollected():
                self._compose(source)
        self._text: str | None = None
        self._values = Values(Budget(0))  # only keys are read
        if special:
            from mlmesh.manifests.expand import Expanded

            self._values = Expanded(self._values.budget, source)
        self._entries: dict[int, Entries] = {}

    def _compose(self, source: bytes) -> None:
        if self.special:
            try:
                self.root = marked(source)
            except RefusedError:  # too large: lines can still be told
                self.telling = False
            else:
                return
        self.root = compose(source, len(source))[0]

    @property
    def text(self) -> str:
        """The characters that marks count."""
        if self._text is None:
            self._text = self.source.decode().removeprefix(_BOM)
        return self._text

    def entries(self, node: "Any") -> Entries:
        """The entries of a map's node, by the keys that Go makes of them."""
        found = self._entries.get(id(node))
        if found is None:
            found = self._entries[id(node)] = Entries(node, self._values.key)
        return found

    def merges(self, node: "Any", key: str, behind: int = -1) -> bool:
        """Whether a merge key of a map, standing behind one of its entries, has a key."""
        return any(self._merged(node.value[index][1], key) for index in self.entries(node).merges if index > behind)

    def merges_odd(self, node: "Any", key: str) -> bool:
        """Whether a merge key of a map, or the alias that it is, has a key that is not a string to Go."""
        if type(node) is Alias:
            return self._merged(node, key, odd=True)
        return any(self._merged(node.value[index][1], key, odd=True) for index in self.entries(node).merges)

    def _merged(self, node: "Any", key: str, *, odd: bool = False) -> bool:
        """Whether what a merge key names has a key (of that kind): a map, or one of a list of maps."""
        node = node.target if type(node) is Alias else node
        if type(node) is SequenceNode:
            return any(self._merged(each, key, odd=odd) for each in node.value)
        entries = self.entries(node)
        if key in (entries.odd if odd else entries.last):
            return True
        return any(self._merged(node.value[index][1], key, odd=odd) for index in entries.merges)

    def line_of(self, pointer: str) -> int:
        """The line, from 0 in this text, of the key or item at a pointer, else of its nearest parent that is there."""
        node = self.root
        line: int = node.start_mark.line if node is not None else 0
        for token in pointer.split("/")[1:]:
            if type(node) is MappingNode:
                index = self.entries(node).last.get(unescape(token))
                if index is None:
                    break
                key_node, node = node.value[index]
                line = key_node.start_mark.line
            elif type(node) is SequenceNode and token.isdecimal() and int(token) < len(node.value):
                node = node.value[int(token)]
                line = node.start_mark.line
            else:
                break
        return line
