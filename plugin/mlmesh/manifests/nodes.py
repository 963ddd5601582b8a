"""One document as a tree of PyYAML's nodes with marks, through libyaml, at a third of the cost of a loader."""

import gc
import re
from operator import is_

import yaml
from yaml._yaml import CParser, get_version
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from mlmesh.manifests.limits import MAX_DEPTH, MAX_MARKED_NODES
from mlmesh.manifests.scalars import RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RECURSION_IS_BOUNDED = get_version() >= (0, 2, 6)  # before, libyaml lets PyYAML overflow the C stack
_HARMLESS = 10_000  # bytes that cannot nest deep enough for that

# What may be an alias or a tag. Each pattern begins with its sign, which the regular expression engine finds fastest.
# Before it: a blank, a sign, or the last byte of a line break that only YAML 1.1 knows (U+0085, U+2028, U+2029).
_ALIAS = rb"\*(?<=[\s\[{,:?\x85\xa8\xa9-]\*)[0-9A-Za-z_-]"
_TAG = rb"!(?:(?<=[\s\[{,:?\x85\xa8\xa9-]!)|(?<=\A!))"

_ADVICE = (
    ("mapping values are not allowed", "quote the value, or put what follows it on a line of its own"),
    ("cannot start any token", "indent with spaces, and quote values that begin with a sign such as @, ` or %"),
    ("tab character", "indent with spaces"),
    ("undefined alias", "name the anchor before the alias, in the same document"),
    ("expected a single document", "put a line --- between two objects"),
    ("<document start>", "put a line --- between two objects, and leave directives such as %YAML out"),
    ("nesting depth", f"a manifest may nest {MAX_DEPTH} levels deep"),
    ("Unicode character escape", "write the character itself instead of a surrogate pair"),
)


class Alias:
    """An alias as a node: where it stands, and the node that it names."""

    __slots__ = ("anchor", "end_mark", "start_mark", "target", "value")

    def __init__(self, anchor: str, target: "Any", start_mark: "Any", end_mark: "Any") -> None:
        self.anchor = anchor
        self.target = target
        self.start_mark = start_mark
        self.end_mark = end_mark
        self.value = None


class _Parser(CParser):
    """CParser that leaves tags unresolved: Go's rules are applied to the finished tree."""

    # Two C functions that do nothing, since libyaml's composer calls them for every node.
    descend_resolver = is_
    ascend_resolver = bool

    def resolve(self, kind: "Any", value: "Any", implicit: "Any") -> None:
        """No tag."""


class Uncollected:
    """A block in which Python's collector rests: it would walk every new node again and again, and find nothing."""

    __slots__ = ("_was_enabled",)

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_enabled:
            gc.enable()


