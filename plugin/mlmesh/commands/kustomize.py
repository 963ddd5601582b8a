"""The post-renderer's changes as patches of a kustomization, for whatever builds with kustomize and runs no program."""

import json
import re

from mlmesh import __version__
from mlmesh.manifests.objects import KubeObject, objects
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlmesh.manifests.stream import Document
    from mlmesh.model.patches import Operation, Patch

HEAD = f"""\
# What mlmesh-post {__version__} changes in these manifests. They fit this rendering only:
# `mlmesh plan --format kustomize` writes them anew.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
"""
LOST = re.compile("[\x7f-\x9f]")


class _Changed:
    """An object of the stream and what changes in it: its operations from its own root, and why."""

    __slots__ = ("item", "operations", "reasons")

    def __init__(self, item: KubeObject) -> None:
        self.item = item
        self.operations: list[Operation] = []
        self.reasons: list[str] = []


def kustomization(documents: "Sequence[Document]", patches: "Iterable[Patch]", resources: str = "") -> str:
    """A kustomization.yaml that makes these patches, ``resources`` being the file of the manifests, where there is one.

    It is plain ASCII. Raises InputError for an object that kustomize can tell by no name, or that is there twice.
    """
    changed = list(_by_object(documents, patches))
    lines = [HEAD.rstrip()]
    if resources:
        lines += ["resources:", f"- {_ascii(resources)}"]
    lines.append("patches:" if changed else "patches: []")
    seen: dict[tuple[str, ...], KubeObject] = {}
    for each in changed:
        target = _target(each.item)
        first = seen.setdefault(tuple(target.values()), each.item)
        if first is not each.item:
            raise InputError(
                f"the object is there twice, the first time in {first.document.place}: kustomize refuses such a stream",
                place=each.item.document.place,
                remedy="render it once, or post-render by mlmesh-post, which takes it",
            )
        _survives(each)
        lines += [f"# {_ascii(reason)[1:-1]}" for reason in each.reasons]
        lines += ["- target:", *(f"    {key}: {_ascii(value)}" for key, value in target.items())]
        operations = ",\n".join(f"      {_ascii(operation)}" for operation in each.operations)
        lines += ["  patch: |-", "    [", operations, "    ]"]
    return "\n".join(lines) + "\n"


def _by_object(documents: "Sequence[Document]", patches: "Iterable[Patch]") -> "Iterable[_Changed]":
    """Each object once with all that changes in it. A List's items are objects: kustomize opens Lists, too.

    What a ResourceList gets beside its items, the results of a KRM function, is no object's.
    """
    found: dict[tuple[int, str], _Changed] = {}
    opened: dict[int, list[KubeObject]] = {}
    for patch in patches:
        document = documents[patch.document]
        if patch.document not in opened:
            opened = {patch.document: list(objects(document, document.data))}  # patches come by document
        path = patch.operations[0]["path"]
        item = next((each for each in opened[patch.document] if path.startswith(f"{each.pointer}/")), None)
        if item is None:
            continue
        changed = found.setdefault((patch.document, item.pointer), _Changed(item))
        changed.reasons.append(patch.reason)
        for operation in patch.operations:
            changed.operations.append({**operation, "path": operation["path"].removeprefix(item.pointer)})
    return found.values()


def _target(item: KubeObject) -> dict[str, str]:
    """The selector of this object and no other. Its fields are anchored regular expressions, and empty ones match all.

    kustomize takes an object without a namespace to be in ``default``, or in none if its kind is known to have none.
    """
    name = (item.data.get("metadata") or {}).get("name")
    if not isinstance(name, str) or not name:
        raise InputError(
            f"{item.kind} {item.name} has no metadata.name: kustomize takes no such object",
            place=item.document.place,
            remedy="give it a name in place of generateName, or post-render by mlmesh-post, which takes it",
        )
    group, _, version = item.api_version.rpartition("/")
    return {
        "group": _exactly(group) or "^$",
        "version": _exactly(version),
        "kind": _exactly(item.kind),
        "name": _exactly(name),
        "namespace": _exactly(item.namespace) or "default|_non_namespaceable_",
    }


def _survives(changed: _Changed) -> None:
    """Raise InputError for a character that kustomize loses: it reads what a JSON patch made as YAML, raw."""
    lost = LOST.search(json.dumps([changed.item.data, changed.operations], ensure_ascii=False))
    if lost:
        raise InputError(
            f"{changed.item.title} has the character U+{ord(lost[0]):04X}, which kustomize would not keep",
            place=changed.item.document.place,
            remedy="take it out, or post-render by mlmesh-post, which keeps it",
        )


def _exactly(text: str) -> str:
    """The text as a regular expression of Go."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)


def _ascii(value: object) -> str:
    """JSON that YAML, too, takes inside a block, whatever stands in the strings."""
    return json.dumps(value).replace("\x7f", "\\u007f")
