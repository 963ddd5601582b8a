"""Go's reading of trees with aliases, anchors and tags, within Go's limits on aliases."""

import re

from yaml.nodes import MappingNode

from mlmesh.manifests.limits import FREE_ALIASES, FREE_NODES, MAX_DEPTH, SPECIAL_COST, allowed_alias_ratio
from mlmesh.manifests.nodes import Alias, too_deep
from mlmesh.manifests.scalars import MERGE, Key, RefusedError, is_integer, key_of, resolve
from mlmesh.manifests.values import Budget, Values, no_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TAG = "tag:yaml.org,2002:"
_MERGE_TAG = _TAG + "merge"
_SCALAR = (None, 1, 0)
_TYPES: "dict[str, type]" = {"str": str, "bool": bool, "int": int, "float": float, "null": type(None)}


class Expanded(Values):
    """Reads any tree of one document. What an alias names is read once and shared.

    ``special`` tells afterwards whether there was an alias or a tag. ``nodes`` and ``aliased`` count what Go would
    visit with every alias expanded, and what of that is owed to aliases.
    """

    __slots__ = ("aliased", "deepest", "nodes", "seen", "special", "text")

    def __init__(self, budget: Budget, text: bytes) -> None:
        super().__init__(budget)
        self.text: bytes | str = text
        self.nodes = 1
        self.aliased = 0
        self.deepest = 0
        self.special = False
        # By a node's id: value, visits and height of what is read; None while it is being read.
        self.seen: dict[int, tuple[Any, int, int] | None] = {}

    def read(self, node: "Any", depth: int = 1) -> "Any":
        """The value of any node, aliases too."""
        key = id(node.target if type(node) is Alias else node)
        if key in self.seen:
            return self.alias(key, node, depth)
        self.nodes += 1
        if type(node.value) is str:
            self.seen[key] = _SCALAR
            return self.scalar(node)
        self.seen[key] = None
        before, outer, self.deepest = self.nodes, self.deepest, depth
        value = self.mapping(node, depth) if type(node) is MappingNode else self.sequence(node, depth)
        self.seen[key] = (value, self.nodes - before + 1, self.deepest - depth)
        self.deepest = max(outer, self.deepest)
        return value

    def alias(self, key: int, node: "Any", depth: int) -> "Any":
        """The value that an alias names, counted as Go counts it. Raises RefusedError where Go refuses it."""
        known = self.seen[key]
        if known is None:
            raise RefusedError("an anchor's value contains itself", "write the value out", node.start_mark)
        value, visits, height = known
        if known is _SCALAR:
            value = self.scalar(node.target if type(node) is Alias else node)
        self.special = True
        self.nodes += 1 + visits
        self.aliased += visits
        few = self.aliased <= FREE_ALIASES or self.nodes <= FREE_NODES
        if not few and self.aliased > self.nodes * allowed_alias_ratio(self.nodes):
            raise RefusedError("excessive aliasing", "write the values out", node.start_mark)
        self.descend(depth + height, node)
        return value

    def descend(self, depth: int, node: "Any") -> None:
        """Holds the limit on depth, aliases expanded."""
        if depth > MAX_DEPTH:
            raise too_deep(node.start_mark)
        self.deepest = max(self.deepest, depth)

    def scalar(self, node: "Any") -> "Any":
        """The value of a scalar, by its tag where it has one."""
        try:
            if node.tag is None:
                value = node.value if node.style else self.plain[node.value]
                return value if type(value) is str or not self.is_told(node) else node.value
            self.special = True
            self.check_tag(node)
            return _tagged(node.tag, node.value)
        except RefusedError as refused:
            refused.mark = refused.mark or node.start_mark
            raise

    def is_told(self, node: "Any") -> bool:
        """Whether a plain scalar is a string because of the tag `!`, which libyaml does not pass on."""
        start, end = node.start_mark.index, node.end_mark.index
        if end - start == len(node.value):
            return False
        told = re.compile(r"(?:&\S+(?:\s+#[^\n]*)*\s+)?!").match(self.characters(), start, end) is not None
        if told:
            self.special = True
            self.check_tag(node)
        return told

    def check_tag(self, node: "Any") -> None:
        """Refuses a tag that runs into a sign of flow style: to Go that is a part of it, to libyaml its end."""
        end = node.end_mark.index
        if not node.value and self.characters()[end : end + 1] in tuple(",[]{}"):
            raise RefusedError("a tag without a value, and no blank behind it", "put a blank behind the tag")

    def characters(self) -> str:
        """What marks count in."""
        if isinstance(self.text, bytes):
            self.text = self.text.decode("utf-8-sig")
        return self.text

    def sequence(self, node: "Any", depth: int) -> "list[Any]":
        """The value of a list."""
        self.enter(node, depth)
        return [self.read(item, depth + 1) for item in node.value]

    def mapping(self, node: "Any", depth: int) -> "dict[str, Any]":
        """The value of a map."""
        self.enter(node, depth)
        out: dict[str, Any] = {}
        odd: dict[str, str] = {}
        seen = self.seen
        for key_node, value_node in node.value:
            key = self.key(key_node)
            place = id(key_node.target if type(key_node) is Alias else key_node)
            if place in seen:
                self.special = True
            else:
                seen[place] = _SCALAR
            if isinstance(key, Key):
                if key is MERGE:
                    self.merge(value_node, out, depth)
                    continue
                odd[key.text] = key.type
                key = key.text
            self.nodes += 1
            value = value_node.value
            if type(value) is str and value_node.style and value_node.tag is None and id(value_node) not in seen:
                seen[id(value_node)] = _SCALAR
                self.nodes += 1
                out[key] = value
            else:
                out[key] = self.read(value_node, depth + 1)
        if odd:
            self.check_odd(node.value, odd)
        return out

    def enter(self, node: "Any", depth: int) -> None:
        """Holds the limits for one map or list."""
        self.budget.take(SPECIAL_COST * len(node.value), node.start_mark)
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
            if target.tag is None:
                told = target.style or (target.value != "<<" and self.is_told(target))
                return str(target.value) if told else self.keys[target.value]
            self.special = True
            self.check_tag(target)
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
