"""Rules that no request reaches, since one before them takes all of theirs: MLM109."""

from mlmesh.graph.fields import entries, mapping, maps
from mlmesh.graph.route import ISTIO
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Rule as RouteRule
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

    Data = dict[str, Any]

_ASKED = frozenset(
    {
        "uri", "ignoreUriCase", "scheme", "method", "authority", "headers", "withoutHeaders", "queryParams", "port",
        "sourceLabels", "sourceNamespace", "gateways", "name", "statPrefix",
    }
)  # fmt: skip
_SAID = ("match", "name")  # what two rules may differ in that do the same


def takes_all(rule: "Data") -> bool:
    """Whether a rule takes every request that gets to it."""
    return "delegate" not in rule and any(_covers(match, {}) for match in _matches(rule))


def _matches(rule: "Data") -> "list[Data]":
    """A rule's matches; an empty one where it has none."""
    return [match for _, match in maps(rule.get("match"))] if entries(rule.get("match")) else [{}]


def _covers(wide: "Data", narrow: "Data") -> bool:
    """Whether every request that one match takes is taken by another; False where that is not sure."""
    if not _ASKED.issuperset(wide):
        return False
    if not _uri(wide, narrow):
        return False
    if not all(_text(wide.get(key), narrow.get(key)) for key in ("scheme", "method", "authority")):
        return False
    headers, asked = _lower(wide.get("headers")), _lower(narrow.get("headers"))
    if not all(key in asked and _text(value, asked[key], there=True) for key, value in headers.items()):
        return False
    query, asked = mapping(wide.get("queryParams")), mapping(narrow.get("queryParams"))
    if not all(key in asked and _text(value, asked[key], there=True) for key, value in query.items()):
        return False
    without, asked = _lower(wide.get("withoutHeaders")), _lower(narrow.get("withoutHeaders"))
    if not all(key in asked and asked[key] == value for key, value in without.items()):
        return False
    return _source(wide, narrow) and wide.get("port") in (None, 0, narrow.get("port"))


def _source(wide: "Data", narrow: "Data") -> bool:
    """The same of the clients alone. Of a match that names gateways Istio asks for nothing else of a client."""
    gateways, others = entries(wide.get("gateways")), entries(narrow.get("gateways"))
    if gateways:
        return bool(others) and all(each in gateways for each in others)
    labels, carried = mapping(wide.get("sourceLabels")), {} if others else mapping(narrow.get("sourceLabels"))
    if not all(key in carried and carried[key] == value for key, value in labels.items()):
        return False
    return wide.get("sourceNamespace") in (None, "", None if others else narrow.get("sourceNamespace"))


def _lower(value: object) -> "Data":
    return {str(key).lower(): each for key, each in mapping(value).items()}


def _uri(wide: "Data", narrow: "Data") -> bool:
    """The same of the paths alone."""
    uri, other = wide.get("uri"), narrow.get("uri")
    if _is_any(uri):
        return True
    if narrow.get("ignoreUriCase") and not wide.get("ignoreUriCase"):
        return False
    if wide.get("ignoreUriCase"):
        uri, other = _folded(uri), _folded(other)
    return _text(uri, other)


def _folded(uri: object) -> object:
    if isinstance(uri, dict) and "regex" not in uri:
        return {key: value.lower() if isinstance(value, str) else value for key, value in uri.items()}
    return uri


def _is_any(uri: object) -> bool:
    return uri in (None, {}) or uri in ({"prefix": "/"}, {"prefix": ""}, {"regex": ".*"}, {"regex": "/.*"})


def _text(wide: object, narrow: object, *, there: bool = False) -> bool:
    """Whether a StringMatch takes every text that another takes. ``there``: an empty one asks for any text."""
    if wide is None or (there and wide in ({}, {"regex": ".*"})):
        return True
    if wide == narrow:
        return bool(wide)
    if not isinstance(wide, dict) or not isinstance(narrow, dict):
        return False
    prefix = wide.get("prefix")
    given = narrow.get("exact", narrow.get("prefix"))
    return isinstance(prefix, str) and isinstance(given, str) and given.startswith(prefix)


