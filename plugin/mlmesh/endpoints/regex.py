"""Regular expressions of RE2, as Envoy and istiod take them, and the paths that one stands for.

Syntax: github.com/google/re2/wiki/Syntax, which Go's package regexp shares; a match is of the whole path. Lookaround,
back-references and possessive or doubled repetitions do not exist there, and a repetition ends at 1000.
"""

from mlmesh.endpoints.tails import ANY, REST

MOST = 200  # spellings of one expression; beyond that a part of it is read as any text
LONGEST = 4000  # letters of an expression that is read; no path that anybody serves needs more
DEEPEST = 100  # groups in one another
_CLASSES = (
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
)  # fmt: skip
_CONTROL = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")


def expand(regex: str) -> tuple[list[str], bool]:
    """The paths that a regular expression stands for, and whether the case of letters does not matter.

    What can be any text is ANY where it has no ``/`` in it, else REST. An unquantified ``.`` is the dot that was meant.
    Raises ValueError, with the reason, for what RE2 cannot compile.
    """
    if len(regex) > LONGEST:
        return [REST], False
    reader = _Reader(regex)
    spelt = reader.alternatives()
    if reader.at < len(regex):
        raise ValueError("a closing parenthesis without an opening one")
    return list(dict.fromkeys(spelt)), reader.ignore_case


