"""Every rule by its topic, and a run of them all over a patched release.

A topic is a module. It is imported only where a kind that its rules judge occurs, or a stage noted something for one of
them: most releases need a few.
"""

from mlmesh.invariants.rule import ABSENCE, OBJECT, PODS, Rule, Violation
from mlmesh.model.errors import InputError
from mlmesh.model.findings import WARNING, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release
    from mlmesh.invariants.allowances import Allowances
    from mlmesh.manifests.stream import Document

ROUTES = ("VirtualService", "HTTPRoute", "GRPCRoute")
KSERVE = ("InferenceService", "LLMInferenceService")
ANY = "any"  # in place of a kind: every kind, for what documents that seem to be of one object are judged

# Module, codes, and the kinds that its rules judge in the end; those of a rule that a stage notes are left out.
TOPICS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("access", ("MLM401",), ("AuthorizationPolicy",)),
    ("admin", ("MLM405",), ("VirtualService", "HTTPRoute")),
    ("ambient", ("MLM969",), ("Sidecar",)),
    ("annotations", ("MLM511", "MLM957"), ("Service",)),
    ("attachments", ("MLM702", "MLM704"), ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")),
    ("authorizations", ("MLM406", "MLM408", "MLM409"), ("AuthorizationPolicy",)),
    ("breakers", ("MLM210",), ("DestinationRule",)),
    ("bypasses", ("MLM110",), ("HTTPRoute", "VirtualService")),
    ("calls", ("MLM602", "MLM609"), ("InferencePool",)),
    ("claims", ("MLM107", "MLM108"), ("VirtualService",)),
    ("components", ("MLM513",), ("MeshPolicy",)),
    ("denials", ("MLM402",), ROUTES),
    ("destinations", ("MLM105",), ROUTES),
    ("downloads", ("MLM507",), ()),
    ("duplicates", ("MLM903",), (ANY,)),
    ("egress", ("MLM801", "MLM802"), ("Sidecar", "ServiceEntry")),
    ("entryports", ("MLM970",), ("ServiceEntry",)),
    ("envoyfilters", ("MLM963",), ("EnvoyFilter",)),
    ("filters", ("MLM705",), ("HTTPRoute", "GRPCRoute")),
    ("durations", ("MLM219",), ("VirtualService", "HTTPRoute", "InferenceService")),
    ("gateways", ("MLM701", "MLM706"), ("Gateway",)),
    ("generations", ("MLM207",), ("VirtualService", "HTTPRoute", *KSERVE)),
    ("images", ("MLM960",), ()),
    ("injection", ("MLM501", "MLM508", "MLM510"), ("Namespace",)),
    ("layers", ("MLM307",), ("AuthorizationPolicy", "VirtualService")),
    ("lifecycle", ("MLM212", "MLM213", "MLM505", "MLM506"), ()),
    ("members", ("MLM509",), ("Namespace",)),
    ("mirrors", ("MLM111", "MLM112"), ("VirtualService", "HTTPRoute")),
    ("order", ("MLM109",), ("VirtualService",)),
    ("mtls", ("MLM301",), ("DestinationRule",)),
    ("networkpolicies", ("MLM316",), ("NetworkPolicy",)),
    ("pickers", ("MLM601", "MLM611", "MLM612"), ("InferencePool",)),
    ("platform", ("MLM403",), ("AuthorizationPolicy",)),
    ("podspecs", ("MLM314", "MLM315"), ()),
    ("poolroutes", ("MLM606", "MLM607", "MLM608", "MLM613"), ("HTTPRoute", "GRPCRoute")),
    ("pools", ("MLM603", "MLM610"), ("InferencePool",)),
    ("ports", ("MLM303", "MLM311"), (PODS,)),
    ("protocols", ("MLM308", "MLM309", "MLM310"), ("GRPCRoute", "Service")),
    ("realtime", ("MLM214", "MLM215"), ("VirtualService", "HTTPRoute")),
    ("references", ("MLM102",), (*ROUTES, "DestinationRule")),
    ("retries", ("MLM205", "MLM206"), ("VirtualService", "HTTPRoute")),
    ("scraping", ("MLM302",), ("ServiceMonitor", "PodMonitor")),
    ("scopes", ("MLM803", "MLM804"), ("Sidecar", "Namespace")),
    ("sidecars", ("MLM502", "MLM503", "MLM504", "MLM512"), (PODS,)),
    ("splits", ("MLM106",), ROUTES),
    ("strictness", ("MLM304", "MLM305"), ("PeerAuthentication", "Namespace")),
    ("subsets", ("MLM103", "MLM104"), ("VirtualService", "DestinationRule")),
    ("targets", ("MLM313",), ("Service",)),
    ("telemetries", ("MLM964", "MLM965"), ("Telemetry",)),
    ("timeouts", ("MLM201", "MLM202", "MLM203"), ("VirtualService",)),
    ("traffic", ("MLM101",), ("DestinationRule",)),
    ("unbounded", ("MLM208", "MLM209"), ("VirtualService", "HTTPRoute", "Gateway", "EnvoyFilter")),
    ("unsaid", ("MLM204", "MLM216", "MLM217", "MLM218"), (*ROUTES, *KSERVE)),
    (
        "unsupported",
        ("MLM950", "MLM968"),
        (
            "VirtualService",
            "DestinationRule",
            "CustomResourceDefinition",
            "ClusterRbacConfig",
            "RbacConfig",
            "ServiceRole",
            "ServiceRoleBinding",
        ),
    ),
    ("upgrades", ("MLM211",), ("DestinationRule", "Service")),
    ("writes", ("MLM404",), ("AuthorizationPolicy",)),
    (
        "selectors",
        ("MLM951", "MLM953"),
        (
            "AuthorizationPolicy",
            "PeerAuthentication",
            "RequestAuthentication",
            "Telemetry",
            "WasmPlugin",
            "ProxyConfig",
            "EnvoyFilter",
            "Sidecar",
        ),
    ),
    ("listening", ("MLM952",), ("Service",)),
    ("originations", ("MLM954",), ("DestinationRule",)),
    ("gatewayhosts", ("MLM955", "MLM967"), ("VirtualService", "Gateway")),
    ("entries", ("MLM956",), ("ServiceEntry",)),
    ("servers", ("MLM958", "MLM959"), ("Gateway",)),
    ("tokenroutes", ("MLM961",), ("VirtualService",)),
    ("credentials", ("MLM966",), ("Gateway",)),
)
# What a topic has nothing to say without: a search costs less than a module. With a context every topic is asked, since
# what is needed may be there.
NEEDS: dict[str, tuple[str, ...]] = {  # one of these kinds
    "denials": ("AuthorizationPolicy",),
    "members": ("AuthorizationPolicy", "PeerAuthentication"),
    "strictness": ("PeerAuthentication",),
}
WORDS: dict[str, tuple[bytes, ...]] = {  # one of these words, in a document of a kind that it judges
    "ambient": (b"dataplane-mode",),
    "annotations": (b".istio.io/",),
    "breakers": (b"outlierDetection",),
    "bypasses": (b"HTTPRoute", b"gateways"),
    "durations": (b"timeout:", b"timeouts:", b"Timeout:", b'imeout"', b'imeouts"', b"backendRequest"),
    "filters": (b"ilters",),
    "injection": (b"istio-injection", b"istio.io/"),
    "mirrors": (b"irror",),
    "mtls": (b"tls",),
    "poolroutes": (b"InferencePool",),
    "retries": (b"retries", b"backendRequest"),
    "scopes": (b"Sidecar", b"istio-injection", b"istio.io/rev"),
    "splits": (b"weight", b"VirtualService"),  # whose weights, left out, are 0
    "subsets": (b"subset",),
    "unsupported": (
        b"ercent:",
        b'ercent"',
        b"mirror_percent",
        b"allowOrigin",
        b"LEAST_CONN",
        b"minimumRingSize",
        b"warmupDurationSecs",
        b"consecutiveErrors",
        b"rbac.istio.io",
        b"autogenerated-k8s-gateway",
    ),
    "upgrades": (b"h2UpgradePolicy", b"http2", b"grpc", b"h2c"),
    "listening": (b"istio-injection", b"istio.io/rev", b"sidecar.istio.io/inject"),
    "originations": (b"SIMPLE", b"MUTUAL"),
    "gatewayhosts": (b"servers",),
    "servers": (b"servers",),
    "tokenroutes": (b"auth.claims", b"Auth.Claims"),
    "credentials": (b"credentialName", b"certificateRefs"),
}
# Topics that judge a pod by itself, while its document is open; each with words of which its documents have one.
MARKED: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("podspecs", (b"1337", b"rewriteAppHTTPProbers")),
    ("injection", (b"sidecar.istio.io/inject", b"istio.io/rev", b"hostNetwork")),
    ("annotations", (b"istio.io/",)),
    ("downloads", (b"initContainers",)),
    ("images", (b"istio-proxy",)),
)
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
    documents: dict[str, list[Document]] = {}
    for document in release.documents:
        documents.setdefault("List" if document.kind.endswith("List") else document.kind, []).append(document)
    for topic, codes, judged in TOPICS:
        asked = not kinds.isdisjoint(judged) and (not gated or _is_spoken_of(topic, judged, kinds, documents))
        if asked or not release.notes.keys().isdisjoint(codes):
            for rule in _topic(topic):
                if rule.code in release.notes or not kinds.isdisjoint(rule.judges):
                    yield rule


def _is_spoken_of(topic: str, judged: tuple[str, ...], kinds: set[str], documents: "dict[str, list[Document]]") -> bool:
    """Whether the stream may have what a topic is about."""
    if topic in NEEDS and kinds.isdisjoint(NEEDS[topic]):
        return False
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
        fix=rule.fix if violation.operations else "none",
        operations=[{**each, "path": item.pointer + each["path"]} for each in violation.operations],
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
