"""What a rule is, and what it says of one place."""

from mlmesh.manifests.objects import KubeObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlmesh.graph.release import Release


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


class Rule:
    """One invariant.

    ``kinds`` are those that it can find wrong. ``confidence``: ``object`` (one object says it), ``contradiction`` (two
    objects of the stream do), ``absence`` (something is missing: an error only where the stream owns the namespace or
    name), ``guess``. ``scope`` is ``object`` where one object is enough to judge, else ``set``; ``fix`` is ``safe``,
    ``unsafe`` or ``none``.
    """

    __slots__ = ("check", "code", "confidence", "fix", "kinds", "name", "scope", "severity", "summary")

    def __init__(
        self,
        *,
        code: str,
        name: str,
        severity: str,
        confidence: str,
        scope: str,
        kinds: tuple[str, ...],
        fix: str,
        summary: str,
        check: "Callable[[Release], Iterator[Violation]]",
    ) -> None:
        self.code = code
        self.name = name
        self.severity = severity
        self.confidence = confidence
        self.scope = scope
        self.kinds = kinds
        self.fix = fix
        self.summary = summary
        self.check = check
