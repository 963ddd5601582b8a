"""Timeouts and retries that do not do what they say: MLM201, MLM202, MLM203.

Seen on Envoy 1.40: a perTryTimeout that is not below the timeout is ignored; Envoy makes ``attempts + 1`` tries, and
the route's timeout ends them all; a try that is retried for ``5xx``, ``gateway-error`` or ``reset`` may already have
run a whole generation.
"""

from mlmesh.endpoints.routes import rules
from mlmesh.graph.stamps import derived
from mlmesh.invariants.rule import Rule, Violation
from mlmesh.model.findings import ERROR, WARNING
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.endpoints.routes import Rule as Route
    from mlmesh.graph.release import Release

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


def try_outlasts_timeout(release: "Release") -> "Iterator[Violation]":
    """Rules whose perTryTimeout is not below their timeout."""
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
            )


def tries_exceed_timeout(release: "Release") -> "Iterator[Violation]":
    """Rules whose timeout ends before their last try could."""
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
            )


def retry_repeats_generation(release: "Release") -> "Iterator[Violation]":
    """Rules to generating endpoints that retry a request which may have been worked on."""
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
            )


RULES = (
    Rule(
        code="MLM201",
        name="try-outlasts-timeout",
        severity=ERROR,
        confidence="object",
        scope="object",
        kinds=("VirtualService",),
        fix="unsafe",
        summary="A perTryTimeout that is not below the timeout is ignored: no retry of a slow answer runs.",
        check=try_outlasts_timeout,
    ),
    Rule(
        code="MLM202",
        name="tries-exceed-timeout",
        severity=WARNING,
        confidence="object",
        scope="object",
        kinds=("VirtualService",),
        fix="unsafe",
        summary="The timeout ends before all tries could: (attempts + 1) x perTryTimeout is more than timeout.",
        check=tries_exceed_timeout,
    ),
    Rule(
        code="MLM203",
        name="retry-repeats-generation",
        severity=WARNING,
        confidence="object",
        scope="object",
        kinds=("VirtualService",),
        fix="unsafe",
        summary="A retry of a generating endpoint repeats work that a server already did.",
        check=retry_repeats_generation,
    ),
)
