"""Patches of EnvoyFilters that istiod skips, or applies in an order that nobody chose: MLM963.

istio/istio pilot/pkg/networking/core/envoyfilter applies them: for each applyTo it asks for some operations and passes
over the others in silence. What IST0153 and IST0154 say of HTTP_ROUTE, and IST0152 of LISTENER_FILTER, is not so there:
routes are added and removed, and listener filters are replaced.
"""

from mlmesh.graph.fields import at, maps
from mlmesh.graph.membership import meet
from mlmesh.graph.route import ISTIO
from mlmesh.invariants.rule import OBJECT, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

    Patch = dict[str, Any]
    # By applyTo, the name of a filter, and a namespace: who adds it first, by priority.
    Adders = dict[tuple[str, str, str], KubeObject]

_MERGES = frozenset({"MERGE", "MERGE_AND_REPLACE_LIST"})
_INSERTS = frozenset({"INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST"})
_LISTED = _MERGES | _INSERTS | {"ADD", "REMOVE"}
_FILTER = _LISTED - {"MERGE_AND_REPLACE_LIST"} | {"REPLACE"}
BOOTSTRAP = "BOOTSTRAP"
ANYWHERE = ""  # in place of a namespace
# What istiod does with a patch, by its applyTo; a kind that is not here is not judged.
DONE = {
    "LISTENER": _LISTED,
    "FILTER_CHAIN": _LISTED,
    "CLUSTER": _LISTED,
    "HTTP_ROUTE": _LISTED,
    "VIRTUAL_HOST": _LISTED | {"REPLACE"},
    "ROUTE_CONFIGURATION": _MERGES,
    "LISTENER_FILTER": _FILTER,
    "NETWORK_FILTER": _FILTER,
    "HTTP_FILTER": _FILTER,
    "EXTENSION_CONFIG": _INSERTS | {"ADD"},
    BOOTSTRAP: frozenset(),
}
# The place, in a match, of the filter that a patch is relative to.
ANCHORS = {
    "LISTENER_FILTER": "listener.listenerFilter",
    "NETWORK_FILTER": "listener.filterChain.filter.name",
    "HTTP_FILTER": "listener.filterChain.filter.subFilter.name",
}
_ADDS = _INSERTS | {"ADD"}
_RELATIVE = frozenset({"INSERT_BEFORE", "INSERT_AFTER", "REPLACE", "REMOVE"})


def envoyfilter_operation(release: "Release") -> "Iterator[Violation]":
    """An EnvoyFilter's operation does nothing where it is applied, or needs a filter that another one adds later.

    Why: istiod knows some operations for each applyTo, and passes over the others; so it does with REPLACE and REMOVE
    of a filter that the match does not name. EnvoyFilters without a priority are applied by their age: a patch that
    names another one's filter finds it only if that one is older.

    Bad: `operation: REPLACE` with `applyTo: CLUSTER`; INSERT_BEFORE a filter that another EnvoyFilter adds, both with
    the same priority

    Good: `operation: MERGE`; a higher `priority` on the EnvoyFilter that names the other's filter

    Source: istio/istio pilot/pkg/networking/core/envoyfilter, pilot/pkg/model/push_context.go EnvoyFilters; IST0151 to
    IST0155.
    """
    items = release.of(ISTIO, "EnvoyFilter")
    if not items:
        return
    adders: Adders = {}
    for item in release.known(ISTIO, "EnvoyFilter"):
        for kind, name in _added(item):
            for namespace in (release.namespace(item), ANYWHERE):
                first = adders.setdefault((kind, name, namespace), item)
                if _priority(item) < _priority(first):
                    adders[kind, name, namespace] = item
    for item in items:
        relative: list[tuple[int, Patch]] = []
        for index, patch in _patches(item):
            reason, remedy = _undone(patch)
            if reason:
                yield Violation(
                    item,
                    f"/spec/configPatches/{index}/patch/operation",
                    f"{reason}: nothing is patched",
                    remedy,
                    severity=WARNING if patch.get("applyTo") == BOOTSTRAP else "",  # older ones did
                    evidence=f"{patch.get('applyTo')} {at(patch, 'patch.operation')}",
                )
            elif str(at(patch, "patch.operation")) in _RELATIVE:
                relative.append((index, patch))
        if relative:
            yield from _ordered(item, relative, adders, release)


