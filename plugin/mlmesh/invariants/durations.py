"""Timeouts that the API server, istiod or Knative refuses: MLM219."""

from mlmesh.graph.fields import at, mapping, maps
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.invariants.rule import OBJECT, Rule, Violation, noted
from mlmesh.model.findings import ERROR
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release

_UNITS = ("ms", "h", "m", "s")
_ISTIO = "write a number and a unit, in whole milliseconds and no less than 1ms, such as 120s; leave it out for none"
_GATEWAY = "write whole numbers of up to five digits with h, m, s or ms, such as 120s or 1m30s; 0s for none"


def timeout_refused(release: "Release") -> "Iterator[Violation]":
    """A timeout that is no duration, or not one that its API takes: the route is refused, and the install with it.

    Why: A VirtualService's durations are Go's: a number with a unit, in whole milliseconds, at least 1ms, so neither
    `0s` nor `5d`. Gateway API takes whole numbers with h, m, s or ms alone, and no backendRequest above request. An
    InferenceService takes a number of seconds, of which Knative takes 600.

    Bad: `timeout: 300` or `timeout: 5d` in a VirtualService

    Good: `timeout: 300s`

    Source: istio/api networking/v1alpha3/virtual_service.proto; istio/istio pkg/config/validation/validation.go
    ValidateDuration; kubernetes-sigs/gateway-api apis/v1/httproute_types.go HTTPRouteTimeouts, GEP-2257.
    """
    yield from noted(release, "MLM219")  # of InferenceServices, which are read with their pods
    for item in release.of(ISTIO, "VirtualService"):
        for index, rule in maps(at(item.data, "spec.http")):
            found = (("timeout", rule.get("timeout")), ("retries/perTryTimeout", at(rule, "retries.perTryTimeout")))
            for path, value in found:
                wrong = None if value is None else _of_istio(value)
                if wrong:
                    yield Violation(item, f"/spec/http/{index}/{path}", _said(path, value, wrong), _ISTIO)
    for item in release.of(GATEWAY_API, "HTTPRoute"):
        for index, rule in maps(at(item.data, "spec.rules")):
            timeouts = mapping(rule.get("timeouts"))
            for key in ("request", "backendRequest"):
                value = timeouts.get(key)
                wrong = None if value is None else _of_gateway_api(value)
                if wrong is None and key == "backendRequest" and value is not None:
                    wrong = _above(value, timeouts.get("request"))
                if wrong:
                    pointer = f"/spec/rules/{index}/timeouts/{key}"
                    yield Violation(item, pointer, _said(f"timeouts/{key}", value, wrong), _GATEWAY)


def _said(path: str, value: object, wrong: str) -> str:
    return f"{path.replace('/', '.')} {value!r} {wrong}: the API server refuses the route"


def _of_istio(value: object) -> str | None:
    """What is wrong with a duration of a VirtualService."""
    if not isinstance(value, str):
        return "is no string"
    try:
        ms = duration_ms(value)
    except ValueError:
        return "is no duration"
    if ms < 1:
        return "is below 1ms"
    return None if ms.is_integer() else "is not in whole milliseconds"


def _of_gateway_api(value: object) -> str | None:
    """What is wrong with a duration of Gateway API: up to four pairs of up to five digits and a unit."""
    if not isinstance(value, str):
        return "is no string"
    rest, pairs = value, 0
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789"))
        unit = next((unit for unit in _UNITS if rest[digits:].startswith(unit)), "")
        if not 1 <= digits <= 5 or not unit:
            return "is no duration of Gateway API"
        rest, pairs = rest[digits + len(unit) :], pairs + 1
    return None if 1 <= pairs <= 4 else "is no duration of Gateway API"


def _above(each: str, whole: object) -> str | None:
    if not isinstance(whole, str) or _of_gateway_api(whole) or not duration_ms(whole):
        return None
    return f"is above request {whole!r}" if duration_ms(each) > duration_ms(whole) else None


RULES = (
    Rule(
        "MLM219",
        timeout_refused,
        severity=ERROR,
        confidence=OBJECT,
        judges=("VirtualService", "HTTPRoute", "InferenceService"),
        scope="object",
    ),
)
