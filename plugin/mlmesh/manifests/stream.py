"""A stream of manifests as a host sends it, and what comes back with some of its documents changed."""

import re
from sys import intern

from mlmesh.manifests.limits import allowed_nodes
from mlmesh.manifests.nodes import Uncollected, compose
from mlmesh.manifests.scalars import RefusedError
from mlmesh.manifests.split import pieces
from mlmesh.manifests.tree import Tree
from mlmesh.manifests.values import Budget, Values
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

HELM4 = "helm4"
RESOURCE_LIST = "resource-list"
HELM_UNITTEST = "helm-unittest"
PLAIN = "plain"

_FILE_NAME = b"postrenderer.helm.sh/postrender-filename"
_UNITTEST_HEAD = b"#### file:"
LARGE = 65_536  # bytes of a document from which on it is kept what was looked for


def read(data: bytes) -> "Stream":
    """The stream's documents, none of them parsed yet.

    Raises InputError for a line that begins with `---` and is no separator, and for YAML directives.
    """
    return Stream(data)


class Stream:
    """All documents of one input. ``documents`` are those that hold an object, in order."""

    __slots__ = ("_files", "_lines", "budget", "composed", "data", "documents", "mentioned", "tree", "values")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.budget = Budget(allowed_nodes(len(data)))
        self.values = Values(self.budget)
        # Of the document that was asked last: its root node, and its tree. Both are large.
        self.composed: tuple[Document, Any] | None = None
        self.tree: tuple[Document, Tree] | None = None
        self.mentioned: dict[tuple[int, bytes], bool] = {}  # of a large document, by its index: whether it has a word
        self._lines: list[int] | None = None
        self._files: list[int] | None = None
        self.documents = [Document(self, index, *piece) for index, piece in enumerate(pieces(data))]

    @property
    def dialect(self) -> str:
        """Which host the stream looks to come from: ``helm4``, ``resource-list``, ``helm-unittest`` or ``plain``."""
        first = self.documents[0] if self.documents else None
        if first is None:
            return PLAIN
        if _UNITTEST_HEAD in self.data[: first.body]:
            return HELM_UNITTEST
        if first.mentions(b"ResourceList") and first.kind == "ResourceList":
            return RESOURCE_LIST
        return HELM4 if first.mentions(_FILE_NAME) else PLAIN

    def write(self, texts: "Mapping[int, bytes]") -> "list[bytes | memoryview]":
        """The output in slices: the new texts by document index, and everything else byte for byte."""
        data = memoryview(self.data)  # whose slices are no copies
        out: list[bytes | memoryview] = []
        at = 0
        for index in sorted(texts):
            document = self.documents[index]
            out += (data[at : document.start], texts[index])
            at = document.end
        out.append(data[at:])
        return out

    def line(self, document: "Document") -> int:
        """The 1-based line where a document's text begins."""
        if self._lines is None:
            self._lines = lines = []
            line, at = 1, 0
            for each in self.documents:
                line += self.data.count(b"\n", at, each.start)
                at = each.start
                lines.append(line)
        return self._lines[document.index]

    def unittest_file(self, document: "Document") -> str:
        """The template that helm-unittest names in the nearest head before an object."""
        from bisect import bisect_left

        if self._files is None:
            self._files = [found.start() for found in re.finditer(rb"(?m)^#### file:", self.data)]
        at = bisect_left(self._files, document.body) - 1
        if at < 0:
            return ""
        begin = self._files[at] + len(_UNITTEST_HEAD)
        return _text(self.data[begin : self.data.find(b"\n", begin)])


