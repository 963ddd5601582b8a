"""Go's reading of a tree of nodes: maps, lists and scalars as Helm and Kubernetes get them."""

from yaml.nodes import MappingNode

from mlmesh.manifests.limits import MAX_DEPTH
from mlmesh.manifests.nodes import too_deep
from mlmesh.manifests.scalars import MERGE, Key, Plain, PlainKeys, RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


MANY = 20_000  # plain texts; a real stream repeats a few thousand


class Budget:
    """How many nodes may still be read, over all documents of a stream."""

    __slots__ = ("left",)

    def __init__(self, nodes: int) -> None:
        self.left = nodes

    def take(self, nodes: int, mark: "Any") -> None:
        """Counts nodes. Raises RefusedError where none are left."""
        self.left -= nodes
        if self.left < 0:
            raise RefusedError("too many keys and values for so short a text", "split the stream", mark)


class Values:
    """Reads trees that hold no alias and no tag; what other trees need besides is in `expand`.

    Duplicate keys: the last one counts. A merge key overrides the keys written before it, as go-yaml 2 has it.
    """

    __slots__ = ("budget", "keys", "plain")
    special = False  # whether there are aliases or tags

    def __init__(self, budget: Budget, like: "Values | None" = None) -> None:
        self.budget = budget
        # What plain texts mean: each is worked out, and held, once.
        self.plain: Plain = like.plain if like else Plain()
        self.keys: PlainKeys = like.keys if like else PlainKeys()

    def shrink(self) -> None:
        """Forget what plain texts mean where they have become many."""
        if len(self.plain) > MANY:
            self.plain.clear()

    def read(self, node: "Any", depth: int = 1) -> "Any":
        """The value of any node. Raises RefusedError with the mark of what it refuses."""
        if type(node.value) is str:
            return self.scalar(node)
        return self.mapping(node, depth) if type(node) is MappingNode else self.sequence(node, depth)

    def scalar(self, node: "Any") -> "Any":
        """The value of a scalar."""
        try:
            return node.value if node.style else self.plain[node.value]
        except RefusedError as refused:
            refused.mark = refused.mark or node.start_mark
            raise

    def sequence(self, node: "Any", depth: int) -> "list[Any]":
        """The value of a list."""
        if depth > MAX_DEPTH:
            raise too_deep(node.start_mark)
        items = node.value
        self.budget.take(len(items), node.start_mark)
        out = []
        for item in items:
            if type(item.value) is str:
                out.append(item.value if item.style else self.scalar(item))
            elif type(item) is MappingNode:
                out.append(self.mapping(item, depth + 1))
            else:
                out.append(self.sequence(item, depth + 1))
        return out

    def mapping(self, node: "Any", depth: int) -> "dict[str, Any]":
        """The value of a map."""
        if depth > MAX_DEPTH:
            raise too_deep(node.start_mark)
        entries = node.value
        self.budget.take(2 * len(entries), node.start_mark)
        out: dict[str, Any] = {}
        odd: dict[str, str] | None = None
        plain, keys = self.plain, self.keys
        key_node = value_node = node
        try:
            for key_node, value_node in entries:
                key: Any = key_node.value
                if type(key) is not str:
                    raise no_name(key_node)
                if not key_node.style:
                    key = keys[key]
                    if type(key) is not str:
                        if key is MERGE:
                            self.merge(value_node, out, depth)
                            continue
                        odd = {} if odd is None else odd
                        odd[key.text] = key.type
                        key = key.text
                value = value_node.value
                if type(value) is str:
                    out[key] = value if value_node.style else plain[value]
                elif type(value_node) is MappingNode:
                    out[key] = self.mapping(value_node, depth + 1)
                else:
                    out[key] = self.sequence(value_node, depth + 1)
        except RefusedError as refused:
            refused.mark = refused.mark or key_node.start_mark
            raise
        if odd:
            self.check_odd(entries, odd)
        return out

    def merge(self, node: "Any", out: "dict[str, Any]", depth: int) -> None:
        """Lays the maps behind a `<<` over what the map has so far; of a list of maps the first counts most."""
        maps = node.value[::-1] if type(node) is not MappingNode and type(node.value) is list else [node]
        for merged in maps:
            if type(merged) is not MappingNode:
                raise RefusedError(
                    "<< stands for something that is no map", "let it name a map or a list of maps", node.start_mark
                )
            out.update(self.mapping(merged, depth + 1))

    def key(self, node: "Any") -> "str | Key":
        """The key that a key's node stands for."""
        if type(node.value) is not str:
            raise no_name(node)
        return node.value if node.style else self.keys[node.value]

    def check_odd(self, entries: "list[tuple[Any, Any]]", odd: "dict[str, str]") -> None:
        """Refuses two keys of different types that become one string, such as 1 and "1": in Go chance picks one."""
        for key_node, _ in entries:
            key = self.key(key_node)
            text, type_ = (key, "string") if isinstance(key, str) else (key.text, key.type)
            if odd.get(text, type_) != type_:
                raise RefusedError(
                    f"the key {text!r} is there as a string and as a {odd[text]}", "keep one", key_node.start_mark
                )


def no_name(node: "Any") -> RefusedError:
    """The error of a key that is a map or a list."""
    return RefusedError("a key is a map or a list", "give the key a name", node.start_mark)
