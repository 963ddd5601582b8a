"""Text of manifests as it may be shown: what looks like a secret is masked, rather once too often."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from re import Match

MASK = "***"
# A word of a secret's kind; not `tokenizer` and `max-tokens`, which every model server has.
_GUARDED = (
    r"(?i)pass(?:word|wd|phrase|code)|secret|(?<!max)(?<!max[-_])token(?!iz)|api[-_]?key|credential|private[-_]?key"
    r"|access[-_]?key|authorization|\bbearer\b|-----BEGIN"
)
# Whatever that matches has one of these, in small letters: most lines have none, which is known without compiling it.
_PARTS = ("pass", "secret", "token", "key", "credential", "authorization", "bearer", "-----begin")
_DATA = ("data", "stringData", "binaryData")  # of a Secret, which a List may hold
_NAMING = ("name", "names", "ref", "refs")  # a Secret's name is none
_KEY = r"""^(\s*(?:-\s+)*["']?)([\w./-]+)(["']?\s*:)(?:\s+(.*))?$"""
_HARMLESS = r"^(?:true|false|null|~|[\d.]+|[{\[][}\]]?)?,?(?:\s+#.*)?$"


def masked(lines: "Sequence[str]") -> list[str]:
    """Lines of YAML or JSON, one behind the other, with ``***`` in place of what may be a secret.

    Masked are the value, of any number of lines, whose key is a secret's, or whose neighbour ``name`` is (environment
    variables); a line that speaks of one and is no plain ``key: value``; and the argument in the line behind that.
    """
    if _is_harmless(lines):
        return list(lines)
    import re

    secret, key = re.compile(_GUARDED), re.compile(_KEY)
    matches = [key.match(line) for line in lines]
    named = {at for at, match in enumerate(matches) if match and match[2] == "name" and secret.search(match[4] or "")}
    out: list[str] = []
    hidden = -1  # deeper lines than this column belong to a value that is masked
    argument = False  # the line before names a secret that is in this one
    for line, match, at in zip(lines, matches, range(len(lines)), strict=True):
        column = len(line) - len(line.lstrip())
        if not line.strip() or column > hidden >= 0:
            out.append(line[:column] + MASK if line.strip() else line)
            continue
        hidden = -1
        shown = line
        if match:
            word, value = match[2], (match[4] or "").strip()
            beside = word == "value" and not named.isdisjoint((at - 1, at + 1))
            if beside or word in _DATA or (secret.search(word) and not word.lower().endswith(_NAMING)):
                if value or word != "secret":  # a volume's `secret:` holds names
                    hidden = len(match[1].rstrip("\"'"))
                if not re.match(_HARMLESS, value) and value[:1] not in "|>":
                    shown = _without_value(match)
            elif _composed(value) and secret.search(value):
                shown = _without_value(match)
        elif argument or secret.search(line):
            shown = line[:column] + ("- " if line[column:].startswith("- ") else "") + MASK
        named_here = not match and "=" not in line and line.lstrip().startswith(("-", '"'))
        argument = named_here and not argument and bool(secret.search(line))
        out.append(shown)
    return out


def _is_harmless(lines: "Sequence[str]") -> bool:
    """Whether no line can have anything to mask; of letters that are not ASCII nobody says so."""
    text = "\n".join(lines)
    if not text.isascii():
        return False
    small = text.lower()
    return not any(part in small for part in _PARTS) and not any(
        line.lstrip(" -\"'").startswith(_DATA) for line in lines
    )


def _without_value(match: "Match[str]") -> str:
    return f"{match[1]}{match[2]}{match[3]} {MASK}"


def _composed(value: str) -> bool:
    """Whether a value is more than a word: a flow collection, a command, a header."""
    return any(sign in value.strip("\"',") for sign in " {[=:")
