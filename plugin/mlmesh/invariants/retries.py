"""Retries that istiod refuses, and a timeout that takes another's place: MLM205 and MLM206."""

from mlmesh.graph.fields import at, maps
from mlmesh.graph.gateways import Gateways
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.model.patches import Operation

# istio/istio pkg/config/validation/validation.go supportedRetryOnPolicies, and the statuses of Go's net/http.
WORDS = frozenset(
    {
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream",
        "retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure", "cancelled",
        "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    }
)  # fmt: skip
STATUSES = frozenset(
    {*range(100, 104), *range(200, 209), 226, *range(300, 306), 307, 308, *range(400, 419), *range(421, 427), 428, 429}
    | {431, 451, *range(500, 509), 510, 511}
)
_SET = ("perTryTimeout", "retryOn", "retryRemoteLocalities")
_INT32 = 2**31 - 1


def retry_refused(release: "Release") -> "Iterator[Violation]":
    """Retries that istiod's webhook refuses: 0 attempts with more to say, or a word of retryOn that it does not know.

    Why: istiod's webhook takes `attempts: 0`, which is also what is meant where `attempts` is left out, only alone. Of
    retryOn it takes a list of words and status codes that it does not trim: a space before a word makes it another one.
    The VirtualService is refused, and the install with it. Attempts that are no number the API server refuses.

    Bad: `retryOn: 5xx, reset`

    Good: `retryOn: 5xx,reset`

    Source: istio/istio pkg/config/validation/validation.go validateHTTPRetry.
    """
    for item in release.of(ISTIO, "VirtualService"):
        for index, rule in maps(at(item.data, "spec.http")):
            retries = rule.get("retries")
            place = f"/spec/http/{index}/retries"
            if retries is not None and not isinstance(retries, dict):
                message = f"retries {retries!r} is no map: the API server refuses the VirtualService"
                yield Violation(item, place, message, "attempts, perTryTimeout and retryOn below it", evidence=message)
            if isinstance(retries, dict):
                for violation in (_attempts(retries, place), _conditions(retries, place)):
                    if violation is not None:
                        pointer, message, remedy, operations = violation
                        yield Violation(item, pointer, message, remedy, evidence=message, operations=operations)


def _attempts(retries: "dict[str, Any]", place: str) -> "tuple[str, str, str, tuple[Operation, ...]] | None":
    attempts = retries.get("attempts")
    if attempts is not None and (not isinstance(attempts, int) or isinstance(attempts, bool) or attempts > _INT32):
        number = int(attempts) if isinstance(attempts, str) and attempts.isdecimal() else 2
        fix: Operation = {"op": "replace", "path": f"{place}/attempts", "value": number}
        return (
            f"{place}/attempts",
            f"attempts {attempts!r} is no whole number that the API server takes: it refuses the VirtualService",
            f"attempts: {number}",
            (fix,) if str(number) == attempts else (),
        )
    if isinstance(attempts, int) and attempts < 0:
        return f"{place}/attempts", f"istiod refuses attempts {attempts}: it cannot be negative", "attempts: 0", ()
    said = [key for key in _SET if retries.get(key) is not None and retries[key] != ""]
    if attempts not in (None, 0) or not said:
        return None
    if attempts is None:
        return (
            place,
            f"attempts is left out, which means 0, and istiod refuses {' and '.join(said)} beside it: the "
            f"VirtualService is not taken",
            "attempts: 2 (or how often else a request may be repeated)",
            (),
        )
    return (
        place,
        f"attempts 0 means no retries, and istiod refuses {' and '.join(said)} beside it: the VirtualService is not "
        f"taken",
        "attempts: 0 alone, for no retries; or more attempts",
        tuple({"op": "remove", "path": f"{place}/{key}"} for key in said),
    )


def _conditions(retries: "dict[str, Any]", place: str) -> "tuple[str, str, str, tuple[Operation, ...]] | None":
    text = retries.get("retryOn")
    if text is not None and not isinstance(text, str):
        said = f"retryOn {text!r} is no string: the API server refuses the VirtualService"
        return f"{place}/retryOn", said, "conditions in one string, with commas between them: '5xx,503'", ()
    if not text:
        return None
    words = text.split(",")
    wrong = [word for word in words if not _is_known(word)]
    if not wrong:
        return None
    trimmed = [word.strip() for word in words if word.strip()]
    mended = ",".join(trimmed) if trimmed and all(map(_is_known, trimmed)) else ""
    place = f"{place}/retryOn"
    return (
        place,
        f"istiod does not know {', '.join(repr(word) for word in wrong)} in retryOn"
        + (", since it does not trim words" if mended else "")
        + ": the VirtualService is not taken",
        f"retryOn: {mended}" if mended else f"words of {', '.join(sorted(WORDS))}, and status codes, with commas alone",
        ({"op": "replace", "path": place, "value": mended},) if mended else (),
    )


def _is_known(word: str) -> bool:
    return word in WORDS or (word.isdecimal() and int(word) in STATUSES)


def backendrequest_wins(release: "Release") -> "Iterator[Violation]":
    """An HTTPRoute without retry whose backendRequest is below its request: the whole request ends at the lower.

    Why: Istio has `backendRequest` bound one try only where the rule has `retry`. Without it, it takes the place of
    `request`: the answer is cut there, and the longer number is never reached.

    Bad: `timeouts: {request: 300s, backendRequest: 60s}`

    Good: `timeouts: {request: 300s}`; or `retry`, which is in Gateway API's experimental channel, beside both

    Source: istio/istio pilot/pkg/config/kube/gateway/conversion.go convertHTTPRoute.
    """
    gateways: Gateways | None = None
    for item in release.of(GATEWAY_API, "HTTPRoute"):
        for index, rule in maps(at(item.data, "spec.rules")):
            timeouts = rule.get("timeouts")
            if not isinstance(timeouts, dict) or rule.get("retry") is not None:
                continue
            whole, each = _ms(timeouts.get("request")), _ms(timeouts.get("backendRequest"))
            if whole is None or not each or (whole and each >= whole):
                continue
            gateways = gateways or Gateways(release)
            istio = gateways.istio(route_of(item, release))
            if istio is False:
                break
            experimental = release.mesh("gatewayApiChannel") == "experimental"
            place = f"/spec/rules/{index}"
            without: Operation = {"op": "remove", "path": f"{place}/timeouts/backendRequest"}
            repeated: Operation = {"op": "add", "path": f"{place}/retry", "value": {"attempts": 1}}
            cut = f"request {timeouts['request']} is never reached" if whole else "request 0s does not keep it going"
            yield Violation(
                item,
                f"{place}/timeouts/backendRequest",
                f"the rule has no retry, so Istio takes backendRequest {timeouts['backendRequest']} for the whole "
                f"request: an answer that is not through by then is cut, and {cut}",
                "retry: {attempts: 1} beside the timeouts (the experimental channel has it), so that each try has "
                f"{timeouts['backendRequest']}"
                if experimental
                else f"leave backendRequest out, so that request {timeouts['request']} holds; with retry, which "
                f"Gateway API has in its experimental channel, it would bound each try",
                severity="" if istio else WARNING,
                operations=(repeated if experimental else without,),
            )


def _ms(value: object) -> float | None:
    try:
        return duration_ms(value) if isinstance(value, str) else None
    except ValueError:
        return None


RULES = (
    Rule(
        "MLM205",
        retry_refused,
        severity=ERROR,
        confidence=OBJECT,
        judges=("VirtualService",),
        scope="object",
        fix="safe",
    ),
    Rule(
        "MLM206",
        backendrequest_wins,
        severity=ERROR,
        confidence=OBJECT,
        judges=("HTTPRoute",),
        reads=("Gateway",),
        scope="object",
        fix="unsafe",
    ),
)