def rule_shadowed(release: "Release") -> "Iterator[Violation]":
    """A rule of a VirtualService stands behind one that takes all of its requests: it is never used.

    Why: A VirtualService's rules are tried in their order, and the first that fits takes the request. A rule without a
    match, or with a wider one, takes everything from those behind it, and their version, their timeouts and retries are
    never used.

    Bad: a rule without `match`, and behind it one for the header `x-model-version: v2`

    Good: the rule for the header first

    Source: istio/istio pkg/config/validation/validation.go analyzeUnreachableHTTPRules (IST0130, IST0131), issue 39188.
    """
    from mlmesh.graph.routes import route_of

    for item in release.of(ISTIO, "VirtualService"):
        rules = [rule for rule in route_of(item, release).rules if rule.protocol == "http"]
        yield from _shadowed(item, rules) if len(rules) > 1 else ()


def _shadowed(item: "KubeObject", rules: "list[RouteRule]") -> "Iterator[Violation]":
    before = _Before()
    for rule in rules:
        matches = _matches(rule.data)
        taken = [before.taking(match) for match in matches]
        lost = [other for other in taken if other is not None]
        if lost and len(lost) == len(matches):
            yield _dead(item, rule, lost)
        elif lost:
            yield from _in_part(item, rule, taken)
        if "delegate" not in rule.data:  # whose rules may leave some of its requests to those behind it
            before.add(rule, matches)


class _Before:
    """The matches of the rules before one, by the path that they begin with: of very many each is compared with few."""

    def __init__(self) -> None:
        self._wide: list[tuple[Data, RouteRule]] = []
        self._by_path: dict[str, list[tuple[Data, RouteRule]]] = {}
        self._lengths: set[int] = set()

    def add(self, rule: "RouteRule", matches: "list[Data]") -> None:
        for match in matches:
            uri = mapping(match.get("uri"))
            path = uri.get("prefix", uri.get("exact"))
            if not isinstance(path, str) or len(uri) != 1 or match.get("ignoreUriCase") or _is_any(uri):
                self._wide.append((match, rule))
            else:
                self._by_path.setdefault(path, []).append((match, rule))
                self._lengths.add(len(path))

    def taking(self, match: "Data") -> "RouteRule | None":
        """The rule before that takes every request of a match."""
        uri = mapping(match.get("uri"))
        path = uri.get("prefix", uri.get("exact"))
        candidates = list(self._wide)
        if isinstance(path, str):
            for length in self._lengths:
                if length <= len(path):
                    candidates += self._by_path.get(path[:length], ())
        return next((rule for wide, rule in candidates if _covers(wide, match)), None)


def _dead(item: "KubeObject", rule: "RouteRule", lost: "list[RouteRule]") -> Violation:
    first = min(lost, key=lambda other: int(other.pointer.rpartition("/")[2]))
    same = all(_action(rule.data) == _action(other.data) for other in lost)
    back = [wide for wide in _matches(rule.data) for narrow in _matches(first.data) if _covers(wide, narrow)]
    operations: tuple[Operation, ...] = ()
    if not back:  # else the two are alike, and the other would be dead
        operations = ({"op": "remove", "path": rule.pointer}, {"op": "add", "path": first.pointer, "value": rule.data})
    others = " and ".join(dict.fromkeys(_title(other) for other in lost))
    return Violation(
        item,
        rule.pointer,
        f"{_title(rule)} is never used: {others} before it takes all of its requests"
        + (", and does the same with them" if same else ""),
        f"take {_title(rule)} away" if same or back else f"put {_title(rule)} before {_title(first)}",
        severity=WARNING if same else "",
        evidence=str(rule.data.get("name") or ""),
        operations=({"op": "remove", "path": rule.pointer},) if same else operations,
    )


def _in_part(item: "KubeObject", rule: "RouteRule", taken: "list[RouteRule | None]") -> "Iterator[Violation]":
    for index, other in enumerate(taken):
        if other is not None:
            yield Violation(
                item,
                f"{rule.pointer}/match/{index}",
                f"match {index} of {_title(rule)} takes nothing: {_title(other)} before it takes all of its requests",
                "take the match away, or put the rule before the other",
                severity=INFO,
            )


def _action(rule: "Data") -> "Data":
    return {key: value for key, value in rule.items() if key not in _SAID}


def _title(rule: "RouteRule") -> str:
    return f"rule {rule.name}" if rule.name else f"rule {rule.pointer.rpartition('/')[2]}"


RULES = (
    Rule(
        "MLM109",
        rule_shadowed,
        severity=ERROR,
        confidence=OBJECT,
        judges=("VirtualService",),
        scope="object",
        fix="unsafe",
    ),
)
