"""What is excused: by an annotation with a reason on the object, or by the policy's ``invariants.allow``."""

from mlmesh.invariants.rule import Rule, Violation
from mlmesh.invariants.topics import ON_DEMAND
from mlmesh.manifests.objects import objects
from mlmesh.model.errors import InputError
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

PREFIX = "allow.mlmesh.dev/"
_PREFIX = PREFIX.encode()
_WILD = frozenset("*?[")


class Allowances:
    """What a release excuses, and what of it was used."""

    __slots__ = ("_globs", "_unasked", "_used", "_used_globs")

    def __init__(self, release: "Release", codes: "Collection[str]") -> None:
        """Raises InputError for a code that no rule has."""
        self._globs: list[dict[str, Any]] = list(release.policy.spec.get("invariants", {}).get("allow", ()))
        self._used: set[tuple[int, str, str]] = set()
        self._used_globs: set[int] = set()
        self._unasked = frozenset(ON_DEMAND) - release.notes.keys()  # what may excuse nothing now
        for index, entry in enumerate(self._globs):
            if entry["code"] not in codes:
                raise InputError(
                    f"there is no rule {entry['code']}",
                    place=f"policy, spec.invariants.allow.{index}.code",
                    remedy="`mlmesh rules` lists them",
                )

    def excuse(self, rule: Rule, violation: Violation, namespace: str) -> bool:
        """Whether a violation is excused; remembers by what."""
        item = violation.item
        if str(item.annotations().get(PREFIX + rule.code) or "").strip():
            self._used.add((item.document.index, item.pointer, rule.code))
            return True
        for index, entry in enumerate(self._globs):
            if entry["code"] == rule.code and _fits(entry, item, namespace):
                self._used_globs.add(index)
                return True
        return False

    def unused(self, release: "Release", codes: "Collection[str]") -> "Iterator[tuple[str, Violation]]":
        """What excuses nothing (MLM001), and what gives no reason (MLM002), each with the code of its rule."""
        for document in release.documents:
            if not document.mentions(_PREFIX):
                continue
            for item in objects(document, document.data):
                for key, reason in item.annotations().items():
                    if str(key).startswith(PREFIX):
                        yield from self._annotation(item, str(key), reason, codes)
            document.forget()
        carrier = release.policy.carrier
        if carrier is None:
            return
        for index, entry in enumerate(self._globs):
            if index not in self._used_globs and entry["code"] not in self._unasked:
                yield (
                    "MLM001",
                    Violation(
                        carrier,
                        f"/spec/invariants/allow/{index}",
                        f"the policy's allowance of {entry['code']} excuses nothing: no finding of that code is on an "
                        "object that it names",
                        "take it away, or name the objects that are meant",
                        evidence=entry["code"],
                    ),
                )

    def _annotation(
        self, item: "KubeObject", key: str, reason: object, codes: "Collection[str]"
    ) -> "Iterator[tuple[str, Violation]]":
        code = key.removeprefix(PREFIX)
        place = pointer("metadata", "annotations", key)
        if not str(reason or "").strip():
            yield (
                "MLM002",
                Violation(
                    item, place, f"annotation {key} gives no reason, so it excuses nothing", "say why in its value"
                ),
            )
        elif (item.document.index, item.pointer, code) not in self._used and code not in self._unasked:
            why = f"the object has no finding {code}" if code in codes else f"there is no rule {code}"
            yield (
                "MLM001",
                Violation(
                    item,
                    place,
                    f"annotation {key} excuses nothing: {why}",
                    "take it away" if code in codes else "`mlmesh rules` lists the codes",
                    operations=({"op": "remove", "path": place},),
                ),
            )


def _fits(entry: "dict[str, Any]", item: "KubeObject", namespace: str) -> bool:
    held = {"kind": item.kind, "namespace": namespace, "name": item.name}
    return all(_matches(value, str(entry.get(key, "*"))) for key, value in held.items())


def _matches(value: str, pattern: str) -> bool:
    if pattern in (value, "*"):
        return True
    if _WILD.isdisjoint(pattern):
        return False
    from fnmatch import fnmatchcase

    return fnmatchcase(value, pattern)


def allowance_unused(release: "Release") -> "Iterator[Violation]":
    """An allowance that excuses nothing is left over from something that was mended, or names the wrong object.

    Why: an excuse that nobody needs hides the next finding of its code on the same object.

    Bad: `allow.mlmesh.dev/MLM203: "batch clients"` on a route that has no finding MLM203

    Good: no such annotation
    """
    return iter(())


def allowance_without_reason(release: "Release") -> "Iterator[Violation]":
    """An allowance without a reason excuses nothing.

    Why: who reads the finding next must learn why somebody thought it harmless here.

    Bad: `allow.mlmesh.dev/MLM203: ""`

    Good: `allow.mlmesh.dev/MLM203: "batch clients drop duplicates by request id"`
    """
    return iter(())
