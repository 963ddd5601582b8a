"""Pod templates: where an object keeps them, and what their pods get."""

from sys import intern  # most objects of a release have the same pointers: each is held once

from mlmesh.graph.fields import at
from mlmesh.graph.kinds import ANNOTATIONS_KEY, INHERITED, KINDS, MESH, METADATA, TRAIN_JOB
from mlmesh.manifests.objects import KubeObject
from mlmesh.model.errors import InputError
from mlmesh.model.patches import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class PodTemplate:
    """The template of some pods of an object.

    ``part`` tells several of one object apart: "head", "worker gpu", "predictor". ``pointer`` leads from the document's
    root to the template; ``holder`` to the map whose keys are the pods' ``labels`` and ``annotations``, which need not
    be there (None: the kind has no place for them); ``spec_pointer`` to the PodSpec, where the object has one that can
    be written to (else None; ``spec`` is then what is known of it). Several templates of an object can share a holder.
    ``shape``: found by its shape, not by its kind.
    """

    __slots__ = (
        "_annotations",
        "_inherited",
        "_labels",
        "_metadata",
        "holder",
        "owner",
        "part",
        "pointer",
        "shape",
        "spec",
        "spec_pointer",
    )

    def __init__(
        self,
        owner: KubeObject,
        pointer: str,
        *,
        part: str = "",
        holder: str | None,
        metadata: "Any" = None,
        inherited: "tuple[Any, ...]" = (),
        spec: "dict[str, Any]",
        spec_pointer: str | None = None,
        shape: bool = False,
    ) -> None:
        self.owner = owner
        self.part = part
        self.pointer = pointer
        self.holder = holder
        self.spec = spec
        self.spec_pointer = spec_pointer
        self.shape = shape
        self._metadata = metadata
        self._inherited = inherited
        self._labels: dict[str, Any] | None = None
        self._annotations: dict[str, Any] | None = None

    @property
    def labels(self) -> "dict[str, Any]":
        """The labels that its pods get. Raises InputError where they are no map."""
        if self._labels is None:  # every stage asks for them
            self._labels = self._map("labels", "labels")
        return self._labels

    @property
    def annotations(self) -> "dict[str, Any]":
        """The annotations that its pods get. Raises InputError where they are no map."""
        if self._annotations is None:
            self._annotations = self._map("annotations", self._annotations_key)
        return self._annotations

    @property
    def annotations_pointer(self) -> str | None:
        """Where the annotations are, or would be; None where the kind has no place for them."""
        return None if self.holder is None else f"{self.holder}/{self._annotations_key}"

    @property
    def _annotations_key(self) -> str:
        return ANNOTATIONS_KEY.get((self.owner.group, self.owner.kind), "annotations")

    def _map(self, key: str, own: str) -> "dict[str, Any]":
        found = self._one(self._metadata, own, self.holder)
        if not self._inherited:
            return found
        for metadata in self._inherited:
            below = self._one(metadata, key, self.owner.pointer)
            found = {**below, **found} if below else found
        return found

    def _one(self, metadata: "Any", key: str, place: str | None) -> "dict[str, Any]":
        value = metadata.get(key) if isinstance(metadata, dict) else metadata
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise InputError(
                f"{f'metadata.{key}' if isinstance(metadata, dict) else 'metadata'} is not a map",
                place=f"{self.owner.document.place}, at {place}",
                remedy=f"write {key} as a map of names to strings",
            )
        return value


def pod_templates(item: KubeObject) -> list[PodTemplate]:
    """The object's pod templates: by its kind's rows; for a kind without one by shape, objects within it by their own.

    Empty where there are none. Raises InputError for a template, or a PodSpec in one, that is no map.
    """
    kind = (item.group, item.kind)
    if kind in MESH:
        return []
    if kind not in KINDS:
        from mlmesh.graph.shapes import search

        return search(item)
    if kind == TRAIN_JOB:
        from mlmesh.graph.trainjobs import train_job

        return train_job(item)
    rows = _rows.get(kind)
    if rows is None:
        rows = _rows[kind] = [Place(*row) for row in KINDS[kind]]
    inherited = tuple(at(item.data, path) for path in INHERITED[kind]) if kind in INHERITED else ()
    return [pod for row in rows for pod in row.read(item, inherited)]


