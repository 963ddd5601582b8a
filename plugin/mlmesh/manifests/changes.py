"""What changes in a stream: patches by document, and the texts that they make."""

from mlmesh.manifests.editor import edit
from mlmesh.manifests.objects import objects
from mlmesh.manifests.patching import patched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.manifests.objects import KubeObject
    from mlmesh.manifests.stream import Document
    from mlmesh.model.patches import Operation, Patch


class Changes:
    """The patches so far, by document, and the texts of documents with them.

    A document is let go of when it is done, so that only one is held as a tree. ``kept`` is not: it is written again,
    with its results. ``idle``: no patch is taken, ``untaken`` are then those that were not; without ``planned`` none is
    kept once it is written.
    """

    __slots__ = ("_idle", "_kept", "_patches", "_planned", "texts", "untaken")

    def __init__(self, kept: "Document | None", *, idle: bool, planned: bool) -> None:
        self.texts: dict[int, bytes] = {}
        self._idle = idle
        self._kept = kept
        self._planned = planned
        self._patches: dict[int, list[Patch]] = {}
        self.untaken: list[Patch] = []

    def add(self, document: "Document", patches: "Sequence[Patch]") -> None:
        """Note patches of a document, which come after those that it has."""
        if self._idle:
            self.untaken += patches
        elif patches:
            self._patches.setdefault(document.index, []).extend(patches)

    def __contains__(self, document: "Document") -> bool:
        return document.index in self._patches

    def all(self) -> "list[Patch]":
        """Every patch, in the order of the documents."""
        return [patch for index in sorted(self._patches) for patch in self._patches[index]]

    def patched(self, document: "Document") -> "list[KubeObject]":
        """The objects of a document with its patches, while there may be more."""
        operations = self._operations(document)
        return list(objects(document, patched(document.data, operations) if operations else document.data))

    def written(self, document: "Document") -> "list[KubeObject]":
        """The objects of a document that is done, with the patches in its text; it is let go of."""
        operations = self._operations(document)
        data = document.data
        if operations:
            self.texts[document.index], data = edit(document, operations)
        items = list(objects(document, data))
        if document is not self._kept:
            document.forget()
            if operations and not self._planned:
                self._patches[document.index] = []
        return items

    def _operations(self, document: "Document") -> "list[Operation]":
        return [operation for patch in self._patches.get(document.index, ()) for operation in patch.operations]
