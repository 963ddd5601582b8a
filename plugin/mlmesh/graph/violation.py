"""What is wrong at one place of the release."""

from mlmesh.manifests.objects import KubeObject


class Violation:
    """One place that breaks a rule.

    ``pointer`` is from the object. ``severity`` replaces the rule's own where the evidence is weaker; ``evidence`` goes
    into the fingerprint, so that two violations at one place differ.
    """

    __slots__ = ("evidence", "item", "message", "pointer", "remedy", "severity")

    def __init__(
        self, item: KubeObject, pointer: str, message: str, remedy: str, *, severity: str = "", evidence: str = ""
    ) -> None:
        self.item = item
        self.pointer = pointer
        self.message = message
        self.remedy = remedy
        self.severity = severity
        self.evidence = evidence
