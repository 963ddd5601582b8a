"""Plain scalars by the rules of the reader of Helm and Kubernetes: go-yaml 2, as sigs.k8s.io/yaml uses it."""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WORDS: "dict[str, bool | None]" = dict.fromkeys(["", "~", "null", "Null", "NULL"])
for _word in ("y", "yes", "true", "on"):
    WORDS.update(dict.fromkeys((_word, _word.capitalize(), _word.upper()), True))
for _word in ("n", "no", "false", "off"):
    WORDS.update(dict.fromkeys((_word, _word.capitalize(), _word.upper()), False))

_INFINITE = frozenset(
    [".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"]
)
_MEMO = 20_000  # distinct plain scalars kept: streams repeat few, a hostile one must not fill the memory twice
_DIGITS = frozenset("0123456789")
_LAST = _DIGITS | frozenset("abcdefABCDEF._")  # of a number, a hexadecimal one too
_SIGNS = _LAST | frozenset("+-oOxX")  # of which a number is made
_LONGEST_FLOAT = 10_000  # digits: beyond them only the first can tell, and Python is slow


class RefusedError(Exception):
    """What a document may not hold; the document adds its place.

    ``mark`` is libyaml's, None while it is not known.
    """

    def __init__(self, what: str, remedy: str, mark: "Any" = None) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.mark = mark


def resolve(text: str) -> "Any":
    """What Go reads a plain scalar as: a string, an integer, a float, a boolean or None.

    A float without a fraction comes back as an integer where 64 bits hold it, since on its way into an object it is
    JSON. Raises RefusedError for `.inf` and `.nan`, which JSON cannot hold.
    """
    if text in WORDS:
        return WORDS[text]
    if text in _INFINITE:
        raise RefusedError(f"{text} is not a number that a manifest can hold", "quote it if it is meant as text")
    first = text[0]
    if first in "123456789" and len(text) < 19 and text.isdigit() and text.isascii():
        return int(text)
    if first.isdigit() or first in "+-":
        return _number(text)
    if first == "." and re.fullmatch(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?", text):
        return _float(text.replace("_", ""), text)
    return text


def _number(text: str) -> "Any":
    if text[-1] not in _LAST or text.count(".") > 1:  # 500m, 2Gi, 30s, 1.2.3: most of what begins with a digit
        return text
    whole, _, fraction = text.partition(".")
    if fraction.isdigit() and whole.isdigit() and text.isascii():
        return _float(text, text)
    if text == "0":
        return 0
    if not _SIGNS.issuperset(text) or _DIGITS.isdisjoint(text):  # --port=8080, 10-min, -c: no expression is compiled
        return text
    plain = text.replace("_", "")
    digits = plain.lstrip("+-") if plain[1:2] not in ("+", "-") else ""
    if re.fullmatch(r"[1-9][0-9]*|0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0", digits):
        value = _integer(plain, digits)
        if value is not None:
            return value
    if re.fullmatch(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", plain):
        return _float(plain, text)
    return text


def _integer(plain: str, digits: str) -> "int | None":
    """The integer, or None where 64 bits do not hold it."""
    if len(digits) > 66 and len(digits.lstrip("0bBoOxX")) > 64:
        return None
    base = {"b": 2, "o": 8, "x": 16}.get(digits[1:2].lower(), 8 if digits[0] == "0" else 10)
    value = int(digits[2:] if digits[1:2].lower() in ("b", "o", "x") else digits, base)
    if plain[0] == "-":
        return -value if value <= 2**63 else None
    return value if value < (2**63 if plain[0] == "+" else 2**64) else None


def _float(plain: str, text: str) -> "Any":
    if len(plain) > _LONGEST_FLOAT:
        raise RefusedError("a number has more than 10,000 digits", "quote it if it is meant as text")
    value = float(plain)
    if value in (float("inf"), float("-inf")):
        return text
    if not value.is_integer() or abs(value) >= 2**63:
        return value
    mantissa, _, exponent = repr(value).partition(
        "e"
    )  # the digits that Go's JSON has: the shortest that mean this float
    whole, _, fraction = mantissa.partition(".")
    shift = int(exponent or 0) - len(fraction)
    shortest = int(whole + fraction)
    return shortest * 10**shift if shift >= 0 else shortest // 10**-shift


class Key:
    """A key that Go does not read as a string: ``text`` is the string it becomes, ``type`` what it was."""

    __slots__ = ("text", "type")

    def __init__(self, text: str, type_: str) -> None:
        self.text = text
        self.type = type_


MERGE = Key("<<", "merge")


def key_of(value: "Any") -> "str | Key":
    """The key that Go makes of a resolved scalar. Raises RefusedError for null, floats and integers beyond 64 bits."""
    if isinstance(value, str):
        return value
    if value is None:
        raise RefusedError("a key is empty or null", "quote the key, or give it a name")
    if isinstance(value, bool):
        return Key("true" if value else "false", "boolean")
    if isinstance(value, float) or value >= 2**63:
        raise RefusedError("a key is a number that is not a 64-bit integer", "quote the key")
    return Key(str(value), "integer")


class Plain(dict[str, "Any"]):
    """Plain scalar to value, each distinct one resolved once."""

    def __missing__(self, text: str) -> "Any":
        value = WORDS.get(text, text) if text[:1].isalpha() else resolve(text)
        if len(self) >= _MEMO:
            self.clear()
        if len(text) < 80:
            self[text] = value
        return value


class PlainKeys(dict[str, "str | Key"]):
    """Plain key to the key it stands for: MERGE for `<<`."""

    def __missing__(self, text: str) -> "str | Key":
        if text[:1].isalpha() and text not in WORDS:
            key: str | Key = text
        elif text == "<<":
            return MERGE
        else:
            value = resolve(text)
            if isinstance(value, int) and not isinstance(value, bool) and not is_integer(text):
                raise RefusedError("a key is a floating point number", "quote the key")
            key = key_of(value)
        if len(self) >= _MEMO:
            self.clear()
        self[text] = key
        return key


def is_integer(text: str) -> bool:
    """Whether an integer is written as one: `1e3` and `08` are floats, which Go writes anew where they are keys."""
    plain = text.replace("_", "").lstrip("+-")
    return (plain.isdigit() and (plain[0] != "0" or not plain.strip("01234567"))) or plain[1:2] in tuple("bBoOxX")
