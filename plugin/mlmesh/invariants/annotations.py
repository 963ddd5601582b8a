"""Annotations that Istio does not know, or is giving up, and values that it does not take: MLM511, 957.

The names are those of istio/api annotation/annotations.gen.go and label/labels.gen.go, of istio/istio pkg/kube/inject,
and those that were taken away since, which do no harm.
"""

from mlmesh.graph.fields import at, mapping
from mlmesh.graph.inventory import INJECT
from mlmesh.invariants.rule import OBJECT, PODS, VERSION, Rule, Violation, noted
from mlmesh.manifests.patching import split
from mlmesh.model.findings import INFO, WARNING
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

# By prefix, what may follow it in an annotation of a pod.
KNOWN = {
    "sidecar.istio.io/": (
        "agentLogLevel bootstrapOverride componentLogLevel controlPlaneAuthPolicy discoveryAddress enableCoreDump "
        "extraStatTags inject interceptionMode logLevel nativeSidecar proxyCPU proxyCPULimit proxyImage proxyImageType "
        "proxyMemory proxyMemoryLimit rewriteAppHTTPProbers statsCompression statsEvictionInterval statsFlushInterval "
        "statsHistogramBins statsHistogramBuckets statsInclusionPrefixes statsInclusionRegexps statsInclusionSuffixes "
        "status userVolume userVolumeMount"
    ),
    "traffic.sidecar.istio.io/": (
        "excludeInboundPorts excludeInterfaces excludeOutboundIPRanges excludeOutboundPorts includeInboundPorts "
        "includeOutboundIPRanges includeOutboundPorts kubevirtInterfaces"
    ),
    "readiness.status.sidecar.istio.io/": "applicationPorts failureThreshold initialDelaySeconds periodSeconds",
    "status.sidecar.istio.io/": "port",
    "proxy.istio.io/": "config overrides",
    "inject.istio.io/": "templates",
    "prometheus.istio.io/": "merge-metrics scrape-targets secure-port",
}
SERVICE = {"networking.istio.io/": "exportTo service-type traffic-distribution"}
LABELS = {"sidecar.istio.io/": "inject"}
# What istio/api marks as deprecated, and what to write in its place.
_STATS = "proxyStatsMatcher in proxy.istio.io/config"
_ACCOUNTS = "AuthorizationPolicies by principal"
DEPRECATED = {
    INJECT: f"the label {INJECT}",
    "sidecar.istio.io/discoveryAddress": "discoveryAddress in proxy.istio.io/config",
    "sidecar.istio.io/extraStatTags": "extraStatTags in proxy.istio.io/config, or a Telemetry",
    "sidecar.istio.io/statsCompression": "nothing in its place",
    "sidecar.istio.io/statsInclusionPrefixes": _STATS,
    "sidecar.istio.io/statsInclusionRegexps": _STATS,
    "sidecar.istio.io/statsInclusionSuffixes": _STATS,
    "traffic.sidecar.istio.io/kubevirtInterfaces": "istio.io/reroute-virtual-interfaces",
    "alpha.istio.io/canonical-serviceaccounts": _ACCOUNTS,
    "alpha.istio.io/kubernetes-serviceaccounts": _ACCOUNTS,
}


def inspect(templates: "Sequence[PodTemplate]", _roles: "Sequence[str]", release: "Release") -> None:
    """Note MLM511 and MLM957 for the templates of a document, once where several share their metadata."""
    done: set[str] = set()
    for template in templates:
        owner = template.owner
        start = len(owner.pointer)
        above = owner.pointer + "/metadata"
        if above not in done and above != template.holder:
            done.add(above)
            words = owner.annotations()
            for violation in _outdated(owner, words, template.annotations, "/metadata/annotations", read=False):
                release.notes.setdefault("MLM957", []).append(violation)
        if template.holder is None or template.annotations_pointer is None or template.holder in done:
            continue
        done.add(template.holder)
        for words, known, place in (
            (template.annotations, KNOWN, template.annotations_pointer[start:]),
            (template.labels, LABELS, f"{template.holder}/labels"[start:]),
        ):
            for violation in _unknown(owner, words, known, place):
                release.notes.setdefault("MLM511", []).append(violation)
        for violation in _outdated(owner, template.annotations, template.labels, template.annotations_pointer[start:]):
            release.notes.setdefault("MLM957", []).append(violation)


