"""Ranges of versions, as Helm reads them in the dependencies of a chart (Masterminds' semver)."""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    Version = tuple[list[int], list[tuple[int, int, str]]]

_VERSION = r"v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
_CONDITION = rf"(!=|>=|=>|<=|=<|~>|[=<>~^])?\s*({_VERSION})"
_PART = rf"{_CONDITION}(?:(?:\s+|\s*,\s*){_CONDITION})*"
_RELEASE = [(1, 0, "")]  # behind every pre-release of the same version


def allows(wanted: str, version: str) -> bool:
    """Whether a range allows a version. What cannot be read allows none. A hyphen between blanks is two."""
    parts = [re.sub(r"(\S+)\s+-\s+(\S+)", r">=\1 <=\2", part.strip()) for part in wanted.split("||")]
    if not re.fullmatch(_VERSION, version) or not all(re.fullmatch(_PART, part) for part in parts):
        return False
    return any(
        all(_holds(each[1] or "=", each[2], version) for each in re.finditer(_CONDITION, part)) for part in parts
    )


def _holds(sign: str, text: str, version: str) -> bool:
    known, low = _read(text)
    (numbers, before), least = _read(version)[1], low[0]
    if before != _RELEASE and low[1] == _RELEASE:  # a pre-release is for who names one
        return False
    found = numbers, before
    inside = known < len(least) and numbers[:known] == least[:known]  # of a range as 1.x, which is written so far
    if sign in ("=", "!="):
        return (inside or found == low) == (sign == "=")
    if sign in (">", "<=", "=<"):
        return (found > low and not inside) == (sign == ">")
    if sign == "<" or found < low:
        return (found < low) == (sign == "<")
    if sign in ("~", "~>"):
        return numbers[: min(known, 2)] == least[: min(known, 2)]
    if sign == "^":  # up to the first number that is not 0
        first = next((at for at, number in enumerate(least[:known], 1) if number), known)
        return numbers[:first] == least[:first]
    return True


def _read(text: str) -> "tuple[int, Version]":
    """How many numbers of a version are written, and all of it; what is left open is 0."""
    found = re.fullmatch(_VERSION, text)
    assert found is not None, "it is part of what was matched before"  # noqa: S101
    words = found.group(1, 2, 3)
    known = next((at for at, word in enumerate(words) if word is None or not word.isdecimal()), len(words))
    numbers = [int(word) if word else 0 for word in words[:known]] + [0] * (len(words) - known)
    parts = found[4].split(".") if found[4] else []
    before = [(-1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]
    return known, (numbers, before or _RELEASE)
