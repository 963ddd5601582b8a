"""A document's nodes beside its text: which entry a key has, and where a pointer leads."""

from yaml.nodes import MappingNode, SequenceNode

from mlmesh.manifests.expand import Expanded
from mlmesh.manifests.limits import allowed_nodes
from mlmesh.manifests.nodes import compose
from mlmesh.manifests.scalars import MERGE
from mlmesh.manifests.values import Budget, Values
from mlmesh.model.patches import unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BOM = "\ufeff"


class Entries:
    """The entries of one map: ``last`` gives an own key's last index, ``all`` all of them, ``merges`` those of `<<`."""

    __slots__ = ("all", "last", "merges")

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.all: dict[str, list[int]] = {}
        self.merges: list[int] = []


class Tree:
    """``root`` is the node of a document's object, ``text`` what its marks count in: no byte order mark is in it."""

    __slots__ = ("_entries", "_text", "_values", "root", "source", "special")

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.root, self.special = compose(source)
        self._text: str | None = None
        budget = Budget(allowed_nodes(len(source)))
        self._values = Expanded(budget) if self.special else Values(budget)
        self._entries: dict[int, Entries] = {}

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
            found = self._entries[id(node)] = Entries()
            for index, (key_node, _) in enumerate(node.value):
                key = self._values.key(key_node)
                if key is MERGE:
                    found.merges.append(index)
                    continue
                name = key if isinstance(key, str) else key.text
                found.last[name] = index
                found.all.setdefault(name, []).append(index)
        return found

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
