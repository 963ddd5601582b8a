"""Values as text that Go, libyaml and JSON readers read back equal: strings always in double quotes."""

from functools import lru_cache

from mlmesh.manifests.limits import MAX_KEY
from mlmesh.manifests.scalars import WORDS
from mlmesh.model.errors import DefectError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
# What is escaped. Go refuses escaped surrogate pairs: the rest stays.
_SIGNS = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)
_ESCAPES = {**{sign: f"\\u{sign:04x}" for sign in _SIGNS}, **{ord(sign): short for sign, short in _SHORT.items()}}
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_BARE = _LETTERS | frozenset("0123456789_./-")
_UNIT = 2  # columns per new level


def dump(value: "Any") -> str:
    """A value on one line: JSON that is flow YAML too.

    Raises DefectError for what JSON has not, such as NaN, a surrogate or a set.
    """
    if isinstance(value, str):
        return _string(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and abs(value) < float("inf"):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted_key(key)}: {dump(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dump, value)) + "]"
    raise DefectError(f"a patch holds a {type(value).__name__}, which no manifest can hold")


@lru_cache(1024)  # a release has many objects and few keys
def key(name: str) -> str:
    """A key of a block map: bare where nobody can misread it. Raises InputError for a key beyond YAML's length."""
    if name[:1] in _LETTERS and _BARE.issuperset(name) and name not in WORDS and len(name) <= MAX_KEY:
        return name
    return quoted_key(name)


def quoted_key(name: str) -> str:
    """A key of a flow map. Raises InputError for a key beyond YAML's length."""
    text = _string(name)
    if len(text) > MAX_KEY:
        raise InputError(f"a key of more than {MAX_KEY} characters", remedy="YAML takes no longer ones: shorten it")
    return text


def block(value: "Any", column: int, eol: str) -> str:
    """A map or list that is not empty in block style, the first line without its indent, no break at the end."""
    indent = eol + " " * column
    if isinstance(value, dict):
        return indent.join(entry(name, child, column, eol) for name, child in value.items())
    return indent.join(item(child, column, eol) for child in value)


def entry(name: str, value: "Any", column: int, eol: str) -> str:
    """A block map's entry at a column, first line without indent, no break at the end."""
    if isinstance(value, (dict, list)) and value:
        inner = column + _UNIT
        return f"{key(name)}:{eol}{' ' * inner}{block(value, inner, eol)}"
    return f"{key(name)}: {dump(value)}"


def item(value: "Any", column: int, eol: str) -> str:
    """A block list's item at a column, first line without indent, no break at the end."""
    if isinstance(value, dict) and value:
        return "- " + block(value, column + _UNIT, eol)
    return "- " + dump(value)


@lru_cache(1024)  # and gets the same values again and again
def _string(text: str) -> str:
    if any("\ud800" <= sign <= "\udfff" for sign in text) if not text.isascii() else False:
        raise DefectError("a patch holds half of a surrogate pair, which no manifest can hold")
    return f'"{text.translate(_ESCAPES)}"'