def compose(text: bytes, nodes: int) -> "tuple[Any, bool]":
    """The document's root node, or None where it is empty; and whether it may hold aliases or tags.

    In the tree an alias is the very node that it names, and a scalar is plain where its ``style`` is ``''``; `marked`
    gives a tree that tells more. Raises RefusedError, also for a text of many more than ``nodes`` keys and values.
    """
    if text.find(b"\n\xef\xbb\xbf") >= 0:  # `in` first asks whether bytes are a number, and pays for the answer
        raise RefusedError("a line begins with a byte order mark: to Go that is a character", "take the mark out")
    special = _may_be_special(text)
    try:
        if not _RECURSION_IS_BOUNDED and len(text) > _HARMLESS:
            _check_depth(text)  # first: the older libyaml takes quadratic time, too
        _check_events(text, nodes * 3 // 2)
        return _Parser(text).get_single_node(), special
    except yaml.YAMLError as error:
        if "duplicate anchor" in str(error):  # PyYAML's own rule, not YAML's and not Go's
            return marked(text), True
        raise _refused(error, text) from error


def _may_be_special(text: bytes) -> bool:
    """Whether a text may hold an alias or a tag; block scalars and quotes are not told apart from the rest."""
    if text.find(b"&") >= 0 and re.search(_ALIAS, text):
        return True
    return text.find(b"!") >= 0 and re.search(_TAG, text) is not None


def marked(text: bytes) -> "Any":
    """The root node of a tree that tells aliases from what they name, three times as dear.

    Aliases are Alias nodes; every other node has its ``anchor`` and whether it is ``aliased``.

    Raises RefusedError.
    """
    try:
        _check_events(text, MAX_MARKED_NODES)
        return _compose_events(_Parser(text))
    except yaml.YAMLError as error:
        raise _refused(error, text) from error


def _refused(error: "yaml.YAMLError", text: bytes) -> RefusedError:
    """libyaml's error in our words: none of its sentences holds a value."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if isinstance(error, yaml.reader.ReaderError):
        what = f"not UTF-8 text, or a control character in it ({error.reason})"
        at = yaml.Mark("", error.position, text.count(b"\n", 0, error.position), 0, "", 0)
        return RefusedError(what, "remove the character, or escape it in double quotes, such as \\u0007", at)
    problem = str(getattr(error, "problem", None) or "it cannot be read")
    context = getattr(error, "context", None)
    what = f"{context} {problem}" if context and problem.startswith("but ") else f"{problem} {context or ''}".strip()
    remedy = next((advice for sign, advice in _ADVICE if sign in what), "correct the YAML there")
    return RefusedError(f"not valid YAML: {what}", remedy, mark)


def _check_events(text: bytes, limit: int) -> None:
    """Refuses a text of too many events, at libyaml's own speed; a map or list has two."""
    if len(text) > limit and _Parser(text).raw_parse() > limit:
        raise RefusedError("too many keys and values for so short a text", "split the document")


def _check_depth(text: bytes) -> None:
    parser = _Parser(text)
    depth = 0
    while (event := parser.get_event()) is not None:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise too_deep(event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def too_deep(mark: "Any") -> RefusedError:
    """The error of a document that nests deeper than MAX_DEPTH."""
    return RefusedError(f"nested deeper than {MAX_DEPTH} levels", "flatten the document", mark)


def _compose_events(parser: _Parser) -> "Any":
    parser.get_event()  # the stream's start
    event: Any = parser.get_event()
    if isinstance(event, yaml.StreamEndEvent):
        return None
    root: Any = None
    anchors: dict[str, Any] = {}
    open_: list[Any] = []  # the collections around the next event, innermost last
    while not isinstance(event := parser.get_event(), yaml.DocumentEndEvent):
        if isinstance(event, yaml.CollectionEndEvent):
            done = open_.pop()
            done.end_mark = event.end_mark
            if type(done) is MappingNode:
                done.value = list(zip(done.value[::2], done.value[1::2], strict=True))
            continue
        node = _node(event, anchors)
        if open_:
            open_[-1].value.append(node)
        else:
            root = node
        if isinstance(event, yaml.CollectionStartEvent):
            if len(open_) >= MAX_DEPTH:
                raise too_deep(event.start_mark)
            open_.append(node)
    event = parser.get_event()
    if not isinstance(event, yaml.StreamEndEvent):
        raise RefusedError(
            "not valid YAML: expected a single document", "put a line --- between two objects", event.start_mark
        )
    return root


def _node(event: "Any", anchors: "dict[str, Any]") -> "Any":
    kind = type(event)
    if kind is yaml.AliasEvent:
        target = anchors.get(event.anchor)
        if target is None:
            raise RefusedError(
                "an alias names an anchor that is not there", "name the anchor before the alias", event.start_mark
            )
        target.aliased = True
        return Alias(event.anchor, target, event.start_mark, event.end_mark)
    node: Any
    if kind is yaml.ScalarEvent:
        tag: Any = None if event.tag == "!" else event.tag  # as `compose` has it
        node = ScalarNode(tag, event.value, event.start_mark, event.end_mark, event.style)
    elif kind is yaml.MappingStartEvent:
        node = MappingNode(event.tag, [], event.start_mark, event.end_mark, event.flow_style)
    else:
        node = SequenceNode(event.tag, [], event.start_mark, event.end_mark, event.flow_style)
    node.anchor = event.anchor
    node.aliased = False
    if event.anchor:
        anchors[event.anchor] = node
    return node
