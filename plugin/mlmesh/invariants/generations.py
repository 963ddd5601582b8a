"""Generations that their route ends before their server does: MLM207."""

from math import inf

from mlmesh.endpoints.routes import Rule as Served
from mlmesh.endpoints.routes import rules
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.invariants.rule import GUESS, Rule, Violation, noted
from mlmesh.model.findings import WARNING
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.endpoints.catalogue import EndpointType
    from mlmesh.graph.release import Release


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
        "MLM207",
        generation_cut,
        severity=WARNING,
        confidence=GUESS,
        judges=("VirtualService", "HTTPRoute", "InferenceService", "LLMInferenceService"),
        scope="object",
        fix="unsafe",
    ),
)
