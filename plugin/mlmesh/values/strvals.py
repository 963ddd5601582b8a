"""``--set``, ``--set-string`` and ``--set-json``: the language of Helm's package strvals, its oddities with it."""

import json
import re

from mlmesh.model.errors import InputError
from mlmesh.model.values import Map, Origin, dotted
from mlmesh.values.layers import laid_over, valued

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Path = tuple[str, ...]

SET, STRING, JSON = "--set", "--set-string", "--set-json"
_MAX_INDEX = 65_536
_MAX_DEPTH = 30
_DECODER = json.JSONDecoder(parse_constant=int)  # which refuses NaN and Infinity: they are Python's alone
_END = ""  # in place of the sign that ended a word: the text did


class _Wrong(Exception):  # noqa: N818 it never leaves the module
    """What is wrong with the text, in a sentence without the place."""


def put(values: Map, text: str, option: str, *, helm: int) -> Map:
    """The values with what an option says laid over them. Raises InputError for what Helm refuses."""
    try:
        if option == JSON and helm > 3 and text.lstrip().startswith("{"):
            try:
                data = _DECODER.decode(text)
            except (ValueError, RecursionError):
                raise _Wrong("it is not JSON") from None
            made = valued(data, Origin(option, 0, "user"))
            return laid_over(values, made) if isinstance(made, Map) else values
        parser = _Parser(text, option, helm)
        data = values.plain()
        parser.parse(data)
    except _Wrong as wrong:
        named = re.match(r"[\w.\\\[\]-]*", text)
        name = named[0] if named else ""  # what stands behind it may be a secret
        raise InputError(
            f"{option} cannot be read: {wrong}",
            place=f"{option} {name}=..." if name else option,
            remedy="write key.below=value, with \\ before a dot, a comma or a bracket that belongs to a key or a value",
        ) from None
    for path in parser.paths:
        values = _placed(values, path, data, Origin(f"{option} {dotted(path)}", 0, "user"))
    return values


def _placed(values: Map, path: "Path", data: "Any", origin: Origin) -> Map:
    """The values with what plain data has at a path laid over what is there; the maps on the way are copied."""
    key, *below = path
    made = Map(values.origin, values.over)
    made.update(values)
    held = values.get(key)
    if below:
        inner = held if isinstance(held, Map) else Map(origin)
        made[key] = _placed(inner, tuple(below), data[key], origin)
    else:
        value = valued(data[key], origin)
        made[key] = value if held is None else value.laid_over(held)
    return made


