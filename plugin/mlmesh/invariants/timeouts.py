"""Timeouts and retries that do not do what they say, or end generations too early: MLM201, 202, 203, 207."""

from math import inf

from mlmesh.endpoints.routes import Rule as Served
from mlmesh.endpoints.routes import rules
from mlmesh.graph.fields import entries
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.stamps import derived
from mlmesh.invariants.rule import GUESS, OBJECT, Rule, Violation, noted
from mlmesh.model.findings import ERROR, WARNING
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.endpoints.catalogue import EndpointType
    from mlmesh.endpoints.routes import Rule as Route
    from mlmesh.graph.release import Release
    from mlmesh.model.patches import Operation

REPEATING = ("5xx", "gateway-error", "reset")  # retried though the request may have been worked on
SAFE = "connect-failure,refused-stream,reset-before-request"


def _routes(release: "Release") -> "Iterator[tuple[Route, dict[str, Any]]]":
    for item in release.of("networking.istio.io", "VirtualService"):
        for route in rules(item, release):
            retries = route.data.get("retries")
            if isinstance(retries, dict):
                yield route, retries


def _repeating(release: "Release") -> "Iterator[tuple[Route, dict[str, Any], int]]":
    """The rules of HTTPRoutes that have retries, with these and how many they are: 2 where that is left out."""
    for item in release.of(GATEWAY_API, "HTTPRoute"):
        for route in rules(item, release):
            retry = route.data.get("retry")
            attempts = retry.get("attempts", 2) if isinstance(retry, dict) else 0
            if isinstance(retry, dict) and isinstance(attempts, int) and attempts > 0:
                yield route, retry, attempts


