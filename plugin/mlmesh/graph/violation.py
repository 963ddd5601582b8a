"""What is wrong at one place of the release."""

from mlmesh.manifests.objects import KubeObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.model.patches import Operation


class Violation:
    """One place that breaks a rule.

    ``pointer`` is from the object. ``severity`` replaces the rule's own where the evidence is weaker; ``evidence`` goes
    into the fingerprint, so that two violations at one place differ. ``operations`` mend it: RFC 6902, with pointers
    from the object; without any, nothing does by itself.
    """

    __slots__ = ("evidence", "item", "message", "operations", "pointer", "remedy", "severity")

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
    ) -> None:
        self.item = item
        self.pointer = pointer
        self.message = message
        self.remedy = remedy
        self.severity = severity
        self.evidence = evidence
        self.operations = operations