class Document:
    """One document of a stream: its text, and Go's reading of it when somebody asks.

    ``start``, ``body`` and ``end`` are offsets in the stream: the text, the first byte behind comments, the end.
    ``kind`` is the object's, "" where it has none.
    """

    __slots__ = ("_cost", "_data", "_special", "body", "end", "index", "kind", "start", "stream")
    kind: str

    def __init__(self, stream: Stream, index: int, start: int, body: int, end: int) -> None:
        self.stream = stream
        self.index = index
        self.start = start
        self.body = body
        self.end = end
        self._data: Any = None
        self._special = True
        self._cost = 0  # nodes of the stream's budget that reading it took
        kind = self._kind_line()
        if kind is not None:
            self.kind = kind

    @property
    def text(self) -> bytes:
        """The piece as it came, comments before the object with it, without separators."""
        return self.stream.data[self.start : self.end]

    @property
    def line(self) -> int:
        """The 1-based line of the input where the text begins."""
        return self.stream.line(self)

    def mentions(self, needle: bytes) -> bool:
        """Whether the raw text holds ``needle``."""
        if self.end - self.start < LARGE:
            return self.stream.data.find(needle, self.start, self.end) >= 0
        known = self.stream.mentioned  # a List is asked for each of its items
        key = self.index, needle
        if key not in known:
            known[key] = self.stream.data.find(needle, self.start, self.end) >= 0
        return known[key]

    def __getattr__(self, name: str) -> str:
        """The kind, where its line did not tell it: the document is parsed, which raises InputError as ``data`` does.

        Kinds are asked for so often that a property costs too much: afterwards it is there.
        """
        if name != "kind":
            raise AttributeError(name)
        value = self.data.get("kind")
        self.kind = value if isinstance(value, str) else ""
        return self.kind

    def _kind_line(self) -> str | None:
        """What the text tells cheaply: the kind, "" for none, or None where only parsing tells.

        It is the one line ``kind: word`` at column 0. Only where there is no such line, or a second one, or where the
        document is no block map, nothing is told.
        """
        data, body, end = self.stream.data, self.body, self.end
        if data[body] in b"{[\"'&*!?|>":
            return None
        at = body if data.startswith(b"kind:", body) else data.find(b"\nkind:", body, end) + 1
        if at < body or not data.startswith(b"kind:", at):
            return None if self.mentions(b"kind") or self.mentions(b"\\") else ""
        if data.find(b"\nkind:", at, end) >= 0:
            return None
        stop = data.find(b"\n", at, end)
        word = data[at + 5 : end if stop < 0 else stop].partition(b" #")[0].strip()
        if not (word.isalnum() and word.isascii()):
            return None
        kind = intern(word.decode())  # few kinds, many documents
        return kind if isinstance(self.stream.values.plain[kind], str) else None

    @property
    def data(self) -> "dict[str, Any]":
        """The object as Helm and Kubernetes read it, parsed when first asked for.

        Parts may be shared: not to be changed. Raises InputError, with place and remedy, where Go or a limit refuses.
        """
        if self._data is None:
            budget = self.stream.budget
            left = budget.left = budget.left + self._cost  # however often it is read, it counts once
            self._data, self._special, root = self.reading(self.text, self.stream.values)
            self._cost = left - budget.left
            self.stream.composed = (self, root)
        return self._data  # type: ignore[no-any-return]

    def forget(self) -> None:
        """Let go of all that reading and editing made of the document; asked again, it is read again."""
        self._data = None
        self.stream.composed = self.stream.tree = None
        self.stream.values.shrink()

    def reading(self, text: bytes, values: Values) -> "tuple[dict[str, Any], bool, Any]":
        """Go's reading of a text in this document's place; whether it has aliases or tags; its root node.

        Raises InputError.
        """
        try:
            with Uncollected():
                root, special = compose(text, values.budget.left)
                if special:
                    from mlmesh.manifests.expand import Expanded

                    values = Expanded(values.budget, text)
                value = None if root is None else values.read(root)
        except RefusedError as refused:
            raise self._error(refused) from None
        if not isinstance(value, dict):
            raise InputError(
                "the document is no object", place=self.place, remedy="a manifest is a map with apiVersion and kind"
            )
        return value, values.special, root

    def _error(self, refused: RefusedError) -> InputError:
        line = self.line + (refused.mark.line if refused.mark else 0)
        return InputError(refused.what, place=self.at(line), remedy=refused.remedy)

    @property
    def tree(self) -> Tree:
        """The document's nodes, for edits and lines. The stream keeps the last one only. Raises InputError."""
        kept = self.stream.tree
        if kept is None or kept[0] is not self:
            composed = self.stream.composed
            root = composed[1] if composed is not None and composed[0] is self else None
            try:
                tree = Tree(self.text, special=self._special, root=root)
            except RefusedError as refused:
                raise self._error(refused) from None
            self.stream.tree = kept = (self, tree)
        return kept[1]

    def line_of(self, pointer: str) -> int:
        """The 1-based line of the key or item at an RFC 6901 pointer, else of its nearest parent that is there."""
        return self.line + self.tree.line_of(pointer)

    @property
    def source(self) -> str:
        """The chart template that the object comes from, as the host tells it; "" where it does not."""
        data = self.stream.data
        at = data.find(b"# Source: ", self.start, self.body)
        if at >= 0:
            return _text(data[at + 10 : data.find(b"\n", at)])
        at = data.find(_FILE_NAME, self.start, self.end)
        if at >= 0:
            value = rb"['\"]?:\s*(?:'((?:[^']|'')*)'|\"([^\"]*)\"|([^\s,}]+))"
            found = re.compile(value).match(data, at + len(_FILE_NAME), self.end)
            return _text(next(filter(None, found.groups()), b"")) if found else ""
        first = self.stream.documents[0]
        if data.find(_UNITTEST_HEAD, 0, first.body) >= 0:
            return self.stream.unittest_file(self)
        return ""

    @property
    def place(self) -> str:
        """Where the document is, for error messages: its number (from 0, as in reports), kind, name and line."""
        return self.at(self.line)

    def at(self, line: int) -> str:
        """The place with a line of the input."""
        name = self._name()
        return f"document {self.index} ({name}), line {line}" if name else f"document {self.index}, line {line}"

    def _name(self) -> str:
        """Kind, namespace and name, from the data where it is read, else from the text; never parsed for this."""
        if self._data is not None:
            metadata = self._data.get("metadata")
            metadata = metadata if isinstance(metadata, dict) else {}
            kind, namespace, name = self._data.get("kind"), metadata.get("namespace"), metadata.get("name")
        else:
            kind = self._kind_line()
            namespace = self._metadata(b"namespace")
            name = self._metadata(b"name")
        words = [word for word in (namespace, name) if isinstance(word, str) and word]
        return f"{kind or 'object'} {'/'.join(words)}" if words else str(kind or "")

    @property
    def identity(self) -> tuple[str, str, str] | None:
        """apiVersion, namespace and name ("" where it has none), from the text of a plain block map.

        None where only parsing tells: another form, a key twice, quotes, anchors, what goes on in the next line, and
        words that YAML reads as no string.
        """
        text = self.stream.data[self.body : self.end]
        if text.find(b"&") >= 0 or text.find(b"<<") >= 0 or text.count(b"\nmetadata:") != 1:
            return None
        lines = text.split(b"\n")
        version = self._plain(lines, b"apiVersion")
        if version is None or b"metadata:" not in lines:
            return None
        block = lines[lines.index(b"metadata:") + 1 :]
        below = next((at for at, line in enumerate(block) if line[:1] not in (b" ", b"#", b"")), len(block))
        block = block[:below]
        indent = block[0][: len(block[0]) - len(block[0].lstrip())] if block else b""
        if not indent:
            return None
        namespace, name = self._plain(block, indent + b"namespace"), self._plain(block, indent + b"name")
        return None if namespace is None or name is None else (version, namespace, name)

    def _plain(self, lines: list[bytes], key: bytes) -> str | None:
        """The plain string behind a key at the beginning of a line; "" where there is no such key, None for others."""
        name = key.lstrip()
        indent = len(key) - len(name)
        found = [
            at for at, line in enumerate(lines) if line[indent : indent + 2 + len(name)].lstrip(b"\"'").startswith(name)
        ]
        found = [
            at
            for at in found
            if not lines[at][:indent].strip() and lines[at][indent:].partition(b":")[0].strip(b"\"' ") == name
        ]
        if not found:
            return ""
        at = found[0]
        word = lines[at][len(key) + 1 :].strip()
        behind = lines[at + 1] if at + 1 < len(lines) else b""
        goes_on = behind[: indent + 1].isspace() and not behind.isspace()
        if len(found) > 1 or not lines[at].startswith(key + b": ") or goes_on:
            return None
        if not (word[:1].isalnum() and word.translate(None, b"-./").isalnum()):
            return None
        plain = self.stream.values.plain[word.decode("ascii", "replace")]
        return plain if isinstance(plain, str) else None

    def _metadata(self, key: bytes) -> str:
        """A field of metadata from the text of a block map, "" where it is not plain to see."""
        data = self.stream.data
        at = (
            self.body
            if data.startswith(b"metadata:", self.body)
            else data.find(b"\nmetadata:", self.body, self.end) + 1
        )
        if at < self.body or not data.startswith(b"metadata:", at):
            return ""
        stop = re.compile(rb"(?m)^[A-Za-z]").search(data, at + 1, self.end)
        field = re.compile(rb"(?m)^ {1,4}" + key + rb":[ \t]+[\"']?([A-Za-z0-9.-]+)[\"']?[ \t]*(?:#.*)?\r?$")
        found = field.search(data, at, stop.start() if stop else self.end)
        return found.group(1).decode() if found else ""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()
