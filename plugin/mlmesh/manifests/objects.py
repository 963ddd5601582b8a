"""The Kubernetes objects of a document: itself, or the items of a List."""

from operator import is_

from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    from mlmesh.manifests.stream import Document

    Made = TypeVar("Made")


class KubeObject:
    """One object and where it stands: ``pointer`` leads to it from its document's root (empty outside a List).

    ``memo`` holds what stages made of its data, by their own names, until it changes.
    """

    __slots__ = ("api_version", "data", "document", "group", "kind", "memo", "name", "namespace", "pointer")

    def __init__(self, document: "Document", pointer: str, data: "dict[str, Any]") -> None:
        api_version, kind = data.get("apiVersion"), data.get("kind")
        if not isinstance(kind, str) or not kind or not isinstance(api_version, str) or not api_version:
            key = "apiVersion" if isinstance(kind, str) and kind else "kind"
            raise InputError(
                f"the object has no {key}",
                place=document.place + (f", at {pointer}" if pointer else ""),
                remedy="every Kubernetes object needs apiVersion and kind: see the template that renders it",
            )
        metadata = data.get("metadata")
        if metadata is None:
            metadata = {}
        self.document = document
        self.pointer = pointer
        self.data = data
        self.memo: dict[str, Any] | None = None
        self.api_version = api_version
        self.kind = kind
        self.group = api_version.rpartition("/")[0]
        if not isinstance(metadata, dict):
            raise InputError(
                "metadata is not a map", place=document.place, remedy="write metadata as a map that has a name"
            )
        self.namespace = str(metadata.get("namespace") or "")
        self.name = str(metadata.get("name") or metadata.get("generateName") or "")

    @property
    def title(self) -> str:
        """Kind, namespace and name as a person writes them: ``Deployment ml-serving/llm``."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def renew(self, data: "dict[str, Any]") -> None:
        """Take the data that the object has now, after a change, as the API server would."""
        self.data = without_nulls(data)
        self.memo = None

    def remembered(self, key: str, make: "Callable[[], Made]") -> "Made":
        """What ``make`` gives, made once for as long as the data stays."""
        if self.memo is None:
            self.memo = {}
        if key not in self.memo:
            self.memo[key] = make()
        found: Made = self.memo[key]
        return found

    def annotations(self) -> "dict[str, Any]":
        """The object's own annotations, empty where it has none."""
        return text_map(self, self.data, self.pointer, "annotations")


def without_nulls(data: "dict[str, Any]") -> "dict[str, Any]":
    """A map as the API server takes it: a field that is null is none. Labels and annotations keep theirs, as texts do.

    The very same map where it has no null.
    """
    out = data
    for key, value in data.items():
        kept: Any = value
        if type(value) is dict and key not in _TEXTS:
            kept = without_nulls(value)
        elif type(value) is list:
            kept = [without_nulls(each) if type(each) is dict else each for each in value]
            kept = value if all(map(is_, kept, value)) else kept
        if value is None or kept is not value:
            out = dict(data) if out is data else out
            out[key] = kept
            if value is None:
                del out[key]
    return out


_TEXTS = ("annotations", "labels", "matchLabels", "selector")


def text_map(owner: KubeObject, holder: "dict[str, Any]", pointer: str, key: str) -> "dict[str, Any]":
    """``metadata.<key>`` (labels, annotations) of an object or pod template. InputError where it is not a map."""
    metadata = holder.get("metadata")
    value = metadata.get(key) if isinstance(metadata, dict) else metadata
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(
            f"metadata{f'.{key}' if isinstance(metadata, dict) else ''} is not a map",
            place=f"{owner.document.place}, at {pointer}/metadata",
            remedy=f"write {key} as a map of names to strings",
        )
    return value


def objects(document: "Document", data: "dict[str, Any]") -> "Iterator[KubeObject]":
    """The objects of a document that reads as ``data`` (its own, or its patched text's), Lists opened."""
    return _open(document, "", data)


def _open(document: "Document", pointer: str, data: "dict[str, Any]") -> "Iterator[KubeObject]":
    items = data.get("items")
    if not str(data.get("kind")).endswith("List") or not isinstance(items, list):
        yield KubeObject(document, pointer, data)
        return
    for index, item in enumerate(items):
        if isinstance(item, dict):
            yield from _open(document, f"{pointer}/items/{index}", item)


def named(item: KubeObject) -> KubeObject:
    """The object with nothing but its names and annotations, to be kept."""
    metadata = item.data.get("metadata")
    kept = {key: metadata[key] for key in ("name", "namespace", "annotations") if key in metadata} if metadata else {}
    return KubeObject(
        item.document, item.pointer, {"apiVersion": item.api_version, "kind": item.kind, "metadata": kept}
    )


def alike(documents: "Iterable[Document]", listed: "Iterable[KubeObject]", namespace: str) -> "list[list[Document]]":
    """Documents that seem to hold the same object, in groups, by their text: none is parsed that is a plain block map.

    ``listed`` is what Lists hold, ``namespace`` that of objects that name none. Kind, namespace and name are looked for
    where most manifests have them, as the first lines' equals in the block ``metadata``; a ``metadata: {...}`` is
    compared as a line. JSON and quoted keys, whose kind has to be parsed anyhow, are parsed.
    """
    first: dict[int, Document] = {}  # by the hash of what it says, which takes less room than the names of thousands
    groups: dict[int, list[Document]] = {}

    def compare(key: "tuple[str, bytes, bytes]", document: "Document") -> None:
        found = hash(key)
        if found in first:
            groups.setdefault(found, [first[found]]).append(document)
        else:
            first[found] = document

    for document in documents:
        if document.kind.endswith("List"):
            continue  # its objects are among those listed
        key = _said(document, namespace)
        if key is None and document.mentions(b"metadata"):
            (item,) = objects(document, document.data)
            key = _key(item, namespace)
        if key and key[2]:
            compare(key, document)
    for item in listed:
        compare(_key(item, namespace), item.document)
    return list(groups.values())


def _key(item: KubeObject, namespace: str) -> "tuple[str, bytes, bytes]":
    return item.kind, (item.namespace or namespace).encode(), item.name.encode()


def _said(document: "Document", namespace: str) -> "tuple[str, bytes, bytes] | None":
    """Kind, namespace and name from a document's text; None where it has no block ``metadata``."""
    data, end = document.stream.data, document.end
    at = data.find(b"\nmetadata:", max(document.body - 1, 0), end)
    if at < 0:
        return None
    line = data.find(b"\n", at + 1, end)
    inline = data[at + 10 : line if line >= 0 else end].strip()
    if inline and not inline.startswith(b"#"):
        return document.kind, b"", inline
    below = data[line + 1 : line + 9]
    indent = b"\n" + (below[: len(below) - len(below.lstrip(b" "))] or b"  ")
    where, name = _word(data, indent + b"namespace:", line, end), _word(data, indent + b"name:", line, end)
    return document.kind, where or namespace.encode(), name


def _word(data: bytes, key: bytes, start: int, end: int) -> bytes:
    """What stands behind a key that begins a line; empty where there is none."""
    at = data.find(key, start, end)
    if at < 0:
        return b""
    line = data.find(b"\n", at + 1, end)
    return data[at + len(key) : line if line >= 0 else end].partition(b" #")[0].strip(b" \r\"'")
