"""Where the documents of a stream begin and end. No document is parsed, and no byte is copied."""

import re

from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BOM = b"\xef\xbb\xbf"
_NEWLINE = 10
_NO_OBJECT = (b"...", b"null", b"~")

# Blank lines and comments. Each alternative eats at least one byte and begins with another, so nothing is tried twice.
_HEAD = rb"(?:[ \t\r\n]+|#[^\n]*)*"


def pieces(data: bytes) -> list[tuple[int, int, int]]:
    """Start, first byte of the object and end of every piece that holds an object.

    A piece reaches from behind one separator line to the next separator; comments in front of the object belong to it.
    Raises InputError for what looks like a separator and is none, for directives, and for a text of UTF-16.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError("the text is UTF-16", place="line 1", remedy="save it as UTF-8")
    out: list[tuple[int, int, int]] = []
    find = data.find
    start = 0
    at = len(BOM) if data.startswith(BOM) else 0
    at = at if data.startswith(b"---", at) else _next(find, 0)
    while at >= 0:
        end = at
        at += 3
        if data[at : at + 1] != b"\n":
            at = _line_end(data, at, end)
        _piece(data, start, end, out)
        start = at + 1
        at = _next(find, at)
    _piece(data, min(start, len(data)), len(data), out)
    return out


def line_number(data: bytes, offset: int) -> int:
    """The 1-based line of a byte."""
    return data.count(b"\n", 0, offset) + 1


def _next(find: "Callable[[bytes, int], int]", at: int) -> int:
    """The next separator's first dash, or -1."""
    found = find(b"\n---", at)
    return found + 1 if found >= 0 else -1


def _line_end(data: bytes, at: int, start: int) -> int:
    """The end of a separator line that goes on behind its dashes. Raises InputError where it is no separator."""
    end = data.find(b"\n", at)
    end = len(data) if end < 0 else end
    if not re.fullmatch(rb"(?:[ \t]+#.*|[ \t]*)\r?", data[at:end], re.DOTALL):
        raise InputError(
            "a line begins with --- and goes on: Kubernetes takes that for a broken separator",
            place=f"line {line_number(data, start)}",
            remedy="put a line break behind ---, or indent the line if it is text",
        )
    return end


def _piece(data: bytes, start: int, end: int, out: list[tuple[int, int, int]]) -> None:
    if start >= end:
        return
    body = start
    if not 65 <= data[start] <= 122 or end - start < 16:  # no letter: comments, blanks, a byte order mark or a sign
        body += len(BOM) if data.startswith(BOM, start) else 0
        body = _object(data, body, end)
        if body >= end or (end - body < 16 and data[body:end].strip() in _NO_OBJECT):
            return
        if data[body] == ord("%"):
            raise InputError(
                "a YAML directive: Kubernetes cannot read the piece before the next ---",
                place=f"line {line_number(data, body)}",
                remedy="leave out %YAML and %TAG lines",
            )
    out.append((start, body, end))


def _object(data: bytes, at: int, end: int) -> int:
    """The first byte behind blank lines and comments, or ``end``."""
    while data.startswith(b"#", at, end):  # what Helm puts in front: no regular expression is compiled for that
        at = data.find(b"\n", at, end) + 1 or end
    if at < end and 65 <= data[at] <= 122:
        return at
    matched = re.compile(_HEAD).match(data, at, end)
    return matched.end() if matched else at
