"""Objectives of the policy that no route has: MLM220.

Another release's routes may be meant, so it is a warning only where a route of this one has the name in another
spelling.
"""

from mlmesh.endpoints.derive import hosts_with_objectives, routes_with_objectives
from mlmesh.endpoints.routes import KINDS, rules
from mlmesh.graph.fields import at, mapping
from mlmesh.graph.hosts import fqdn
from mlmesh.invariants.rule import ABSENCE, Rule, Violation
from mlmesh.model.findings import INFO, WARNING
from mlmesh.model.patches import pointer
from mlmesh.policy.names import KIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

_KSERVE = {"InferenceService", "LLMInferenceService"}


def objectives_for_nobody(release: "Release") -> "Iterator[Violation]":
    """The policy has objectives for a host or a route that no route of the release leads to, or is.

    Why: The timeouts that were meant to follow from them follow from the defaults, and nobody hears of it: a long
    generation is cut where its owner has just said how long it takes. A short host name is of the release's own
    namespace, which seldom is the one where the models are.

    Bad: objectives for `llm` in a release of namespace `platform`, whose route leads to `llm` in `ml`

    Good: objectives for `llm.ml.svc.cluster.local`

    Source: docs/timeouts.md.
    """
    item = release.policy.carrier
    if item is None or item.kind != KIND:
        return
    objectives = at(item.data, "spec.endpoints.objectives")
    named = [(level, key) for level in ("hosts", "routes") for key in mapping(at(objectives, level))]
    if not named or release.kinds & _KSERVE:  # KServe makes routes of its own
        return
    used: set[tuple[str, str]] = set()
    hosts: set[str] = set()
    routes: set[str] = set()
    for kind, group in KINDS.items():
        for route in release.of(group, kind):
            namespace = release.namespace(route)
            for rule in rules(route, release):
                names, leads = (namespace, route.name, rule.matched.name), rule.hosts(release)
                used.update(("hosts", key) for key in hosts_with_objectives(release.policy, leads, namespace))
                used.update(("routes", key) for key in routes_with_objectives(release.policy, *names))
                hosts.update(fqdn(host, namespace, release.policy.spec["mesh"]["clusterDomain"]) for host in leads)
                routes.update((f"{namespace}/{route.name}", f"{namespace}/{route.name}#{rule.matched.name}"))
    for level, key in named:
        if (level, key) not in used:
            yield _nobody(item, level, key, sorted(hosts if level == "hosts" else routes))


def _nobody(carrier: "KubeObject", level: str, key: str, known: list[str]) -> Violation:
    word = "leads to" if level == "hosts" else "is"
    alike = [each for each in known if _short(level, each) == _short(level, key)]
    remedy = f"write {' or '.join(alike)}" if alike else "name the host or the route that is meant"
    return Violation(
        carrier,
        pointer("spec", "endpoints", "objectives", level, key),
        f"no route of this release {word} {key}, so nothing follows from these objectives",
        f"{remedy}; where another release has the route, nothing",
        evidence=f"{level} {key}",
        severity=WARNING if alike else INFO,
    )


def _short(level: str, key: str) -> str:
    """The name that both spellings have: a host's first part, a route's without namespace and rule."""
    return key.partition(".")[0] if level == "hosts" else key.partition("#")[0].rpartition("/")[2]


RULES = (
    Rule(
        "MLM220",
        objectives_for_nobody,
        severity=WARNING,
        confidence=ABSENCE,
        judges=(KIND,),
        reads=tuple(KINDS),
    ),
)
