"""A values file with the line of every key, read by Helm's rules."""

from yaml.nodes import MappingNode

from mlmesh.manifests.limits import allowed_nodes
from mlmesh.manifests.nodes import Alias, compose
from mlmesh.manifests.scalars import RefusedError
from mlmesh.manifests.split import line_number, pieces
from mlmesh.manifests.tree import Tree
from mlmesh.manifests.values import Budget, Values
from mlmesh.model.errors import InputError
from mlmesh.model.values import Leaf, Map, Origin, dotted
from mlmesh.values.layers import laid_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read_values(name: str, data: bytes, *, layer: str, helm: int, notes: "list[str] | None" = None) -> Map:
    """The values of a file. Several documents are merged, as Helm 4 does; Helm 3 reads the first.

    ``notes`` gets what may surprise: keys that are there twice, documents that are not read. Raises InputError with
    file and line for what Helm does not take.
    """
    notes = [] if notes is None else notes
    try:
        found = pieces(data)
    except InputError as error:
        raise InputError(error.what, place=f"{name}, {error.place}", remedy=error.remedy) from None
    if len(found) > 1:
        second = line_number(data, found[1][0])
        if helm == 3:
            notes.append(f"{name}: Helm 3 reads its first document only; what stands from line {second} on is left out")
            found = found[:1]
        else:
            notes.append(
                f"{name}: its {len(found)} documents are merged; Helm 3 reads what stands before line {second}"
            )
    values = Map(Origin(name, 1, layer))
    for start, _, end in found:
        values = laid_over(values, _Reader(name, layer, data[start:end], line_number(data, start), notes).values())
    return values


class _Reader:
    """Reads one document, which begins at line ``first`` of its file."""

    def __init__(self, name: str, layer: str, text: bytes, first: int, notes: list[str]) -> None:
        self.name = name
        self.layer = layer
        self.text = text
        self.first = first
        self.notes = notes

    def values(self) -> Map:
        budget = Budget(allowed_nodes(len(self.text)))
        try:
            root, special = compose(self.text, budget.left)
            self.tree = Tree(self.text, special=special, root=root)
            values: Values
            if special:
                from mlmesh.manifests.expand import Expanded

                values = Expanded(budget, self.text)
            else:
                values = Values(budget)
            data = None if self.tree.root is None else values.read(self.tree.root)
        except RefusedError as refused:
            line = self.first + (refused.mark.line if refused.mark else 0)
            raise InputError(refused.what, place=f"{self.name}:{line}", remedy=refused.remedy) from None
        if data is None:
            return Map(Origin(self.name, self.first, self.layer))
        if not isinstance(data, dict):
            raise InputError(
                f"the values are a {'list' if isinstance(data, list) else 'scalar'}, and no map",
                place=f"{self.name}:{self._line(self.tree.root)}",
                remedy="a values file holds keys and their values, such as `replicas: 2`",
            )
        return self._map(self.tree.root, data, Origin(self.name, self._line(self.tree.root), self.layer), ())

    def _line(self, node: "Any") -> int:
        line: int = node.start_mark.line
        return self.first + line

    def _map(self, node: "Any", data: "dict[str, Any]", origin: Origin, path: tuple[str, ...]) -> Map:
        made = Map(origin)
        node = node.target if type(node) is Alias else node
        for key, value in data.items():
            key_node, value_node = self._entry(node, key)
            at = Origin(self.name, self._line(key_node), self.layer)
            below = (*path, key)
            made[key] = self._map(value_node, value, at, below) if isinstance(value, dict) else Leaf(value, at)
            twice = self.tree.entries(node).all(key)
            if len(twice) > 1:
                lines = sorted(self._line(node.value[index][0]) for index in twice)
                told = ", ".join(map(str, lines[:-1]))
                note = f"{self.name}: {dotted(below)} is there more than once: line {lines[-1]} counts, not {told}"
                if note not in self.notes:
                    self.notes.append(note)
        return made

    def _entry(self, node: "Any", key: str) -> "tuple[Any, Any]":
        """The key's and the value's node of what a map has at a key: its own entry, or that of a map behind a `<<`."""
        found = self._found(node, key)
        assert found is not None, "the value was read from one of them"  # noqa: S101
        return found

    def _found(self, node: "Any", key: str) -> "tuple[Any, Any] | None":
        node = node.target if type(node) is Alias else node
        entries = self.tree.entries(node)
        own = entries.last.get(key, -1)
        for index in reversed(entries.merges):  # one behind a key overrides it, as go-yaml has it
            if index > own:
                merged = node.value[index][1]
                one = type(merged) is Alias or type(merged) is MappingNode
                for each in [merged] if one else merged.value:
                    found = self._found(each, key)
                    if found is not None:
                        return found
        entry: tuple[Any, Any] | None = node.value[own] if own >= 0 else None
        return entry
