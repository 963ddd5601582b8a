"""What a rule is, and what it says of one place."""

from mlmesh.graph.violation import Violation

__all__ = ["PODS", "Rule", "Violation", "noted"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlmesh.graph.release import Release

PODS = ("every kind with pods",)


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


def noted(code: str) -> "Callable[[Release], Iterator[Violation]]":
    """The check of a rule whose violations a stage noted while it had the object open: no pod is kept for the end."""
    return lambda release: iter(release.notes.get(code, ()))
