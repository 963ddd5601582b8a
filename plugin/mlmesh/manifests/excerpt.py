"""The lines around a place, as a report shows them: never a secret."""

from mlmesh.model.masking import masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.manifests.stream import Document

AROUND = 2  # lines before and behind
_CONTEXT = 200  # lines further up that may say what a line belongs to: a key whose value is a block of text
_WIDTH = 160


def excerpt(document: "Document", line: int) -> list[tuple[int, str]]:
    """(line number, text) of a place's surroundings in its document, masked, long lines cut; of a Secret nothing."""
    if document.kind == "Secret":
        return []
    lines = document.text.decode("utf-8", "replace").split("\n")
    at = line - document.line
    start, first, end = max(0, at - _CONTEXT), max(0, at - AROUND), min(len(lines), at + AROUND + 1)
    shown = masked([text.rstrip("\r") for text in lines[start:end]])[first - start :]
    return [(document.line + index, _cut(text)) for index, text in enumerate(shown, first)]


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