class _Reader:
    """Reads an expression from left to right; each method gives the spellings of what it read."""

    __slots__ = ("at", "depth", "ignore_case", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.ignore_case = False
        self.names: set[str] = set()

    def next(self, count: int = 1) -> str:
        return self.text[self.at : self.at + count]

    def take(self, text: str) -> bool:
        found = self.text.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def alternatives(self) -> list[str]:
        spelt = self.sequence()
        while self.take("|"):
            spelt = spelt + self.sequence()
        return spelt if len(spelt) <= MOST else [REST]

    def sequence(self) -> list[str]:
        spelt = [""]
        while self.next() not in ("", "|", ")"):
            part = self.repeated()
            product = [front + end for front in spelt for end in part]
            spelt = product if len(product) <= MOST else [front + REST for front in spelt]
        return spelt

    def repeated(self) -> list[str]:
        if self.repetition_follows():
            raise ValueError(f"nothing before {self.next()} to repeat")
        start = self.at
        part = self.atom()
        if self.text[start] == "." and self.repetition_follows():
            part = [REST]
        if not self.repetition_follows():
            return part
        least, most = self.repetition()
        self.take("?")  # prefers the shortest, which a whole match does not show
        if self.repetition_follows():
            raise ValueError(f"a repetition of a repetition at {self.text[start : self.at + 1]!r}")
        return _times(part, least, most)

    def repetition_follows(self) -> bool:
        return self.next() in ("*", "+", "?") if self.next() != "{" else self.counts() is not None

    def counts(self) -> tuple[int, int | None, int] | None:
        """Least, most (None: no end) and the place after ``{n}``, ``{n,}`` or ``{n,m}``; others are literal text."""
        close = self.text.find("}", self.at)
        least, comma, most = self.text[self.at + 1 : close].partition(",")
        if close < 0 or not least or not _DIGITS.issuperset(least) or not _DIGITS.issuperset(most):
            return None
        return int(least), int(most) if most else None if comma else int(least), close + 1

    def repetition(self) -> tuple[int, int | None]:
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.take(sign):
                return counts
        least, most, self.at = self.counts() or (0, None, self.at)
        if max(least, most or 0) > 1000 or (most is not None and most < least):
            raise ValueError(f"a repetition of {least} to {most or least} times: at most 1000, the lower number first")
        return least, most

    def atom(self) -> list[str]:
        sign = self.next()
        self.at += 1
        if sign == "(":
            return self.group()
        if sign == "[":
            return self.character_class()
        if sign == "\\":
            return self.escape()
        return [""] if sign in ("^", "$") else [sign]

    def group(self) -> list[str]:
        if self.take("?"):
            if self.take("P<") or (self.next() == "<" and self.next(2) not in ("<=", "<!") and self.take("<")):
                name, closed, _ = self.text[self.at :].partition(">")
                if not closed or not name or not _WORD.issuperset(name) or name in self.names:
                    raise ValueError(f"a group named {name!r}")
                self.names.add(name)
                self.at += len(name) + 1
            else:
                start = self.at
                while self.next() and self.next() in "imsU-":
                    self.at += 1
                flags, end = self.text[start : self.at], self.next()
                if end not in (":", ")") or flags.count("-") > 1 or flags.endswith("-"):
                    raise ValueError(f"(?{flags}{end}, which RE2 does not have")
                self.ignore_case |= "i" in flags.partition("-")[0]
                self.at += 1
                if end == ")":
                    return [""]
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} groups in one another")
        spelt = self.alternatives()
        self.depth -= 1
        if not self.take(")"):
            raise ValueError("an opening parenthesis without a closing one")
        return spelt

    def escape(self) -> list[str]:
        sign = self.next()
        self.at += 1
        if sign in ("d", "w", "s"):
            return [ANY]
        if sign in ("D", "W", "S"):
            return [REST]
        if sign in ("A", "b", "B", "z"):
            return [""]
        if sign == "Q":
            end = self.text.find("\\E", self.at)
            quoted = self.text[self.at : end if end >= 0 else len(self.text)]
            self.at = end + 2 if end >= 0 else len(self.text)
            return [quoted]
        if sign in ("p", "P"):
            return [self.unicode_class(sign)]
        return [self.character(sign)]

    def unicode_class(self, sign: str) -> str:
        name = self.next()
        self.at += 1
        if name == "{":
            name, closed, _ = self.text[self.at :].partition("}")
            self.at += len(name) + 1
            name = name if closed else ""
        elif name not in "CLMNPSZ":
            name = ""
        if not name.removeprefix("^").replace("_", "").isalpha():  # the names are not checked
            raise ValueError("a Unicode class that has no name")
        return ANY if (sign == "p") != name.startswith("^") else REST

    def character(self, sign: str) -> str:
        """The character that an escape stands for."""
        if sign in _CONTROL:
            return _CONTROL[sign]
        if sign == "x":
            close = self.text.find("}", self.at) if self.next() == "{" else self.at + 2
            digits = self.text[self.at : close].removeprefix("{")
            if close < 0 or not digits or not _HEX.issuperset(digits) or int(digits, 16) > 0x10FFFF:
                raise ValueError("\\x without the number of a character")
            if self.next() != "{" and len(digits) != 2:
                raise ValueError("\\x without two digits")
            self.at = close + (1 if self.next() == "{" else 0)
            return chr(int(digits, 16))
        if sign == "0" or ("1" <= sign <= "7" and "0" <= self.next() <= "7"):
            digits = sign
            while len(digits) < 3 and self.next() and self.next() in "01234567":
                digits += self.next()
                self.at += 1
            return chr(int(digits, 8))
        if not sign.isascii() or sign == "" or (sign in _WORD and sign != "_"):
            raise ValueError(f"\\{sign}, which RE2 does not have" if sign else "a backslash at the end")
        return sign

    def character_class(self) -> list[str]:
        inverted = self.take("^")
        found: set[str] = set()
        wide, first = False, True
        while first or self.next() != "]":
            first = False
            if self.next() == "":
                raise ValueError("[ without ]")
            if self.next(2) == "[:" and ":]" in self.text[self.at + 2 :]:
                name = self.text[self.at + 2 :].partition(":]")[0]
                if name.removeprefix("^") not in _CLASSES:
                    raise ValueError(f"a class named {name!r}")
                self.at += len(name) + 4
                wide = True
                found |= {"/"} if name in ("ascii", "graph", "print", "punct") or name[:1] == "^" else set()
                continue
            low = self.member()
            if len(low) != 1 or low in (ANY, REST):
                wide = True
                found |= {"/"} if low == REST else set()
                continue
            if self.next() == "-" and self.next(2) not in ("-", "-]"):
                self.at += 1
                high = self.member()
                if high in (ANY, REST) or high < low:
                    raise ValueError(f"a range from {low!r} that has no end above it")
                wide = True
                found |= {"/"} if low <= "/" <= high else set()
                continue
            found.add(low)
        self.at += 1
        if inverted:
            return [ANY if "/" in found else REST]
        if not wide and len(found) <= 4:
            return sorted(found)
        return [REST if "/" in found else ANY]

    def member(self) -> str:
        """One character of a class, or ANY and REST for a class in it."""
        sign = self.next()
        self.at += 1
        if sign == "":
            raise ValueError("[ without ]")
        if sign != "\\":
            return sign
        sign = self.next()
        self.at += 1
        if sign in ("d", "w", "s", "D", "W", "S"):
            return ANY if sign.islower() else REST
        return self.unicode_class(sign) if sign in ("p", "P") else self.character(sign)


def _times(part: list[str], least: int, most: int | None) -> list[str]:
    """The spellings of a part that is repeated: as often as it must be, and where it may be more often, any text."""
    if most == 0:
        return [""]
    if set(part) <= {ANY, REST}:
        return part  # any text can be none
    spelt = part
    if least > 1:
        short = len(part) == 1 and least * len(part[0]) <= LONGEST
        spelt = [part[0] * least] if short else [text + REST for text in part]
    if most != max(least, 1) and any(len(text) > 1 for text in part):  # `/+`: more of them is nobody's path
        spelt = [*spelt, *(text + REST for text in spelt)]
    return spelt if least else ["", *spelt]
