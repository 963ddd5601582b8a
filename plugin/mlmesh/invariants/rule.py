"""What a rule is: a function over the release, whose docstring is its documentation."""

from mlmesh.graph.violation import Violation

__all__ = ["ABSENCE", "CONTRADICTION", "GUESS", "OBJECT", "PODS", "VERSION", "Rule", "Violation", "noted"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlmesh.graph.release import Release

PODS = "pods"  # in place of a kind: every kind with pods

OBJECT = "object"  # one object says it
CONTRADICTION = "contradiction"  # two objects of the stream do, and nothing outside it can mend that
ABSENCE = "absence"  # something is missing: an error only where the stream owns the namespace or the name
VERSION = "version"  # it depends on a version or a setting of the mesh
GUESS = "guess"  # about what an application does


class Rule:
    """One invariant.

    ``check`` is a function whose name is the rule's, and whose docstring is its documentation: a summary in one
    sentence, then paragraphs that begin with ``Why:``, ``Bad:``, ``Good:`` and ``Source:``. ``judges`` are the kinds
    that it can find wrong, ``reads`` those that it looks at besides. A rule with ``scope`` "object" needs one object to
    judge, with "set" several. ``fix``: "safe" ones change nothing that works, "unsafe" ones need a look, "none" has
    none.
    """

    __slots__ = ("check", "code", "confidence", "fix", "judges", "name", "reads", "scope", "severity")

    def __init__(
        self,
        code: str,
        check: "Callable[[Release], Iterator[Violation]]",
        *,
        severity: str,
        confidence: str,
        judges: tuple[str, ...],
        reads: tuple[str, ...] = (),
        scope: str = "set",
        fix: str = "none",
    ) -> None:
        self.code = code
        self.check = check
        self.name = check.__name__.replace("_", "-")
        self.severity = severity
        self.confidence = confidence
        self.judges = judges
        self.reads = reads
        self.scope = scope
        self.fix = fix

    @property
    def doc(self) -> str:
        """The documentation, without its indentation."""
        from inspect import cleandoc

        return cleandoc(self.check.__doc__ or "")

    @property
    def summary(self) -> str:
        """The first paragraph of the documentation, in one line."""
        return " ".join(self.doc.partition("\n\n")[0].split())

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind that it reads, those that it judges first."""
        return tuple(dict.fromkeys((*self.judges, *self.reads)))


def noted(release: "Release", code: str) -> "Iterator[Violation]":
    """The violations of a rule that a stage noted while it had the object open: no pod is kept for the end."""
    return iter(release.notes.get(code, ()))
