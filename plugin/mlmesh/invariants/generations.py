"""Generations that their route ends before their server does: MLM207.

A timeout counts to the last byte of the answer. A stream that goes on for longer is cut in the middle, with status 200
and half an answer (seen on Envoy 1.40); what is not streamed is answered 504 (llm-d-incubation/llm-d-modelservice issue
45, kserve/kserve issue 3706, istio/istio issue 57931). What is too short for a generation, the policy says: its block
of the type, or the objectives of the host. On an HTTPRoute without `retry`, `backendRequest` takes `request`'s place.
"""

from math import inf

from mlmesh.endpoints.routes import rules
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.invariants.rule import Rule, Violation
from mlmesh.model.findings import WARNING
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.endpoints.routes import Rule as Served
    from mlmesh.graph.release import Release


def generation_cut(release: "Release") -> "Iterator[Violation]":
    """Rules for generations whose timeout is below every one that the policy gives the types of generations there."""
    for item in (*release.of(ISTIO, "VirtualService"), *release.of(GATEWAY_API, "HTTPRoute")):
        for rule in rules(item, release):
            seconds = rule.matched.timeout
            if seconds is None or seconds == inf or not rule.sure:
                continue
            wanted = {
                kind.name: _wanted(rule, index, release) for index, kind in enumerate(rule.types) if kind.generates
            }
            if wanted and seconds < min(wanted.values()):
                longest = max(wanted, key=lambda name: wanted[name])
                yield Violation(
                    item,
                    rule.path,
                    f"the rule serves {' and '.join(wanted)}, and ends every answer after {seconds:g}s, be it half of "
                    f"a stream; by the policy {longest} may take {wanted[longest]:g}s",
                    "leave the timeout out to have it derived, or set objectives of this host that the server keeps",
                )


def _wanted(rule: "Served", index: int, release: "Release") -> float:
    """Seconds that the policy gives one of the rule's types; inf where it sets no timeout."""
    from mlmesh.endpoints.derive import block

    found = block(rule.types[index : index + 1], release.policy, rule.hosts(release), namespace=rule.owner.namespace)
    return duration_ms(str(found["timeout"])) / 1000 if "timeout" in found else inf


RULES = (
    Rule(
        code="MLM207",
        name="generation-cut",
        severity=WARNING,
        confidence="guess",
        scope="object",
        kinds=("VirtualService", "HTTPRoute"),
        fix="unsafe",
        summary="A rule for generations with a timeout below what the policy gives them.",
        check=generation_cut,
    ),
)
