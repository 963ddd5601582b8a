"""Every rule by its topic, and a run of them all over a patched release.

A topic is a module. It is imported only where a kind that its rules judge occurs, or a stage noted something for one of
them: most releases need a few.
"""

from mlmesh.invariants.rule import ABSENCE, OBJECT, Rule, Violation
from mlmesh.invariants.topics import ANY, CROWDS, MARKED, NEEDS, TOPICS, WORDS
from mlmesh.model.errors import InputError
from mlmesh.model.findings import WARNING, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sized
    from typing import Any

    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release
    from mlmesh.invariants.allowances import Allowances
    from mlmesh.manifests.stream import Document

ALLOWANCE_CODES = ("MLM001", "MLM002")
CODES = frozenset(code for _, codes, _ in TOPICS for code in codes) | frozenset(ALLOWANCE_CODES)


def rules() -> tuple[Rule, ...]:
    """Every rule, by code. All topics are imported."""
    found = [rule for topic, _, _ in TOPICS for rule in _topic(topic)]
    return tuple(sorted((*found, *_allowance_rules().values()), key=lambda rule: rule.code))


def documentation() -> dict[str, str]:
    """The documentation of every rule, by code."""
    return {rule.code: rule.doc for rule in rules()}


def inspect(document: "Document", templates: "list[PodTemplate]", roles: list[str], release: "Release") -> None:
    """Have the topics that judge a pod by itself note what they see in a document's templates, given their roles."""
    if not templates:
        return
    for topic, marks in MARKED:
        if any(map(document.mentions, marks)):
            _module(topic).inspect(templates, roles, release)


def run(release: "Release") -> list[Finding]:
    """The findings of every rule, in the order of documents, pointers and codes.

    An annotation ``allow.mlmesh.dev/CODE: reason`` on the object, or an entry of the policy's ``invariants.allow``,
    takes a finding away; one that excuses nothing is a finding itself. The policy's ``invariants.severity`` replaces a
    rule's severity, ``off`` silences the rule. Raises InputError for a code that no rule has.
    """
    severities = release.policy.spec.get("invariants", {}).get("severity", {})
    unknown = sorted(severities.keys() - CODES)
    if unknown:
        raise InputError(
            f"there is no rule {', '.join(unknown)}",
            place="policy, spec.invariants.severity",
            remedy="`mlmesh rules` lists them",
        )
    found = [
        (rule, violation)
        for rule in _needed(release)
        if severities.get(rule.code) != "off" and not (rule.confidence == ABSENCE and release.hooks_only)
        for violation in rule.check(release)
    ]
    allowances = _allowances(release)
    if allowances is not None:
        found = [
            (rule, violation)
            for rule, violation in found
            if not allowances.excuse(rule, violation, release.namespace(violation.item))
        ]
        own = _allowance_rules()
        found += [
            (own[code], violation)
            for code, violation in allowances.unused(release, CODES)
            if severities.get(code) != "off"
        ]
    found.sort(key=lambda pair: pair[1].item.document.index)  # for its lines a document is read again, and then once
    sources: dict[int, str] = {}  # a document's text is searched once, however many findings it has
    findings = [
        _finding(rule, violation, severities.get(rule.code) or violation.severity or rule.severity, release, sources)
        for rule, violation in found
    ]
    findings.sort(key=lambda finding: (finding.document, finding.line, finding.code, finding.pointer))
    return findings


def _needed(release: "Release") -> "Iterator[Rule]":
    """The rules that have something to judge."""
    kinds = release.kinds
    if release.alike:
        kinds.add(ANY)
    gated = bool(release.documents) and not release.context.kinds and not release.context.pods
    services = release.own.services
    documents: dict[str, list[Document]] = {}
    for document in release.documents:
        documents.setdefault("List" if document.kind.endswith("List") else document.kind, []).append(document)
    for topic, codes, judged in TOPICS:
        asked = not kinds.isdisjoint(judged) and (not gated or _is_spoken_of(topic, judged, kinds, documents, services))
        if asked or not release.notes.keys().isdisjoint(codes):
            for rule in _topic(topic):
                if rule.code in release.notes or not kinds.isdisjoint(rule.judges):
                    yield rule


def _is_spoken_of(
    topic: str,
    judged: tuple[str, ...],
    kinds: set[str],
    documents: "dict[str, list[Document]]",
    services: "Sized",
) -> bool:
    """Whether the stream may have what a topic is about."""
    if topic in NEEDS and kinds.isdisjoint(NEEDS[topic]):
        return topic in CROWDS and len(services) >= CROWDS[topic]
    words = WORDS.get(topic)
    return words is None or any(
        document.mentions(word) for kind in (*judged, "List") for document in documents.get(kind, ()) for word in words
    )


def _topic(name: str) -> tuple[Rule, ...]:
    found: tuple[Rule, ...] = _module(name).RULES
    return found


def _module(topic: str) -> "Any":
    return __import__(f"mlmesh.invariants.{topic}", fromlist=["RULES"])  # importlib itself would have to be loaded


def _allowances(release: "Release") -> "Allowances | None":
    """What the release excuses; None where it speaks of nothing."""
    documents = release.documents
    spoken = documents and documents[0].stream.data.find(b"allow.mlmesh.dev/") >= 0
    if not spoken and not release.policy.spec.get("invariants", {}).get("allow"):
        return None
    from mlmesh.invariants.allowances import Allowances

    return Allowances(release, CODES)


def _allowance_rules() -> dict[str, Rule]:
    """The rules of allowances themselves, which no allowance excuses."""
    from mlmesh.invariants.allowances import allowance_unused, allowance_without_reason

    return {
        "MLM001": Rule(
            "MLM001", allowance_unused, severity=WARNING, confidence=OBJECT, judges=("any",), scope="set", fix="safe"
        ),
        "MLM002": Rule(
            "MLM002", allowance_without_reason, severity=WARNING, confidence=OBJECT, judges=("any",), scope="object"
        ),
    }


def _finding(rule: Rule, violation: Violation, severity: str, release: "Release", sources: dict[int, str]) -> Finding:
    from binascii import crc32

    item = violation.item
    document = item.document
    if document.index not in sources:
        sources[document.index] = document.source
    pointer = item.pointer + violation.pointer
    line = document.line_of(pointer)
    namespace = release.namespace(item)
    place = _named(item.data, violation.pointer)
    mended = violation.mends or item
    identity = f"{rule.code}\n{item.kind}\n{namespace}\n{item.name}\n{place}\n{violation.evidence}"
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
        line=line,
        pointer=pointer,
        source=sources[document.index],
        fingerprint=f"{rule.code}-{crc32(identity.encode()):08x}",
        around=lambda: _excerpt(document, line),
        fix=rule.fix if violation.operations or violation.documents else "none",
        operations=[{**each, "path": mended.pointer + each["path"]} for each in violation.operations],
        mends=mended.document.index,
        documents=violation.documents,
    )


def _excerpt(document: "Document", line: int) -> list[tuple[int, str]]:
    from mlmesh.manifests.excerpt import excerpt

    return excerpt(document, line)


def _named(data: object, pointer: str) -> str:
    """The pointer with the names of a list's items in place of their numbers, which change when one is put before."""
    words = []
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(data, list):
            data = data[int(key)] if key.isdigit() and int(key) < len(data) else None
            name = data.get("name") if isinstance(data, dict) else None
            words.append(name if isinstance(name, str) else key)
        else:
            data = data.get(key) if isinstance(data, dict) else None
            words.append(key)
    return "/".join(words)
