"""Fixes that add objects: which of them are made together, and how they stand in a text."""

from mlmesh.manifests.quoting import block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from mlmesh.model.findings import Finding

    Data = dict[str, Any]


_HEAD = ("apiVersion", "kind")  # words of this project, which need no quotes


def additions(findings: "Iterable[Finding]") -> "dict[int, list[Data]]":
    """The objects that fixes add, by the number of the document that they are put behind.

    Two findings can ask for the same object, or for one name: then the first of them has it, and the other is judged
    again. Of several objects that one finding asks for all are added, or none.
    """
    found: dict[int, list[Data]] = {}
    taken: list[tuple[object, ...]] = []
    for finding in findings:
        documents = finding.documents
        new = [key for each in documents for key in _keys(each)]
        if new and not any(key in taken for key in new):
            taken += new
            found.setdefault(finding.document, []).extend(documents)
    return found


def _keys(data: "Data") -> "list[tuple[object, ...]]":
    """By what two new objects are taken for one: their names, or what they say."""
    metadata = data["metadata"]
    kind, namespace = data["kind"], metadata.get("namespace")
    return [("named", kind, namespace, metadata["name"]), ("says", kind, namespace, data["spec"])]


def followed(text: bytes, added: "Sequence[Data]") -> bytes:
    """A document's text with new objects behind it, each a document in block style."""
    eol = "\r\n" if b"\r\n" in text else "\n"
    text = text if text.endswith(b"\n") else text + eol.encode()
    for each in added:
        rest = {key: value for key, value in each.items() if key not in _HEAD}
        lines = [*(f"{name}: {each[name]}" for name in _HEAD), block(rest, 0, eol)]
        text += "".join(line + eol for line in ("---", *lines)).encode()
    return text