class _Parser:
    """Reads a text into plain data; ``paths`` are those of the maps' keys that were set, lists as a whole."""

    def __init__(self, text: str, option: str, helm: int) -> None:
        self.text = text
        self.at = 0
        self.option = option
        self.helm = helm
        self.paths: dict[Path, None] = {}

    def parse(self, data: "dict[str, Any]") -> None:
        while not self._key(data, (), 0):
            pass

    def _key(self, data: "dict[str, Any]", path: "Path | None", depth: int) -> bool:
        """One ``key=value``, up to behind the comma; whether the text ended where there was more to come.

        ``path`` is None inside of a list.
        """
        if self.at >= len(self.text):
            return True
        word, last = self._until("=[,.")
        if last == _END and not word:  # a backslash alone: Helm takes it for the end
            return True
        if last == _END:
            raise self._wrong("a key has no value: there is no = before the end")
        if last == ",":
            raise self._wrong("a key has no value: there is no = before the comma")
        here = None if path is None else (*path, word)
        if last == "=":
            ended = self.option != JSON and self.at >= len(self.text)
            self._set(data, word, self._value(), here)
            return ended
        if last == "[":
            index = self._index()
            if index is None:
                return True
            held = data.get(word, [])
            if not isinstance(held, list):
                raise self._wrong("what the key names is no list")
            items, ended = self._item(list(held), index, depth)
            self._set(data, word, items, here)
            return ended
        if depth >= _MAX_DEPTH:
            raise self._wrong(f"the key nests deeper than {_MAX_DEPTH} levels")
        inner = data.get(word, {})
        if not isinstance(inner, dict):
            raise self._wrong(
                f"the key before the dot is {'null' if inner is None else 'no map'}: nothing can be below it"
            )
        ended = self._key(inner, here, depth + 1)
        if not inner and not ended:
            raise self._wrong("there is no key behind the dot")
        if inner and word:
            data[word] = inner
        return ended

    def _set(self, data: "dict[str, Any]", word: str, value: "Any", path: "Path | None") -> None:
        if not word:  # Helm passes over it
            return
        data[word] = value
        if path is not None and all(path):
            # What was set below it is gone.
            self.paths = {other: None for other in self.paths if other[: len(path)] != path}
            self.paths[path] = None

    def _index(self) -> int | None:
        """The number up to the bracket; None where the text ends before it, which Helm 4 takes for the end of all."""
        word, last = self._until("]")
        if last == _END and self.helm > 3:
            return None
        if last == _END or not word.lstrip("+-").isdecimal():
            raise self._wrong("no index of a list is in the brackets")
        return int(word)

    def _item(self, held: "list[Any]", index: int, depth: int) -> "tuple[list[Any], bool]":
        """A list with one of its items set, missing ones before it null; and whether the text ended before its value.

        Then the list stays as it was.
        """
        if index < 0:
            raise self._wrong("an index is below 0")
        word, last = self._until("[.=")
        if word:
            raise self._wrong("something stands behind an index")
        if last == _END:
            return held, True
        if index > _MAX_INDEX:
            raise self._wrong(f"an index is above {_MAX_INDEX}")
        old = held[index] if index < len(held) else None
        new: Any
        ended = False
        if last == "=":
            new = self._value()
        elif last == "[":
            if old is not None and not isinstance(old, list):
                raise self._wrong("an item is no list")
            inner = self._index()
            if inner is None:
                return held, True
            new, ended = self._item(list(old or []), inner, depth)
        else:
            new = dict(old) if isinstance(old, dict) else {}
            ended = self._key(new, None, depth)
        if not ended:
            held += [None] * (index + 1 - len(held))
            held[index] = new
        return held, ended

    def _value(self) -> "Any":
        if self.option == JSON:
            return self._json()
        if self.at >= len(self.text):
            return ""
        if self.text[self.at] != "{":
            return self._typed(self._until(",")[0])
        self.at += 1
        items = list(self._items())
        if self.text[self.at : self.at + 1] == ",":
            self.at += 1
        return items

    def _items(self) -> "Iterator[Any]":
        last = ","
        while last == ",":
            word, last = self._until(",}")
            if last == _END:
                raise self._wrong("a list must end with '}'")
            yield self._typed(word)

    def _json(self) -> "Any":
        if self._is_empty():
            return None
        try:
            value, self.at = _DECODER.raw_decode(self.text, self.at)
        except (ValueError, RecursionError):
            raise self._wrong("a value is not JSON") from None
        self._is_empty()
        return value

    def _is_empty(self) -> bool:
        """Pass over blanks and one comma; whether nothing else stood there."""
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign != "," and not sign.isspace():
                return False
            self.at += 1
            if sign == ",":
                return True
        return True

    def _typed(self, word: str) -> "Any":
        if self.option == STRING:
            return word
        small = word.lower()
        if small in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[small]
        digits = word.removeprefix("-") if word.startswith("-") else word.removeprefix("+")
        if word == "0" or (word[:1] != "0" and digits.isascii() and digits.isdigit() and -(2**63) <= int(word) < 2**63):
            return int(word)
        return word

    def _wrong(self, what: str) -> _Wrong:
        return _Wrong(f"{what} (character {self.at})")

    def _until(self, stops: str) -> tuple[str, str]:
        """A word and the sign behind it, of which the text is passed over; a backslash takes a sign's meaning away."""
        word: list[str] = []
        while self.at < len(self.text):
            sign = self.text[self.at]
            self.at += 1
            if sign in stops:
                return "".join(word), sign
            if sign == "\\":
                if self.at >= len(self.text):
                    break
                sign = self.text[self.at]
                self.at += 1
            word.append(sign)
        return "".join(word), _END
