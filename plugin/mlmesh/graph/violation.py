"""What is wrong at one place of the release."""

from mlmesh.manifests.objects import KubeObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mlmesh.model.patches import Operation


class Violation:
    """One place that breaks a rule.

    ``pointer`` is from the object. ``severity`` replaces the rule's own where the evidence is weaker; ``evidence`` goes
    into the fingerprint, so that two violations at one place differ. What mends it: ``operations`` (RFC 6902, with
    pointers from the object, or from ``mends``, another one of the release), or what ``documents`` gives, new objects
    that are put behind it and are made only when they are to be written; without any of these, nothing does by itself.
    """

    __slots__ = ("documents", "evidence", "item", "mends", "message", "operations", "pointer", "remedy", "severity")

    def __init__(
        self,
        item: KubeObject,
        pointer: str,
        message: str,
        remedy: str,
        *,
        severity: str = "",
        evidence: str = "",
        operations: "tuple[Operation, ...]" = (),
        mends: KubeObject | None = None,
        documents: "Callable[[], tuple[dict[str, Any], ...]] | None" = None,
    ) -> None:
        self.item = item
        self.pointer = pointer
        self.message = message
        self.remedy = remedy
        self.severity = severity
        self.evidence = evidence
        self.operations = operations
        self.mends = mends
        self.documents = documents
