"""What an invariant found: a stable code, a place, a message and a remedy."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from mlmesh.model.patches import Operation

ERROR = "error"
WARNING = "warning"
INFO = "info"


class Finding:
    """One violated invariant at one place.

    ``document`` counts from 0, ``line`` from 1 in the input, ``pointer`` is RFC 6901 from the document's root,
    ``source`` the chart template where the host tells it. ``fingerprint`` names the finding across runs: it is made of
    code, object, pointer and evidence, never of a line. ``file`` is the file that it is in where several were read, and
    ``line`` then counts in it: ``shift`` less than in all of them together. ``values`` is the value that it is owed to,
    where that is known: (path, file, line). It is mended as ``fix`` says, "safe",
    "unsafe" or "none": by ``operations`` (RFC 6902, from the root of document ``mends``, its own or another), or by
    ``documents``, new objects that are put behind its own.
    """

    __slots__ = (
        "_around",
        "_documents",
        "api_version",
        "code",
        "confidence",
        "document",
        "file",
        "fingerprint",
        "fix",
        "kind",
        "line",
        "mends",
        "message",
        "name",
        "namespace",
        "operations",
        "pointer",
        "remedy",
        "rule",
        "severity",
        "shift",
        "source",
        "values",
    )

    def __init__(
        self,
        *,
        code: str,
        rule: str,
        severity: str,
        confidence: str,
        message: str,
        remedy: str,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        document: int,
        line: int,
        pointer: str,
        source: str,
        fingerprint: str,
        around: "Callable[[], Sequence[tuple[int, str]]]" = tuple,
        fix: str = "none",
        operations: "Sequence[Operation]" = (),
        mends: int | None = None,
        documents: "Callable[[], Sequence[dict[str, Any]]] | None" = None,
    ) -> None:
        self.code = code
        self.rule = rule
        self.severity = severity
        self.confidence = confidence
        self.message = message
        self.remedy = remedy
        self.api_version = api_version
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.document = document
        self.line = line
        self.pointer = pointer
        self.source = source
        self.fingerprint = fingerprint
        self._around = around
        self.file = ""
        self.values: tuple[str, str, int] | None = None
        self.shift = 0
        self.fix = fix
        self.operations = operations
        self.mends = document if mends is None else mends
        self._documents = documents

    def put_in(self, file: str, first: int) -> None:
        """Say which file it is in, whose first line is line ``first`` (from 1) of what was read."""
        self.file = file
        self.shift = first - 1
        self.line -= self.shift

    def owed_to(self, path: str, file: str, line: int) -> None:
        """Say which value the finding is owed to: its dotted path, and where it stands."""
        self.values = (path, file, line)

    @property
    def documents(self) -> "Sequence[dict[str, Any]]":
        """The new objects that mend it: made when a fix asks."""
        return self._documents() if self._documents else ()

    @property
    def excerpt(self) -> "Sequence[tuple[int, str]]":
        """(line, text) of the place's surroundings, without secrets: cut out when a report asks."""
        return self._around()
