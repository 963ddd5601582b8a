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
    """One way to spell a tail: its words, the methods it is asked with, and how many letters of it are literal.

    ``ids`` tells how many ids it ends in, ``tree`` the place of its ``**``, -1 without one.
    """

    __slots__ = ("ids", "kind", "letters", "methods", "text", "tree", "words")

    def __init__(self, kind: EndpointType, text: str, words: Words, methods: frozenset[str]) -> None:
        self.kind = kind
        self.text = text
        self.words = words
        self.methods = methods
        self.letters = len("".join(words)) - 2 * words.count(ID) - 3 * words.count(TREE)
        self.tree = words.index(TREE) if TREE in words else -1
        self.ids = 0
        while words[-1 - self.ids] == ID:
            self.ids += 1


class Index:
    """All tails, each spelt out when a path first has a word of it; ``services`` of gRPC by "/package.Service", the
    types by method, and ``methods`` by "/Method". A route has few paths, and most tails share no word with them.
    """

    def __init__(self, write: "Callable[[str], str]") -> None:
        self._write = write
        self._patterns = [(kind, text, write(text)) for kind in TYPES.values() for text in kind.tails]
        self._spelt: dict[int, list[Tail]] = {}

    @cached_property
    def tails(self) -> list[Tail]:
        """Every tail, in the catalogue's order."""
        return [tail for number in range(len(self._patterns)) for tail in self._spell(number)]

    @cached_property
    def verbs(self) -> frozenset[str]:
        """Every verb, with its colon."""
        ends = {tail.words[-1] for number in self._numbers(":") for tail in self._spell(number)}
        return frozenset(word for word in ends if word[0] == ":")

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

    def having(self, *found: str) -> list[Tail]:
        """The tails that have one of a path's words, and some that only look so, in the catalogue's order."""
        numbers = {number for word in found if len(word) > 1 for number in self._numbers(word)}
        return [tail for number in sorted(numbers) for tail in self._spell(number)]

    def places(self, word: str) -> list[tuple[Tail, int]]:
        """Every tail that has a word, with the word's place in it."""
        return [(tail, at) for tail in self.having(word) for at, each in enumerate(tail.words) if each == word]

    def _numbers(self, part: str) -> list[int]:
        """The patterns that hold a text: brackets part no word, so whatever has a word holds it."""
        return [number for number, pattern in enumerate(self._patterns) if part in pattern[2]]

    def _spell(self, number: int) -> list[Tail]:
        if number not in self._spelt:
            kind, text, written = self._patterns[number]
            methods = text.rpartition(" ")[0]
            asked = frozenset(methods.split("|")) if methods else EVERY_METHOD
            pattern = written.rpartition(" ")[2]
            self._spelt[number] = [Tail(kind, text, words(spelt), asked) for spelt in spellings(pattern)]
        return self._spelt[number]

    def words(self, path: str) -> Words:
        """The words of a path; a colon parts them only before a known verb (``llama3:8b`` is one name)."""
        rest, colon, verb = path.rpartition(":")
        if colon and colon + verb in self.verbs:
            return (*words(rest), colon + verb)
        return words(path)

    def fitting(self, path: Words) -> list[Tail]:
        """The tails that a path ends in, in the catalogue's order."""
        having = [self.having(word) for word in path]
        found = []
        for ids in range(min(3, len(path))):
            word = path[-1 - ids]
            found += [
                tail
                for tail in having[-1 - ids]
                if tail.tree < 0 and tail.ids == ids and tail.words[-1 - ids] == word and _ends(path, tail.words)
            ]
        for at, word in enumerate(path):
            found += [
                tail
                for tail in having[at]
                if tail.tree > 0 and tail.words[tail.tree - 1] == word and _in_tree(path, at, tail)
            ]
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


def _in_tree(path: Words, at: int, tail: Tail) -> bool:
    """Whether a path goes through a tree's root, whose last word is at ``at``, and ends as the tree's tail says."""
    after = tail.words[tail.tree + 1 :]
    start = at + 1 - tail.tree
    return (
        start >= 0
        and path[start : at + 1] == tail.words[: tail.tree]
        and len(path) - at - 1 >= len(after)
        and (not after or path[-len(after) :] == after)
    )


def _lower(text: str) -> str:
    return text.lower()


@lru_cache(2)
def index(*, ignore_case: bool) -> Index:
    """The index, made when first asked for: of the tails as they are, or in small letters."""
    return Index(_lower if ignore_case else str)
