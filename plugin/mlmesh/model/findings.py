"""What an invariant found: a stable code, a place, a message and a remedy."""

ERROR = "error"
WARNING = "warning"
INFO = "info"


class Finding:
    """One violated invariant at one place.

    ``document`` counts from 0, ``line`` from 1 in the input, ``pointer`` is RFC 6901 from the document's root,
    ``source`` the chart template where the host tells it. ``fingerprint`` names the finding across runs: it is made of
    code, object, pointer and evidence, never of a line.
    """

    __slots__ = (
        "api_version",
        "code",
        "confidence",
        "document",
        "fingerprint",
        "kind",
        "line",
        "message",
        "name",
        "namespace",
        "pointer",
        "remedy",
        "rule",
        "severity",
        "source",
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
