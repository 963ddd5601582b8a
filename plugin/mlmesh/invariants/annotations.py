"""Annotations that Istio does not know, or is giving up, and values that it does not take: MLM511, 957."""

from mlmesh.graph.fields import at, mapping
from mlmesh.graph.inventory import INJECT
from mlmesh.invariants.annotationsknown import DEPRECATED, KNOWN, LABELS, SERVICE, expected
from mlmesh.invariants.rule import OBJECT, PODS, VERSION, Rule, Violation, noted
from mlmesh.manifests.patching import split
from mlmesh.model.findings import INFO, WARNING
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Operation

PODLESS = ("Namespace", "Service")


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
    for owner in {id(template.owner): template.owner for template in templates}.values():
        told = {key for template in templates if template.owner is owner for key in template.annotations}
        own = {key: value for key, value in owner.annotations().items() if key not in told}
        for violation in _unknown(owner, own, KNOWN, "/metadata/annotations", values=False):
            release.notes.setdefault("MLM511", []).append(violation)
        if not any(template.shape for template in templates):  # of a kind that nobody here knows, the pods may get them
            for violation in _misplaced(owner, [key for key in own if not _is_told(str(key))]):
                release.notes.setdefault("MLM511", []).append(violation)


def _is_told(key: str) -> bool:
    """Whether another rule tells of an annotation on a workload's own metadata: MLM502 or MLM957."""
    from mlmesh.invariants.sidecars import POD_ONLY, POD_ONLY_PREFIX

    return key in POD_ONLY or key in DEPRECATED or key.startswith(POD_ONLY_PREFIX)


def annotation_unknown(release: "Release") -> "Iterator[Violation]":
    """Istio does not know an annotation, not on this kind, or not its value: what it is for does not happen.

    Why: The injector and istiod look for names that they know where they know them, and for two words in
    `sidecar.istio.io/inject`. Nobody refuses another name or word: it stands there, and does nothing. Other values,
    such as lists of ports, the injector reads before it makes a sidecar: it refuses the pod if it cannot.

    Bad: `sidecar.istio.io/proxyMemroy: 1Gi`, the label `sidecar.istio.io/inject: "True"`, a sidecar's annotation on a
    Service, or `traffic.sidecar.istio.io/excludeInboundPorts: "9000-9003"`

    Good: `sidecar.istio.io/proxyMemory: 1Gi`, `sidecar.istio.io/inject: "true"`, the annotation on the pod template,
    `"9000,9001,9002,9003"`

    Source: istio/api annotation/annotations.gen.go; istio/istio pkg/kube/inject/inject.go and validate.go, IST0107,
    IST0108 and IST0125.
    """
    for item in (*release.own.namespaces.values(), *release.of("", "Service")):
        annotations = at(item.data, "metadata.annotations")
        if annotations:
            yield from _unknown(item, mapping(annotations), SERVICE, "/metadata/annotations", values=False)
            yield from _misplaced(item, mapping(annotations))
    yield from noted(release, "MLM511")


def _misplaced(item: "KubeObject", keys: "Iterable[Any]") -> "Iterator[Violation]":
    """What is for pods, on an object's own metadata."""
    for key in map(str, keys):
        prefix, slash, name = key.rpartition("/")
        if name in KNOWN.get(prefix + slash, "").split() or (prefix + slash in KNOWN and item.kind in PODLESS):
            yield Violation(
                item,
                f"/metadata/annotations{pointer(key)}",
                f"Istio reads {key} on pods, and not on a {item.kind}'s own metadata: it does nothing here",
                "write it under the annotations of the pod template",
                evidence=key,
            )


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
    item: "KubeObject",
    words: "Mapping[str, Any]",
    known: "Mapping[str, str]",
    place: str,
    *,
    values: bool = True,
) -> "Iterator[Violation]":
    for key, value in words.items():
        prefix, slash, name = str(key).rpartition("/")
        names = known.get(prefix + slash, "").split()
        if names and name not in names:
            yield _misspelt(item, str(key), names, place)
        elif not values:
            continue
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
        elif names and isinstance(value, str) and (wanted := expected(str(key), value)):
            yield Violation(
                item,
                place + pointer(str(key)),
                f'{key} is "{value}", which the injector cannot read: it refuses the pod, and none starts',
                f"write {wanted}",
                evidence=f"{key} {value}",
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
        judges=("Namespace", "Service", PODS),
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
