"""Go's reading of trees with aliases, anchors and tags, within Go's limits on aliases."""

import re

from yaml.nodes import MappingNode

from mlmesh.manifests.limits import FREE_ALIASES, FREE_NODES, MAX_DEPTH, allowed_alias_ratio
from mlmesh.manifests.nodes import Alias, too_deep
from mlmesh.manifests.scalars import MERGE, Key, RefusedError, is_integer, key_of, resolve
from mlmesh.manifests.values import Budget, Values, no_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TAG = "tag:yaml.org,2002:"
_MERGE_TAG = _TAG + "merge"
_TYPES: "dict[str, type]" = {"str": str, "bool": bool, "int": int, "float": float, "null": type(None)}


class Expanded(Values):
    """Reads any tree of one document. What an alias names is read once and shared.

    ``nodes`` and ``aliased`` count what Go would visit with every alias expanded, and what of it because of aliases.
    """

    __slots__ = ("aliased", "deepest", "inside", "nodes", "shared")

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self.nodes = 1
        self.aliased = 0
        self.inside = 0  # how many aliases the node being read stands in, on Go's way to it
        self.deepest = 0
        self.shared: dict[int, tuple[Any, int, int]] = {}  # by the target's id: value, visits, height

    def read(self, node: "Any", depth: int = 1) -> "Any":
        """The value of any node, aliases too."""
        if type(node) is Alias:
            return self.alias(node, depth)
        self.count(1, node)
        if type(node.value) is str:
            return self.scalar(node)
        return self.mapping(node, depth) if type(node) is MappingNode else self.sequence(node, depth)

    def count(self, nodes: int, node: "Any") -> None:
        """Counts visits as Go does. Raises RefusedError where it would."""
        self.nodes += nodes
        if self.inside:
            self.aliased += nodes
        few = self.aliased <= FREE_ALIASES or self.nodes <= FREE_NODES
        if not few and self.aliased > self.nodes * allowed_alias_ratio(self.nodes):
            raise RefusedError("excessive aliasing", "write the values out", node.start_mark)

    def alias(self, node: Alias, depth: int) -> "Any":
        """The value that an alias names, and its size counted."""
        self.count(1, node)
        key = id(node.target)
        self.inside += 1
        if key in self.shared:
            value, size, height = self.shared[key]
            self.count(size, node)
            self.descend(depth + height, node)
        else:
            before, outer, self.deepest = self.nodes, self.deepest, depth
            value = self.read(node.target, depth)
            self.shared[key] = (value, self.nodes - before, self.deepest - depth)
            self.deepest = max(outer, self.deepest)
        self.inside -= 1
        return value

    def descend(self, depth: int, node: "Any") -> None:
        """Holds the limit on depth, aliases expanded."""
        if depth > MAX_DEPTH:
            raise too_deep(node.start_mark)
        self.deepest = max(self.deepest, depth)

    def scalar(self, node: "Any") -> "Any":
        """The value of a scalar, by its tag where it has one."""
        try:
            if node.tag is None or node.tag == "!":
                return self.plain[node.value] if node.plain else node.value
            return _tagged(node.tag, node.value)
        except RefusedError as refused:
            refused.mark = refused.mark or node.start_mark
            raise

    def sequence(self, node: "Any", depth: int) -> "list[Any]":
        """The value of a list."""
        self.enter(node, depth)
        return [self.read(item, depth + 1) for item in node.value]

    def mapping(self, node: "Any", depth: int) -> "dict[str, Any]":
        """The value of a map."""
        self.enter(node, depth)
        out: dict[str, Any] = {}
        odd: dict[str, str] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node)
            if key is MERGE:
                self.merge(value_node, out, depth)
                continue
            self.count(1, key_node)
            if not isinstance(key, str):
                odd[key.text] = key.type
                key = key.text
            out[key] = self.read(value_node, depth + 1)
        if odd:
            self.check_odd(node.value, odd)
        return out

    def enter(self, node: "Any", depth: int) -> None:
        """Holds the limits for one map or list."""
        self.budget.take(len(node.value), node.start_mark)
        self.descend(depth, node)

    def merge(self, node: "Any", out: "dict[str, Any]", depth: int) -> None:
        """Lays the maps behind a `<<` over what the map has so far; of a list of maps the first counts most."""
        maps = [node]
        if type(node) is not Alias and type(node) is not MappingNode and type(node.value) is list:
            maps = node.value[::-1]
        for merged in maps:
            if type(merged.target if type(merged) is Alias else merged) is not MappingNode:
                raise RefusedError(
                    "<< stands for something that is no map", "let it name a map or a list of maps", node.start_mark
                )
            out.update(self.read(merged, depth + 1))

    def key(self, node: "Any") -> "str | Key":
        """The key that a key's node stands for, by its tag where it has one."""
        target = node.target if type(node) is Alias else node
        if type(target.value) is not str:
            raise no_name(node)
        try:
            if target.tag is None or target.tag == "!":
                key = self.keys[target.value] if target.plain else target.value
                return "<<" if key is MERGE and type(node) is Alias else key
            if target.tag == _MERGE_TAG and target.value == "<<":
                return MERGE
            value = _tagged(target.tag, target.value)
            return key_of(float(value) if target.tag == _TAG + "float" else value)
        except RefusedError as refused:
            refused.mark = refused.mark or node.start_mark
            raise


def _tagged(tag: str, text: str) -> "Any":
    """A scalar with an explicit tag, as go-yaml resolves it."""
    name = tag.removeprefix(_TAG)
    if name == "binary" and name != tag:
        return _binary(text)
    if name == "timestamp" and name != tag:
        raise RefusedError("a !!timestamp", "quote it without the tag")
    if name not in _TYPES or name in (tag, "str"):
        return text
    value = resolve(text)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        fits = name == ("int" if is_integer(text) else "float") or (name == "float" and abs(value) < 2**63)
    else:
        fits = type(value) is _TYPES[name]
    if not fits:
        raise RefusedError(f"a value is tagged !!{name} and is none", "correct the value, or leave the tag out")
    return value


def _binary(text: str) -> str:
    """The text in base64; what is not UTF-8 in it becomes U+FFFD, byte by byte, as Go's JSON has it."""
    import binascii

    packed = re.sub(r"[\r\n]", "", text)
    try:
        data = binascii.a2b_base64(packed.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeError) as error:
        raise RefusedError("a !!binary value is not base64", "correct the value, or leave the tag out") from error
    return re.sub("[\udc80-\udcff]", "\ufffd", data.decode("utf-8", "surrogateescape"))
