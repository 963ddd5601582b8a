"""The lines around a place, as a report shows them: never a secret."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.manifests.stream import Document

AROUND = 2  # lines before and behind
MASK = "***"
_SECRET = r"(?i)pass(word|wd|phrase)?\b|secret|token|api[-_]?key|credential|private[-_]?key|authorization"  # noqa: S105


def excerpt(document: "Document", line: int) -> list[tuple[int, str]]:
    """(line number, text) of a place's surroundings in its document; of a Secret nothing.

    What a key of a secret's kind holds, an environment variable's value too, is masked; so are long lines' ends.
    """
    import re

    if document.kind == "Secret":
        return []
    lines = document.text.decode("utf-8", "replace").split("\n")
    at = line - document.line
    first = max(0, at - AROUND)
    secret = re.compile(_SECRET)
    shown = []
    for index in range(first, min(len(lines), at + AROUND + 1)):
        text = lines[index].rstrip("\r")
        before = lines[index - 1] if index else ""
        key, colon, value = text.partition(":")
        named = key.strip().lstrip("- ") in ("value", "stringData") and secret.search(before)
        if secret.search(text) and "=" in text:
            text = re.sub(r"=\S+", f"={MASK}", text)
        if colon and value.strip() and (named or secret.search(key)):
            text = f"{key}: {MASK}"
        shown.append((document.line + index, text if len(text) <= 160 else text[:157] + "..."))
    return shown
