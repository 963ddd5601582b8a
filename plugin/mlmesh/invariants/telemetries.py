"""Telemetries that say nothing, or stand in each other's way: MLM964, 965.

istio/istio pilot/pkg/model/telemetry.go: a proxy has the oldest Telemetry without a selector of the root namespace and
of its own, and all whose selector fits, the younger over the older.
"""

from itertools import islice

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.membership import meet
from mlmesh.invariants.rule import CONTRADICTION, PODS, VERSION, Rule, Violation
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

GROUP = "telemetry.istio.io"
SHOWN = 3
_SECTIONS = ("metrics", "tracing", "accessLogging")


def provider_empty(release: "Release") -> "Iterator[Violation]":
    """An access log of a Telemetry names no provider: its filter holds for nothing, and without a default nothing logs.

    Why: Access logs are kept by provider. An entry without one takes over those that an entry before it, or the root
    namespace's Telemetry, names, but brings them no filter; where there are none, and the mesh has no
    `defaultProviders.accessLogging`, it does nothing.

    Bad: `accessLogging: [{filter: {expression: "response.code >= 400"}}]`

    Good: `accessLogging: [{providers: [{name: envoy}], filter: {expression: "response.code >= 400"}}]`

    Source: istio/istio pilot/pkg/model/telemetry.go mergeLogs; IST0157.
    """
    root = release.mesh("rootNamespace")
    above = ""
    for item in release.known(GROUP, "Telemetry"):
        if release.namespace(item) == root and _is_wide(item) and _names_provider(item):
            above = item.title
    for item in release.of(GROUP, "Telemetry"):
        given = above if above != item.title else ""
        for index, log in maps(at(item.data, "spec.accessLogging")):
            if entries(log.get("providers")):
                given = "an entry before it"
            elif log.get("disabled") is not True and (log.get("filter") or not given):
                lost = "its filter holds for nothing" if log.get("filter") else ""
                silent = "" if given else "nothing is logged by it unless the mesh has defaultProviders.accessLogging"
                yield Violation(
                    item,
                    f"/spec/accessLogging/{index}",
                    f"the entry names no provider: {', and '.join(filter(None, (lost, silent)))}"
                    + (f"; the provider is that of {given}, with that one's filter" if given else ""),
                    "providers: [{name: envoy}], or another of the mesh's extensionProviders",
                    evidence=str(index),
                )


def telemetries_overlap(release: "Release") -> "Iterator[Violation]":
    """Two Telemetries are for the same pods: of two without a selector one is never read; of others the younger wins.

    Why: For a namespace istiod takes the oldest Telemetry without a selector, and never looks at another. Telemetries
    whose selectors fit the same pod are laid over each other by their age, which nobody can see in their text.

    Bad: `logs` and `traces` in one namespace, both without a selector

    Good: one Telemetry with `accessLogging` and `tracing`

    Source: istio/istio pilot/pkg/model/telemetry.go namespaceWideTelemetryConfig; IST0159, IST0160.
    """
    own = {id(item) for item in release.of(GROUP, "Telemetry")}
    if not own:
        return
    wide: dict[str, list[KubeObject]] = {}
    selecting: dict[str, list[KubeObject]] = {}
    for item in release.known(GROUP, "Telemetry"):
        if _targets(item):
            continue  # for a Gateway or a Service, whatever its selector
        if not _labels(item):
            wide.setdefault(release.namespace(item), []).append(item)
        else:
            selecting.setdefault(release.namespace(item), []).append(item)
    for found in wide.values():
        for item in found:
            others = _others(item, found) if id(item) in own else []
            if others:
                yield Violation(
                    item,
                    "/metadata/name",
                    f"{_listed(others)} {'is' if len(others) == 1 else 'are'} for the whole namespace, too: istiod "
                    f"reads the oldest alone (of one second the first by name), and does nothing of what others say",
                    "put what they say into one of them, or give each of the others a selector",
                    evidence=_listed(others),
                )
    for namespace, found in selecting.items():
        if len(found) > 1:
            yield from _shared(namespace, found, own, release)


def _shared(namespace: str, found: "list[KubeObject]", own: set[int], release: "Release") -> "Iterator[Violation]":
    """Telemetries of a namespace whose selectors fit the same pods, each told once."""
    by_pods: dict[int, tuple[str, list[KubeObject]]] = {}
    for item in found:
        for pods in release.selected(namespace, _labels(item)):
            by_pods.setdefault(id(pods), (pods.title, []))[1].append(item)
    told: set[int] = set()
    for title, items in by_pods.values():
        for item in items:
            others = _others(item, items) if id(item) in own and id(item) not in told else []
            if not others:
                continue
            told.add(id(item))
            both = [name for name in _SECTIONS if any(name in mapping(each.data.get("spec")) for each in others)]
            both = [name for name in both if name in mapping(item.data.get("spec"))]
            yield Violation(
                item,
                "/spec/selector",
                f"{_listed(others)} {'selects' if len(others) == 1 else 'select'} {title}, too: "
                + (
                    f"where both speak of {' and '.join(both)}, the younger one counts"
                    if both
                    else "Istio allows one for a pod, and does not say what becomes of two"
                ),
                "put what they say into one of them, or keep their selectors apart",
                severity=WARNING,
                evidence=_listed(others),
            )


def _is_wide(item: "KubeObject") -> bool:
    """Whether it is for a namespace, or the mesh."""
    return not (_labels(item) or _targets(item))


def _targets(item: "KubeObject") -> bool:
    spec = mapping(item.data.get("spec"))
    return bool(spec.get("targetRef") or spec.get("targetRefs"))


def _labels(item: "KubeObject") -> "dict[str, object]":
    return mapping(at(item.data, "spec.selector.matchLabels"))


def _names_provider(item: "KubeObject") -> bool:
    return any(entries(log.get("providers")) for _, log in maps(at(item.data, "spec.accessLogging")))


def _listed(items: "list[KubeObject]") -> str:
    return " and ".join(each.title for each in items)


def _others(item: "KubeObject", found: "list[KubeObject]") -> "list[KubeObject]":
    """Some of those that stand in its way; an object that is written twice does not stand in its own."""
    return list(islice((each for each in found if each.name != item.name and meet(each, item)), SHOWN))


RULES = (
    Rule(
        "MLM964",
        provider_empty,
        severity=WARNING,
        confidence=VERSION,
        judges=("Telemetry",),
    ),
    Rule(
        "MLM965",
        telemetries_overlap,
        severity=ERROR,
        confidence=CONTRADICTION,
        judges=("Telemetry",),
        reads=(PODS,),
    ),
)
