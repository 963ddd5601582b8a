"""Timeouts and retries that do not do what they say: MLM201, MLM202, MLM203."""

from mlmesh.endpoints.routes import rules
from mlmesh.graph.stamps import derived
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

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
    each = int(whole / (attempts + 1))
    text = f"{each}ms" if each % 1000 else f"{each // 1000}s"
    return ({"op": "replace", "path": f"{route.path}/retries/perTryTimeout", "value": text},) if each else ()


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

    Good: `attempts: 2`, `perTryTimeout: 40s`, `timeout: 125s`

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
                f"most {whole / 1000 / (attempts + 1):.3g}s; " + _where(route),
                operations=_lowered(route, retries),
            )


def retry_repeats_generation(release: "Release") -> "Iterator[Violation]":
    """A retry of a generating endpoint repeats work that a server already did.

    Why: A try that is retried for `5xx`, `gateway-error` or `reset` may already have run a whole generation: one prompt
    is paid for several times, and the client waits for all of them.

    Bad: `retryOn: 5xx,reset` on `/v1/chat/completions`

    Good: `retryOn: connect-failure,refused-stream,reset-before-request`, which repeats only what no server began

    Source: seen on Envoy 1.40; istio/istio issues 13851 and 27340.
    """
    for route, retries in _routes(release):
        attempts, conditions = retries.get("attempts"), retries.get("retryOn")
        costly = [kind.name for kind in route.types if kind.generates]
        if not costly or not isinstance(attempts, int) or attempts < 1 or not isinstance(conditions, str):
            continue
        repeating = [word for word in conditions.split(",") if word in REPEATING]
        if repeating:
            yield Violation(
                route.owner,
                f"{route.path}/retries/retryOn",
                f"the rule serves {' and '.join(costly)}, and retryOn {','.join(repeating)} repeats a request that a "
                f"server already worked on: up to {attempts + 1} generations for one prompt",
                f"retryOn {SAFE}, which repeats only what no server began; " + _where(route),
                operations=({"op": "replace", "path": f"{route.path}/retries/retryOn", "value": SAFE},),
            )


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
        judges=("VirtualService",),
        scope="object",
        fix="unsafe",
    ),
    Rule(
        "MLM203",
        retry_repeats_generation,
        severity=WARNING,
        confidence=OBJECT,
        judges=("VirtualService",),
        scope="object",
        fix="unsafe",
    ),
)