class Place:
    """One row of the table, its paths taken apart."""

    __slots__ = ("made", "metadata", "part", "spec", "steps", "to_metadata", "to_spec", "up")

    def __init__(self, part: str, anchor: str, metadata: str | None, spec: str | None) -> None:
        self.part = part
        self.steps = tuple(anchor.replace("[]", ".[]").split(".")) if anchor else ()
        self.up = metadata == ".."
        self.metadata = None if metadata is None else "" if self.up else metadata
        self.made = spec if spec is not None and spec.startswith("=") else None
        self.spec = None if self.made else spec
        self.to_metadata = _pointer(self.metadata or "")
        self.to_spec = _pointer(self.spec or "")

    def read(self, item: KubeObject, inherited: "tuple[Any, ...]" = ()) -> "Iterator[PodTemplate]":
        """The pod templates that the object has there. Raises InputError."""
        for names, pointer, parent, anchor in _anchors(item.data, item.pointer, self.steps, "", item.data):
            if not isinstance(anchor, dict):
                raise _no_map(
                    item,
                    pointer,
                    anchor,
                    "pod template" if self.metadata == METADATA else "place of the pods' settings",
                )
            holder = pointer.rpartition("/")[0] if self.up else pointer
            spec: Any = {}
            if self.made:
                from mlmesh.graph.podspecs import MADE

                spec = MADE[self.made](item, anchor)
            elif self.spec is not None:
                spec = at(anchor, self.spec)
            if spec is None and self.made:
                continue  # it makes no pod
            spec_pointer = None if self.spec is None else intern(pointer + self.to_spec)
            if spec is not None and not isinstance(spec, dict):
                raise _no_map(item, spec_pointer, spec, "PodSpec")
            yield PodTemplate(
                item,
                pointer,
                part=intern(f"{self.part} {names}".strip()) if names else self.part,
                holder=None if self.metadata is None else intern(holder + self.to_metadata),
                metadata=None if self.metadata is None else at(parent if self.up else anchor, self.metadata),
                inherited=inherited,
                spec=spec or {},
                spec_pointer=spec_pointer,
            )


# The rows of each kind that was met.
_rows: dict[tuple[str, str], list[Place]] = {}


def _pointer(path: str) -> str:
    return f"/{path.replace('.', '/')}" if path else ""


def _anchors(
    data: "Any", pointer: str, steps: "tuple[str, ...]", names: str, parent: "Any"
) -> "Iterator[tuple[str, str, Any, Any]]":
    """(names on the way, pointer, the map around it, what is there) of each place that a path leads to."""
    for index, step in enumerate(steps):
        rest = steps[index + 1 :]
        if step == "[]":
            for number, below in enumerate(data if isinstance(data, list) else ()):
                name = (below.get("name") or below.get("groupName")) if isinstance(below, dict) else None
                yield from _anchors(below, f"{pointer}/{number}", rest, f"{names} {name or number}".lstrip(), parent)
            return
        if not isinstance(data, dict):
            return
        if step == "*":
            for key, below in data.items():
                name = str(key)
                yield from _anchors(below, f"{pointer}/{escape(name)}", rest, f"{names} {name.lower()}".lstrip(), data)
            return
        parent, data, pointer = data, data.get(step), f"{pointer}/{step}"
    if data is not None:
        yield names, intern(pointer), parent, data


def _no_map(item: KubeObject, pointer: str | None, value: object, what: str) -> InputError:
    kinds = {str: "a string", list: "a list", bool: "a boolean"}
    return InputError(
        f"the {what} is {kinds.get(type(value), 'a number')}, not a map",
        place=f"{item.document.place}, at {pointer}",
        remedy="see the template that renders it: often a value that is a string is put where a map belongs",
    )
