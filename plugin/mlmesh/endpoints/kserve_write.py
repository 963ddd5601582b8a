"""What is derived into KServe's objects, and what is noted of them: too short a time, and what they cannot say."""

from math import inf

from mlmesh.endpoints import kserve
from mlmesh.endpoints.kserve import KNATIVE, LONGEST, STANDARD, UNSET, given_seconds, mode, wanted_seconds
from mlmesh.endpoints.write import gateway_duration, says_retry, set_by_user, unsaid, wanted_by_http_route
from mlmesh.graph.fields import at
from mlmesh.graph.violation import Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from mlmesh.endpoints.routes import Rule
    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

    Field = tuple[str, Any, str]  # where (from the object), the value, and why


def derived_fields(
    item: "KubeObject", pods: "Sequence[PodTemplate]", release: "Release", ours: "frozenset[str]"
) -> "Iterator[Field]":
    """What is derived into one of KServe's objects; of earlier runs are ``ours``.

    Notes MLM219 for what is refused, MLM207 for what is too short, MLM216 for a part that nothing tells of, MLM217 for
    what a generation's block has and the object cannot say.
    """
    unknown: list[Rule] = []
    lost: list[tuple[Rule, list[str]]] = []
    for rule in kserve.rules_of(item, pods, release) if item.kind in kserve.KINDS else ():
        own = set_by_user(rule, ours)
        if own and item.kind == "InferenceService":
            _note_refused(rule, release)
        if not rule.types:
            unknown += [] if own or item.kind != "InferenceService" else [rule]
            continue
        if rule.sure and own:
            _note_short(rule, release)
        if own or not rule.backends:
            continue
        if item.kind == "InferenceService":
            yield from _timeout(rule, release)
        elif rule.sure:
            for key, value in wanted_by_http_route(rule, release).items():
                yield f"{rule.path}/{key}", value, f"a route of it serves {_served(rule, '+')} ({rule.reason})"
        words = unsaid(rule, release) if rule.sure and any(kind.generates for kind in rule.types) else []
        lost += [(rule, words)] if words else []
    if unknown:
        _note_unknown(unknown[0], release)
    if lost:
        _note_unsaid(*lost[0], release)


def is_ours(path: str) -> bool:
    """Whether a derived pointer is one of these fields."""
    return path.startswith(kserve.ROUTE) or path in [f"/spec/{part}/timeout" for part in kserve.PARTS]


def _timeout(rule: "Rule", release: "Release") -> "Iterator[Field]":
    how = mode(rule.owner)
    wanted = wanted_seconds(rule, release)
    given = given_seconds(wanted, how)
    if given is None:
        return
    part = rule.path.rpartition("/")[2]
    unset = f"KServe would end it after {UNSET[how]}s" if how != KNATIVE else f"Knative would, after {UNSET[how]}s"
    reason = f"{part} serves {_served(rule, '+')} ({rule.reason}), which may take {wanted:g}s: {unset}"
    if given < wanted:
        _note(
            "MLM207",
            rule,
            "/timeout",
            f"the {part} serves {_served(rule, ' and ')}, which by the policy may take {wanted:g}s, and Knative "
            f"refuses more than {LONGEST}s unless its max-revision-timeout-seconds says more: every request, streams "
            f"too, ends after {LONGEST}s",
            f"timeout: {wanted:g} once Knative's ConfigMap config-defaults allows it; or, where KServe runs it without "
            f"Knative, the annotation serving.kserve.io/deploymentMode: {STANDARD}",
            release=release,
        )
    yield f"{rule.path}/timeout", given, reason + kserve.adjusted(given, wanted)