def _ms(value: object) -> float | None:
    try:
        return duration_ms(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _where(route: "Route") -> str:
    """Where a person changes the retries: in the policy if they were derived, else in the manifest."""
    if f"{route.path}/retries" in derived(route.owner):
        kind = route.types[0].name if route.types else "TYPE"
        return f"it was derived: set it in the policy under endpoints.types.{kind}, or write the rule's own block"
    return "change it in the VirtualService, or leave timeout and retries out of the rule to have them derived"


def _lowered(route: "Route", retries: "dict[str, Any]") -> "tuple[Operation, ...]":
    """A perTryTimeout of which all tries fit into the timeout; none where it was derived, or there are no retries."""
    whole, attempts = _ms(route.data.get("timeout")), retries.get("attempts")
    if f"{route.path}/retries" in derived(route.owner) or not isinstance(attempts, int) or attempts < 1 or not whole:
        return ()
    text = _fitting(whole, attempts)
    return ({"op": "replace", "path": f"{route.path}/retries/perTryTimeout", "value": text},) if text != "0s" else ()


def _fitting(whole: float, attempts: int) -> str:
    """The longest perTryTimeout, to the millisecond, of which all tries fit into a timeout of so many milliseconds."""
    each = int(whole / (attempts + 1))
    return f"{each}ms" if each % 1000 else f"{each // 1000}s"


def try_outlasts_timeout(release: "Release") -> "Iterator[Violation]":
    """A perTryTimeout that is not below the timeout is ignored: no retry of a slow answer runs.

    Why: Envoy ignores a perTryTimeout that is not below the timeout. The first try takes all the time, and no retry of
    a slow answer runs.

    Bad: `timeout: 60s` with `perTryTimeout: 60s`

    Good: `timeout: 120s` with `perTryTimeout: 55s` and one attempt

    Source: seen on Envoy 1.40.
    """
    for route, retries in _routes(release):
        each, whole = _ms(retries.get("perTryTimeout")), _ms(route.data.get("timeout"))
        if each is not None and whole and each >= whole:
            yield Violation(
                route.owner,
                f"{route.path}/retries/perTryTimeout",
                f"perTryTimeout {retries['perTryTimeout']} is not below timeout {route.data['timeout']}: Envoy ignores "
                f"it, the first try takes all the time, and no retry of a slow answer ever runs",
                f"let {retries.get('attempts', 2)} retries fit: perTryTimeout below timeout / (attempts + 1); "
                + _where(route),
                operations=_lowered(route, retries),
            )


def tries_exceed_timeout(release: "Release") -> "Iterator[Violation]":
    """The timeout ends before all tries could: (attempts + 1) x perTryTimeout is more than timeout.

    Why: Envoy makes attempts + 1 tries, and the route's timeout ends them all: the last ones never have their time.

    Bad: `attempts: 2`, `perTryTimeout: 60s`, `timeout: 120s`

    Good: `attempts: 2`, `perTryTimeout: 40s`, `timeout: 125s`; an HTTPRoute's are `backendRequest` and `request`

    Source: seen on Envoy 1.40.
    """
    for route, retries in _routes(release):
        each, whole = _ms(retries.get("perTryTimeout")), _ms(route.data.get("timeout"))
        attempts = retries.get("attempts")
        if each is None or not whole or each >= whole or not isinstance(attempts, int) or attempts < 1:
            continue
        needed = (attempts + 1) * each
        if needed > whole:
            yield Violation(
                route.owner,
                f"{route.path}/retries",
                f"{attempts + 1} tries of {retries['perTryTimeout']} need {needed / 1000:g}s, but timeout "
                f"{route.data['timeout']} ends them: when every try runs out, only {int(whole // each)} of "
                f"{attempts + 1} end by themselves",
                f"timeout of at least {needed / 1000 + 0.25 * attempts:g}s (with back-off), or a perTryTimeout of at "
                f"most {_fitting(whole, attempts)}; " + _where(route),
                operations=_lowered(route, retries),
            )
    for route, _, attempts in _repeating(release):
        timeouts = route.data.get("timeouts")
        said = timeouts if isinstance(timeouts, dict) else {}
        each, whole = _ms(said.get("backendRequest")), _ms(said.get("request"))
        if each and whole and (attempts + 1) * each > whole:
            needed = (attempts + 1) * each / 1000
            yield Violation(
                route.owner,
                f"{route.path}/timeouts",
                f"{attempts + 1} tries of backendRequest {said['backendRequest']} need {needed:g}s, but request "
                f"{said['request']} ends them",
                f"request of at least {needed + 0.25 * attempts:g}s (with back-off), or a backendRequest of at most "
                f"{whole / 1000 / (attempts + 1):.3g}s",
            )


def retry_repeats_generation(release: "Release") -> "Iterator[Violation]":
    """A retry of a generating endpoint repeats work that a server already did.

    Why: A try that is retried for `5xx`, `gateway-error` or `reset` may already have run a whole generation: one prompt
    is paid for several times, and the client waits for all of them.

    Bad: `retryOn: 5xx,reset` on `/v1/chat/completions`; of an HTTPRoute `retry: {codes: [500]}`

    Good: `retryOn: connect-failure,refused-stream,reset-before-request`, which repeats only what no server began

    Source: seen on Envoy 1.40; istio/istio issues 13851 and 27340.
    """
    for route, retries in _routes(release):
        attempts, conditions = retries.get("attempts"), retries.get("retryOn")
        costly = [kind.name for kind in route.types if kind.generates]
        if not costly or not isinstance(attempts, int) or attempts < 1 or not isinstance(conditions, str):
            continue
        words = conditions.split(",")
        repeating = [word for word in words if word in REPEATING or (word.isdecimal() and 500 <= int(word) < 600)]
        if repeating:
            yield Violation(
                route.owner,
                f"{route.path}/retries/retryOn",
                f"the rule serves {' and '.join(costly)}, and retryOn {','.join(repeating)} repeats a request that a "
                f"server already worked on: up to {attempts + 1} generations for one prompt",
                f"retryOn {SAFE}, which repeats only what no server began; " + _where(route),
                operations=({"op": "replace", "path": f"{route.path}/retries/retryOn", "value": SAFE},),
            )
    for route, retry, attempts in _repeating(release):
        costly = [kind.name for kind in route.types if kind.generates]
        codes = [str(code) for code in entries(retry.get("codes")) if type(code) is int and code >= 500]
        if costly and codes:
            yield Violation(
                route.owner,
                f"{route.path}/retry/codes",
                f"the rule serves {' and '.join(costly)}, and a retry of {', '.join(codes)} repeats a request that a "
                f"server may have worked on: up to {attempts + 1} generations for one prompt",
                "leave codes out: what no server began is repeated without them",
                operations=({"op": "remove", "path": f"{route.path}/retry/codes"},),
            )


def generation_cut(release: "Release") -> "Iterator[Violation]":
    """A rule for generations with a timeout below what the policy gives them.

    Why: A timeout counts to the last byte of the answer. A stream that goes on for longer is cut in the middle, with
    status 200 and half an answer; what is not streamed is answered 504.

    Bad: `timeout: 15s` on `/v1/chat/completions`

    Good: no timeout, to have it derived, or one that the policy's block or objectives allow

    Source: seen on Envoy 1.40; llm-d-incubation/llm-d-modelservice issue 45, kserve/kserve issue 3706, istio/istio
    issue 57931.
    """
    yield from noted(release, "MLM207")  # of KServe's objects, which are read with their pods
    for item in (*release.of(ISTIO, "VirtualService"), *release.of(GATEWAY_API, "HTTPRoute")):
        for rule in rules(item, release):
            seconds = rule.matched.timeout
            if seconds is None or seconds == inf or not rule.sure:
                continue
            wanted = {kind.name: _wanted(rule, kind, release) for kind in rule.types if kind.generates}
            if wanted and seconds < min(wanted.values()):
                longest = max(wanted, key=lambda name: wanted[name])
                yield Violation(
                    item,
                    rule.path,
                    f"the rule serves {' and '.join(wanted)}, and ends every answer after {seconds:g}s, be it half of "
                    f"a stream; by the policy {longest} may take {wanted[longest]:g}s",
                    "leave the timeout out to have it derived, or set objectives of this host that the server keeps",
                )


def _wanted(rule: "Served", kind: "EndpointType", release: "Release") -> float:
    """Seconds that the policy gives one of the rule's types; inf where it sets no timeout."""
    from mlmesh.endpoints.write import numbers

    found = numbers(Served(rule.route, rule.matched, (kind,), rule.reason, sure=True), release)
    return duration_ms(str(found["timeout"].value)) / 1000 if "timeout" in found else inf


RULES = (
    Rule(
        "MLM201",
        try_outlasts_timeout,
        severity=ERROR,
        confidence=OBJECT,
        judges=("VirtualService",),
        scope="object",
        fix="unsafe",
    ),
    Rule(
        "MLM202",
        tries_exceed_timeout,
        severity=WARNING,
        confidence=OBJECT,
        judges=("VirtualService", "HTTPRoute"),
        scope="object",
        fix="unsafe",
    ),
    Rule(
        "MLM203",
        retry_repeats_generation,
        severity=WARNING,
        confidence=OBJECT,
        judges=("VirtualService", "HTTPRoute"),
        scope="object",
        fix="unsafe",
    ),
    Rule(
        "MLM207",
        generation_cut,
        severity=WARNING,
        confidence=GUESS,
        judges=("VirtualService", "HTTPRoute", "InferenceService", "LLMInferenceService"),
        scope="object",
        fix="unsafe",
    ),
)
