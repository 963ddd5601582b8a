"""Every rule, and a run of them all over a patched release."""

from mlmesh.invariants import (
    access,
    admin,
    components,
    gateways,
    generations,
    lifecycle,
    ports,
    realtime,
    sidecars,
    timeouts,
    traffic,
    unsaid,
)
from mlmesh.invariants.rule import Rule, Violation
from mlmesh.model.errors import InputError
from mlmesh.model.findings import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.graph.release import Release

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            *traffic.RULES,
            *timeouts.RULES,
            *generations.RULES,
            *realtime.RULES,
            *unsaid.RULES,
            *lifecycle.RULES,
            *ports.RULES,
            *access.RULES,
            *admin.RULES,
            *components.RULES,
            *sidecars.RULES,
            *gateways.RULES,
        ),
        key=lambda rule: rule.code,
    )
)
ALLOW_PREFIX = "allow.mlmesh.dev/"


def run(release: "Release") -> list[Finding]:
    """The findings of every rule, in the order of documents, pointers and codes.

    An annotation ``allow.mlmesh.dev/CODE: reason`` on the object takes a finding away, if it gives a reason; the
    policy's ``invariants.severity`` replaces a rule's severity, ``off`` silences the rule. Raises InputError for a code
    there that no rule has.
    """
    severities = release.policy.spec.get("invariants", {}).get("severity", {})
    unknown = sorted(severities.keys() - {rule.code for rule in RULES})
    if unknown:
        raise InputError(
            f"there is no rule {', '.join(unknown)}",
            place="policy, spec.invariants.severity",
            remedy=f"the rules are {', '.join(rule.code for rule in RULES)}",
        )
    found = [
        (rule, violation)
        for rule in RULES
        if severities.get(rule.code) != "off"
        for violation in rule.check(release)
        if not str(violation.item.annotations().get(ALLOW_PREFIX + rule.code) or "").strip()
    ]
    found.sort(key=lambda pair: pair[1].item.document.index)  # for its lines a document is read again, and then once
    sources: dict[int, str] = {}  # a document's text is searched once, however many findings it has
    findings = [
        _finding(rule, violation, severities.get(rule.code) or violation.severity or rule.severity, release, sources)
        for rule, violation in found
    ]
    findings.sort(key=lambda finding: (finding.document, finding.line, finding.code, finding.pointer))
    return findings


def _finding(rule: Rule, violation: Violation, severity: str, release: "Release", sources: dict[int, str]) -> Finding:
    from binascii import crc32

    item = violation.item
    document = item.document
    if document.index not in sources:
        sources[document.index] = document.source
    pointer = item.pointer + violation.pointer
    namespace = release.namespace(item)
    identity = f"{rule.code}\n{item.kind}\n{namespace}\n{item.name}\n{violation.pointer}\n{violation.evidence}"
    return Finding(
        code=rule.code,
        rule=rule.name,
        severity=severity,
        confidence=rule.confidence,
        message=violation.message,
        remedy=violation.remedy,
        api_version=item.api_version,
        kind=item.kind,
        namespace=namespace,
        name=item.name,
        document=document.index,
        line=document.line_of(pointer),
        pointer=pointer,
        source=sources[document.index],
        fingerprint=f"{rule.code}-{crc32(identity.encode()):08x}",
    )