def annotation_unknown(release: "Release") -> "Iterator[Violation]":
    """Istio does not know an annotation, or not its value: what it is for does not happen.

    Why: The injector and istiod look for names that they know, and for two words in `sidecar.istio.io/inject`. Nobody
    refuses another name or word: it stands there, and does nothing.

    Bad: `sidecar.istio.io/proxyMemroy: 1Gi`, or the label `sidecar.istio.io/inject: "True"`

    Good: `sidecar.istio.io/proxyMemory: 1Gi`, `sidecar.istio.io/inject: "true"`

    Source: istio/api annotation/annotations.gen.go; istio/istio pkg/kube/inject/inject.go, IST0108 and IST0125.
    """
    for item in release.of("", "Service"):
        annotations = at(item.data, "metadata.annotations")
        if annotations:
            yield from _unknown(item, mapping(annotations), SERVICE, "/metadata/annotations")
    yield from noted(release, "MLM511")


def annotation_deprecated(release: "Release") -> "Iterator[Violation]":
    """An annotation that Istio still reads, and means to give up: a later version may not know it.

    Why: Istio keeps what it deprecates for some versions, and then drops it without a word: the annotation stays where
    it is, and does nothing.

    Bad: the annotation `sidecar.istio.io/inject: "false"` on a pod template

    Good: the label of that name

    Source: istio/api annotation/annotations.gen.go; istio/istio pkg/config/analysis/analyzers/annotations (IST0135).
    """
    for item in release.of("", "Service"):
        annotations = at(item.data, "metadata.annotations")
        if annotations:
            yield from _outdated(item, mapping(annotations), {}, "/metadata/annotations")
    told = {(id(found.item), found.pointer) for found in noted(release, "MLM501")}  # more is said of those
    yield from (found for found in noted(release, "MLM957") if (id(found.item), found.pointer) not in told)


def _outdated(
    item: "KubeObject", words: "Mapping[str, Any]", beside: "Mapping[str, Any]", place: str, *, read: bool = True
) -> "Iterator[Violation]":
    """Deprecated ones; not where the label of that name stands beside it: then it is for Istios of every age."""
    for key in words:
        if key in DEPRECATED and key not in beside:
            own = key in _map(item, place)  # else the pods have it from the object's metadata
            yield Violation(
                item,
                (place if own else "/metadata/annotations") + pointer(key),
                f"Istio has deprecated the annotation {key}, and "
                + (
                    "may not read it for much longer"
                    if read
                    else f"reads it on pods only, not on the {item.kind}'s own metadata"
                ),
                f"use {DEPRECATED[key]}",
                evidence=key,
            )


def _unknown(
    item: "KubeObject", words: "Mapping[str, Any]", known: "Mapping[str, str]", place: str
) -> "Iterator[Violation]":
    for key, value in words.items():
        prefix, slash, name = str(key).rpartition("/")
        names = known.get(prefix + slash, "").split()
        if names and name not in names:
            yield _misspelt(item, str(key), names, place)
        elif key == INJECT and isinstance(value, str) and value not in ("true", "false", ""):
            meant = value.lower() if value.lower() in ("true", "false") else ""
            at_key = place + pointer(INJECT)
            yield Violation(
                item,
                at_key,
                f'{INJECT} is "{value}", and Istio takes "true" and "false" only: the pods get what their namespace '
                f"says",
                f'write "{meant or "true"}"' + ("" if meant else ', or "false"'),
                evidence=value,
                operations=({"op": "replace", "path": at_key, "value": meant},)
                if meant and INJECT in _map(item, place)
                else (),
            )


def _misspelt(item: "KubeObject", key: str, names: list[str], place: str) -> Violation:
    from difflib import get_close_matches

    prefix, _, name = key.rpartition("/")
    lower = {each.lower(): each for each in names}
    close = get_close_matches(name.lower(), lower, 1, 0.8)
    meant = f"{prefix}/{lower[close[0]]}" if close else ""
    there = _map(item, place)
    operations: tuple[Operation, ...] = ()
    if meant and meant not in there and key in there:
        operations = (
            {"op": "add", "path": place + pointer(meant), "value": there[key]},
            {"op": "remove", "path": place + pointer(key)},
        )
    return Violation(
        item,
        place + pointer(key),
        f"Istio knows no {key}: it does nothing",
        f"write {meant}" if meant else f"take it away; after {prefix}/ Istio knows {', '.join(names)}",
        evidence=key,
        operations=operations,
    )


def _map(item: "KubeObject", place: str) -> "dict[str, Any]":
    """The map at a place of an object; empty where there is none, as where pods have their metadata from elsewhere."""
    node: Any = item.data
    for token in split(place):
        if isinstance(node, list):
            node = node[int(token)] if token.isdecimal() and int(token) < len(node) else None
        else:
            node = node.get(token) if isinstance(node, dict) else None
    return mapping(node)


RULES = (
    Rule(
        "MLM511",
        annotation_unknown,
        severity=WARNING,
        confidence=OBJECT,
        judges=("Service", PODS),
        scope="object",
        fix="safe",
    ),
    Rule(
        "MLM957",
        annotation_deprecated,
        severity=INFO,
        confidence=VERSION,
        judges=("Service", PODS),
        scope="object",
    ),
)
