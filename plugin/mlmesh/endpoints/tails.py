"""The catalogue's tails, spelt out and sorted so that a path finds its longest one without trying them all.

A path is a row of words: each element with the ``/`` in front of it, and a verb (``:predict``) with its colon. A word
that holds ANY or REST comes from a regular expression: some text there without, or with, ``/`` in it.
"""

from functools import cached_property, lru_cache

from mlmesh.endpoints.catalogue import TYPES, EndpointType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ANY, REST = "\ue000", "\ue001"
ID, TREE = "/*", "/**"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
EVERY_METHOD = frozenset(METHODS)

Words = tuple[str, ...]


class Tail:
    """One way to spell a tail: its words, the methods it is asked with, and how many letters of it are literal."""

    __slots__ = ("kind", "letters", "methods", "text", "words")

    def __init__(self, kind: EndpointType, text: str, words: Words, methods: frozenset[str]) -> None:
        self.kind = kind
        self.text = text
        self.words = words
        self.methods = methods
        self.letters = len("".join(words)) - 2 * words.count(ID) - 3 * words.count(TREE)


class Index:
    """All tails: ``ends`` by the last literal word and how many ids follow it, ``trees`` by the word before ``**``,
    ``places`` by each of their words, with that word's place; ``services`` of gRPC by "/package.Service", the types by
    method, and ``methods`` by "/Method". What not every run asks for is made when it is asked for.
    """

    def __init__(self, write: "Callable[[str], str]") -> None:
        self._write = write
        self.ends: dict[tuple[str, int], list[Tail]] = {}
        self.trees: dict[str, list[Tail]] = {}
        self.verbs: set[str] = set()
        self.tails: list[Tail] = []
        for kind in TYPES.values():
            for text in kind.tails:
                methods, _, pattern = text.rpartition(" ")
                asked = frozenset(methods.split("|")) if methods else EVERY_METHOD
                for spelt in spellings(pattern):
                    self._add(Tail(kind, text, words(write(spelt)), asked))

    @cached_property
    def places(self) -> "dict[str, list[tuple[Tail, int]]]":
        """Every tail that has a word, with the word's place in it."""
        found: dict[str, list[tuple[Tail, int]]] = {}
        for tail in self.tails:
            for at, word in enumerate(tail.words):
                found.setdefault(word, []).append((tail, at))
        return found

    @cached_property
    def services(self) -> "dict[str, dict[str, EndpointType]]":
        """gRPC methods and their types, by service."""
        found: dict[str, dict[str, EndpointType]] = {}
        for kind in TYPES.values():
            for path in kind.grpc:
                service, _, method = self._write(path).rpartition("/")
                found.setdefault(service, {})[method] = kind
        return found

    @cached_property
    def methods(self) -> "dict[str, list[EndpointType]]":
        """The types that a gRPC method has in any service."""
        found: dict[str, list[EndpointType]] = {}
        for kind in TYPES.values():
            for path in kind.grpc:
                found.setdefault(f"/{self._write(path).rpartition('/')[2]}", []).append(kind)
        return found

    def _add(self, tail: Tail) -> None:
        self.tails.append(tail)
        if TREE in tail.words:
            self.trees.setdefault(tail.words[tail.words.index(TREE) - 1], []).append(tail)
            return
        ids = 0
        while tail.words[-1 - ids] == ID:
            ids += 1
        last = tail.words[-1 - ids]
        self.ends.setdefault((last, ids), []).append(tail)
        if last.startswith(":"):
            self.verbs.add(last)

    def words(self, path: str) -> Words:
        """The words of a path; a colon parts them only before a known verb (``llama3:8b`` is one name)."""
        rest, colon, verb = path.rpartition(":")
        if colon and colon + verb in self.verbs:
            return (*words(rest), colon + verb)
        return words(path)

    def fitting(self, path: Words) -> list[Tail]:
        """The tails that a path ends in, in the catalogue's order."""
        found = []
        for ids in range(min(3, len(path))):
            found += [tail for tail in self.ends.get((path[-1 - ids], ids), ()) if _ends(path, tail.words)]
        for at, word in enumerate(path):
            found += [tail for tail in self.trees.get(word, ()) if _in_tree(path, at, tail.words)]
        return found


def words(path: str) -> Words:
    """A path's words; a tail's verb is a word of its own."""
    found = [f"/{element}" for element in path.split("/")]
    found = found[1:] if path.startswith("/") else [found[0][1:], *found[1:]]
    if found[-1].startswith("/*:"):
        found[-1:] = [ID, found[-1][2:]]
    return tuple(found)


def spellings(pattern: str) -> list[str]:
    """A tail with its optional parts there or not: the innermost ``[...]`` is spelt out first."""
    close = pattern.find("]")
    if close < 0:
        return [pattern]
    start = pattern.rindex("[", 0, close)
    inside = ("", *pattern[start + 1 : close].split("|"))
    return [text for part in inside for text in spellings(pattern[:start] + part + pattern[close + 1 :])]


def _ends(path: Words, tail: Words) -> bool:
    start = len(path) - len(tail)
    return start >= 0 and all(same(path[start + at], word) for at, word in enumerate(tail))


def same(word: str, wanted: str) -> bool:
    """Whether a path's word is a tail's: literally, or an id's place with something in it."""
    return word == wanted or (wanted == ID and len(word) > 1 and word[0] == "/")


def _in_tree(path: Words, at: int, tail: Words) -> bool:
    """Whether a path goes through a tree's root, whose last word is at ``at``, and ends as the tree's tail says."""
    depth = tail.index(TREE)
    after = tail[depth + 1 :]
    start = at + 1 - depth
    return (
        start >= 0
        and path[start : at + 1] == tail[:depth]
        and len(path) - at - 1 >= len(after)
        and (not after or path[-len(after) :] == after)
    )


def _lower(text: str) -> str:
    return text.lower()


@lru_cache(2)
def index(*, ignore_case: bool) -> Index:
    """The index, made when first asked for: of the tails as they are, or in small letters."""
    return Index(_lower if ignore_case else str)