def _patches(item: "KubeObject") -> "Iterator[tuple[int, Patch]]":
    return maps(at(item.data, "spec.configPatches"))


def _added(item: "KubeObject") -> set[tuple[str, str]]:
    """The kinds and the names of the filters that an EnvoyFilter adds."""
    return {
        (str(patch["applyTo"]), str(at(patch, "patch.value.name")))
        for _, patch in _patches(item)
        if str(patch.get("applyTo")) in ANCHORS and str(at(patch, "patch.operation")) in _ADDS
    }


def _priority(item: "KubeObject") -> int:
    value = at(item.data, "spec.priority")
    return value if isinstance(value, int) else 0


def _undone(patch: "Patch") -> tuple[str, str]:
    """Why istiod passes over a patch, and what to write; nothing where it applies it."""
    kind, operation = str(patch.get("applyTo")), str(at(patch, "patch.operation") or "")
    done = DONE.get(kind)
    if done is None or not operation:
        return "", ""
    if kind == BOOTSTRAP:
        return (
            "istiod no longer applies patches of the bootstrap",
            "the pods' annotation sidecar.istio.io/bootstrapOverride",
        )
    if operation not in done:
        listed = ", ".join(sorted(done))
        return f"istiod knows no {operation} for {kind}", f"one of {listed}"
    if at(patch, "match.context") == "WAYPOINT" or kind not in ANCHORS or at(patch, f"match.{ANCHORS[kind]}"):
        return "", ""
    if operation in ("REPLACE", "REMOVE") or (kind == "LISTENER_FILTER" and operation == "MERGE"):
        return f"{operation} needs the filter that is meant, and the match names none", f"match.{ANCHORS[kind]}"
    return "", ""


def _ordered(
    item: "KubeObject", relative: "list[tuple[int, Patch]]", adders: "Adders", release: "Release"
) -> "Iterator[Violation]":
    """What is said of patches that are relative to what stands there by then: a warning where others put it there."""
    own = _added(item)
    for index, patch in relative:
        kind = str(patch.get("applyTo"))
        anchor = str(at(patch, f"match.{ANCHORS[kind]}")) if kind in ANCHORS else ""
        late = _late(item, kind, anchor, adders, release)
        if late is not None and (kind, anchor) not in own:  # patches of one EnvoyFilter are applied in their order
            yield Violation(
                item,
                f"/spec/configPatches/{index}/patch/operation",
                f"{at(patch, 'patch.operation')} asks for {anchor}, which {late.title} adds: "
                + (
                    "both have the same priority, so only if that one is older is there such a filter"
                    if _priority(late) == _priority(item)
                    else "by its priority it is applied later, and there is no such filter yet"
                ),
                f"spec.priority: {_priority(late) + 10}, which is applied after it",
                severity=WARNING,
                evidence=f"{anchor} {late.title}",
            )
            return
    if not _priority(item):
        index, patch = relative[0]
        versioned = bool(at(patch, "match.proxy.proxyVersion"))
        yield Violation(
            item,
            f"/spec/configPatches/{index}/patch/operation",
            f"{at(patch, 'patch.operation')} is relative to what is there by then, and without a priority EnvoyFilters "
            f"are applied by their age, those of the mesh's root namespace first"
            + ("; proxies of a version that proxyVersion does not match are not patched" if versioned else ""),
            "spec.priority, where it is to be applied before or after others; or INSERT_FIRST or ADD, which need none",
            severity=INFO,
            evidence="priority",
        )


def _late(item: "KubeObject", kind: str, anchor: str, adders: "Adders", release: "Release") -> "KubeObject | None":
    """Who adds a filter, if all who do may do so after this EnvoyFilter is applied, as long as neither has an age."""
    root, namespace = release.mesh("rootNamespace"), release.namespace(item)
    places = (ANYWHERE,) if namespace == root else (namespace, root)
    found = [adder for place in places if (adder := adders.get((kind, anchor, place))) and meet(adder, item)]
    for each in found:
        same = _priority(each) == _priority(item)
        if _priority(each) < _priority(item) or (same and namespace != root and release.namespace(each) == root):
            return None
    return found[0] if found else None


RULES = (
    Rule(
        "MLM963",
        envoyfilter_operation,
        severity=ERROR,
        confidence=OBJECT,
        judges=("EnvoyFilter",),
        scope="set",
    ),
)
