"""Text of manifests as it may be shown: what looks like a secret is masked, rather once too often."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from re import Match
    from typing import Any

MASK = "***"
# A word of a secret's kind; not `tokenizer` and `max-tokens`, which every model server has, nor what objectives count.
_GUARDED = (
    r"(?i)pass(?:word|wd|phrase|code)|secret|(?<!max)(?<!max[-_])(?<!first)(?<!input)(?<!output)token(?!iz)"
    r"|api[-_]?key|credential|private[-_]?key|access[-_]?key|authorization|\bbearer\b|-----BEGIN"
)
# Keys that lead to a secret; as words of a text they mean other things, too.
_KEYS = (
    _GUARDED + r"|(?<![a-z])p(?:ass|wd?)(?![a-z])|(?-i:P(?:ass|wd?)(?![a-z]))"
    r"|(?:account|encryption|fernet|hmac|jwt|license|master|session|shared|signing|ssh|storage|tls)[-_.]?key"
    r"|(?<![a-z])(?:dsn|creds?)(?![a-z])|connection[-_]?string|docker(?:config|cfg)|basic[-_]?auth"
)
# What is a secret by its own looks: an address with a password in it, a JWT, the tokens of hubs and LLM providers.
_CREDENTIAL = (
    r"://[^/\s:@]*:[^/\s@]+@"
    r"|(?<![\w-])(?:eyJ[\w-]{8,}\.[\w-]{8}|(?:AKIA|gh[oprsu]_|github_pat_|glpat-|hf_|nvapi-|sk-|xox[abprs]-)[\w-]{16})"
)
# Whatever these match has one of these, in small letters: most lines have none, which is known without compiling them.
_PARTS = (
    *("pass", "pw", "secret", "token", "key", "cred", "auth", "bearer", "-----begin"),
    *("dsn", "string", "docker", "@", "eyj", "akia", "_pat_", "pat-", "hf_", "nvapi-", "sk-", "xox"),
    *("gho_", "ghp_", "ghr_", "ghs_", "ghu_"),
)
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

    secret, keyed, credential, key = map(re.compile, (_GUARDED, _KEYS, _CREDENTIAL, _KEY))
    matches = [key.match(line) for line in lines]
    named = {at for at, match in enumerate(matches) if match and match[2] == "name" and keyed.search(match[4] or "")}

    def guarded(text: str) -> "Match[str] | None":
        """What speaks of a secret; in an item of a list and a flow collection, which may have keys, a key does, too."""
        return (keyed if text.lstrip(" \"'")[:1] in ("-", "[", "{") else secret).search(text)

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
            if beside or word in _DATA or (keyed.search(word) and not word.lower().endswith(_NAMING)):
                if value or word != "secret":  # a volume's `secret:` holds names
                    hidden = len(match[1].rstrip("\"'"))
                if not re.match(_HARMLESS, value) and value[:1] not in "|>":
                    shown = _without_value(match)
            elif (_composed(value) and guarded(value)) or credential.search(value):
                shown = _without_value(match)
        elif argument or guarded(line) or credential.search(line):
            shown = line[:column] + ("- " if line[column:].startswith("- ") else "") + MASK
        named_here = not match and "=" not in line and line.lstrip().startswith(("-", '"'))
        argument = named_here and not argument and bool(guarded(line))
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


def speaks_of_secret(word: str) -> bool:
    """Whether a name or an option (``HF_TOKEN``, ``--api-key``) is a secret's."""
    import re

    return re.search(_KEYS, word) is not None


def shown(path: "Sequence[str]", value: "Any") -> str:
    """A value as JSON in a line, or ``***`` where the keys that lead to it, or its text, say that it is a secret.

    Of numbers and durations a `token` counts (``outputTokens: 4000``); booleans and null are no secrets.
    """
    from json import dumps

    text = dumps(value, ensure_ascii=False)
    return MASK if is_secret(path, value, text) else text


def is_secret(path: "Sequence[str]", value: "Any", text: str) -> bool:
    """Whether a value, which is ``text`` as JSON, is not to be shown below the keys of ``path``."""
    if value is None or isinstance(value, bool) or value in ({}, []):
        return False
    import re

    secret = re.compile(_KEYS)
    counted = isinstance(value, (int, float)) or re.fullmatch(r'"[\d.]+(?:ms|[smh])"', text) is not None
    for at, key in enumerate(path, 1):
        last = at == len(path)
        if key.lower().endswith(_NAMING) or (not last and key.lower() == "authorization"):  # a header's is a string
            continue
        found = secret.search(key)
        if found and not (counted and found[0].lower() == "token"):
            return True
    return not counted and masked([f"value: {text}"]) != [f"value: {text}"]
