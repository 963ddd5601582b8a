"""Shortcuts to read and edit one document."""

from typing import TYPE_CHECKING, Any

from mlmesh.manifests.editor import edit
from mlmesh.manifests.stream import Document, read

if TYPE_CHECKING:
    from mlmesh.model.patches import Operation


def document(text: str | bytes) -> Document:
    """The first document of a stream."""
    return read(text.encode() if isinstance(text, str) else text).documents[0]


def data(text: str | bytes) -> dict[str, Any]:
    """Our reading of the first document of a stream."""
    return document(text).data


def edited(text: str, *operations: "Operation") -> str:
    """The first document's text with operations made in it."""
    return edit(document(text), operations)[0].decode()


def add(path: str, value: Any) -> "Operation":
    """An RFC 6902 add."""
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: Any) -> "Operation":
    """An RFC 6902 replace."""
    return {"op": "replace", "path": path, "value": value}


def remove(path: str) -> "Operation":
    """An RFC 6902 remove."""
    return {"op": "remove", "path": path}