def _note_refused(rule: "Rule", release: "Release") -> None:
    own = rule.data["timeout"]
    if not isinstance(own, int) or isinstance(own, bool) or own < 0:
        said = f"timeout {own!r} of an InferenceService is no number of seconds: the API server refuses it"
        _note("MLM219", rule, "/timeout", said, "a whole number without unit and quotes, such as 120", release=release)
    elif own > LONGEST and mode(rule.owner) == KNATIVE:
        said = (
            f"timeout {own} is above the {LONGEST}s that Knative takes unless its max-revision-timeout-seconds says "
            f"more: its webhook refuses the revision, and no new pod comes up"
        )
        remedy = f"timeout: {LONGEST}, or max-revision-timeout-seconds of {own} in Knative's ConfigMap config-defaults"
        _note("MLM219", rule, "/timeout", said, remedy, release=release, severity=WARNING)


def _note_short(rule: "Rule", release: "Release") -> None:
    """MLM207 where a rule that generates ends its answers sooner than the policy has each of its types take."""
    seconds = rule.matched.timeout
    generating = [kind for kind in rule.types if kind.generates]
    if not generating or seconds is None or not 0 < seconds < inf:
        return
    least = min(wanted_seconds(_alone(rule, kind), release) for kind in generating)
    if seconds >= least:
        return
    longest = wanted_seconds(rule, release)
    wanted = least if longest == inf else longest
    value: int | str
    if rule.owner.kind == "InferenceService":
        path, value = "/timeout", given_seconds(wanted, mode(rule.owner)) or int(wanted)
        remedy = f"timeout: {value}, or leave it out to have it derived"
        what = f"the {rule.path.rpartition('/')[2]}"
        who = "KServe"
    else:
        path = "/timeouts/request"
        value = gateway_duration(f"{wanted:.0f}s")
        remedy = f"timeouts: {{request: {value}}}, or leave timeouts out to have them derived"
        what, who = "the route", "its gateway"
    there = at(rule.data, path[1:].replace("/", ".")) is not None
    operation: Operation = {"op": "replace", "path": rule.path + path, "value": value}
    _note(
        "MLM207",
        rule,
        path if there else "",
        f"{what} serves {' and '.join(kind.name for kind in generating)}, and {who} ends every request, streams too, "
        f"after {seconds:g}s: the policy gives {wanted:g}s",
        remedy,
        release=release,
        operations=(operation,) if there else (),
    )


def _alone(rule: "Rule", kind: "Any") -> "Rule":
    """The rule as if it served one type alone."""
    return type(rule)(rule.route, rule.matched, (kind,), rule.reason, sure=True)


def _note_unknown(rule: "Rule", release: "Release") -> None:
    part = rule.path.rpartition("/")[2]
    _note(
        "MLM216",
        rule,
        "",
        f"nothing tells what the {part} serves ({rule.reason}), so no timeout is derived for it: KServe ends its "
        f"requests, streams too, after {UNSET[STANDARD]}s, or Knative after {UNSET[KNATIVE]}s",
        "annotation mlmesh.dev/endpoint on the object names the types; or set its timeout",
        release=release,
    )


def _note_unsaid(rule: "Rule", words: list[str], release: "Release") -> None:
    kind = rule.owner.kind
    says = kind == "LLMInferenceService" and says_retry(release) and "attempts 0" not in words
    _note(
        "MLM217",
        rule,
        "",
        f"it serves {_served(rule, ' and ')}, whose block has {', '.join(words)}, and an {kind} cannot say that"
        + ("" if says else ": Istio repeats 2 times what no server began"),
        "nothing need be done where that will do; a VirtualService for the Service of its pods can say it to callers "
        "within the mesh",
        release=release,
    )


def _note(
    code: str,
    rule: "Rule",
    path: str,
    message: str,
    remedy: str,
    *,
    release: "Release",
    operations: "tuple[Operation, ...]" = (),
    severity: str = "",
) -> None:
    violation = Violation(
        rule.owner,
        rule.path + path,
        message,
        remedy,
        severity=severity,
        evidence=rule.path.rpartition("/")[2],
        operations=operations,
    )
    release.notes.setdefault(code, []).append(violation)


def _served(rule: "Rule", between: str) -> str:
    return between.join(kind.name for kind in rule.types)
