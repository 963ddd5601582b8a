"""Subsets that routes name and rules define: MLM103 and MLM104."""

from mlmesh.graph.fields import at, mapping, maps
from mlmesh.graph.newcomers import is_own, newcomer
from mlmesh.graph.route import ISTIO
from mlmesh.graph.routes import route_of
from mlmesh.invariants.rule import ABSENCE, PODS, Rule, Violation
from mlmesh.model.findings import ERROR, INFO, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Backend
    from mlmesh.manifests.objects import KubeObject

    Told = dict[str, set[str | None]]  # by a label's key, its values

# Labels that no template has: Kubernetes, Argo Rollouts or Istio gives them to pods and endpoints.
_VERSIONS = ("version", "app.kubernetes.io/version")  # by which Istio's examples tell subsets apart
_GIVEN = ("hash", "topology.", "istio.io/", "kubernetes.io/", "statefulset")


def _named(release: "Release") -> "Iterator[tuple[Any, Backend]]":
    """Every VirtualService of the release and its context with each backend of it that is a subset."""
    for item in release.known(ISTIO, "VirtualService"):
        for rule in route_of(item, release).rules:
            for backend in rule.backends:
                if backend.subset:
                    yield item, backend


def subset_undefined(release: "Release") -> "Iterator[Violation]":
    """A VirtualService sends to a subset that no DestinationRule of the host defines: these requests fail.

    Why: A subset is a cluster of its own in Envoy, made of the DestinationRule that defines it. Without it there is no
    cluster, and the requests that are sent to it are answered 503, however many pods are there.

    Bad: `subset: v2`, and a DestinationRule of the host that has `v1` alone

    Good: `v2` among the rule's subsets, with the labels of its pods

    Source: istio/istio pilot/pkg/networking/core/route/route.go GetDestinationCluster; kiali/kiali KIA1107.
    """
    own = {id(item) for item in release.of(ISTIO, "VirtualService")}
    asked = [(item, backend) for item, backend in _named(release) if id(item) in own]
    if not asked:
        return
    defined: dict[str, dict[str, str]] = {}  # by host, the subsets and whose they are
    patterns: set[str] = set()
    rules: dict[str, list[KubeObject]] = {}
    told: dict[str, Told] = {}
    for item in release.known(ISTIO, "DestinationRule"):
        host = release.host(str(at(item.data, "spec.host")), release.namespace(item))
        subsets = {str(subset.get("name")): item.title for _, subset in maps(at(item.data, "spec.subsets"))}
        defined.setdefault(host, {}).update(subsets)
        rules.setdefault(host, []).append(item)
        if host.startswith("*"):
            patterns.add(host)
    for item, backend in asked:
        hosts = [backend.host, *(name for name in patterns if backend.host.endswith(name[1:]))]
        known = {name: title for host in hosts for name, title in defined.get(host, {}).items()}
        if backend.subset in known:
            continue
        namespace, _ = release.service(backend.host)
        there = f"those of {backend.host} are {', '.join(sorted(known))}" if known else "none of the host defines any"
        owned = namespace and release.owns(namespace) and release.owns(release.namespace(item))
        lost = backend.mirror or backend.weight == 0
        found = Violation(
            item,
            f"{backend.pointer}/subset",
            f"no DestinationRule defines subset {backend.subset} ({there}): "
            + ("what is mirrored there is lost" if backend.mirror else "requests that are sent there are answered 503"),
            ("add it to the DestinationRule" if known else f"add a DestinationRule with host: {backend.host} and")
            + f" subsets: [{{name: {backend.subset}, labels: {{...}}}}], with labels that its pods have",
            severity=ERROR if owned and not lost else WARNING,
            evidence=f"{backend.host} {backend.subset}",
        )
        _define(found, backend, rules.get(backend.host, []), release, told)
        yield found


def _labels(host: str, rules: "list[KubeObject]", release: "Release") -> "Told":
    """The values, of a host's pods, of the labels by which its subsets are told apart, or would be."""
    namespace, selector = release.service(host)
    subsets = [subset for rule in rules for _, subset in maps(at(rule.data, "spec.subsets"))]
    used = {str(key) for subset in subsets for key in mapping(subset.get("labels"))}
    pods = list(release.selected(namespace, selector)) if selector else []
    return {key: {each.label(key) for each in pods} for key in used or _VERSIONS}


def _define(
    found: Violation, backend: "Backend", rules: "list[KubeObject]", release: "Release", told: "dict[str, Told]"
) -> None:
    """Mend what is found by a subset with the one label that says its name, where pods of the host carry that.

    ``told`` keeps what was looked up, by host.
    """
    namespace = release.service(backend.host)[0]
    if backend.host not in told:
        told[backend.host] = _labels(backend.host, rules, release)
    keys = [key for key, values in told[backend.host].items() if backend.subset in values]
    if len(keys) != 1 or not namespace:
        return
    subset = {"name": backend.subset, "labels": {keys[0]: backend.subset}}
    if not rules:
        spec = {"host": backend.host, "subsets": [subset]}
        found.documents = newcomer(
            f"{ISTIO}/v1", "DestinationRule", (namespace, backend.host.partition(".")[0]), spec, release
        )
    elif len(rules) == 1 and is_own(rules[0], release):
        found.mends = rules[0]
        listed = isinstance(at(rules[0].data, "spec.subsets"), list)
        path, value = ("/spec/subsets/-", subset) if listed else ("/spec/subsets", [subset])
        found.operations = ({"op": "add", "path": path, "value": value},)


def subset_empty(release: "Release") -> "Iterator[Violation]":
    """A subset's labels are on none of the host's pods: nobody answers what is sent to it.

    Why: A subset has the pods of its host that carry its labels, too. Where no template has them it is empty, and every
    request that is sent to it is answered 503.

    Bad: `labels: {version: v2}`, where the pods say `version: "2"`

    Good: the labels that the pods' template has

    Source: istio/istio pkg/config/analysis/analyzers/destinationrule/subset.go (IST0173).
    """
    used: set[tuple[str, str]] | None = None
    for item in release.of(ISTIO, "DestinationRule"):
        host = release.host(str(at(item.data, "spec.host")), release.namespace(item))
        namespace, selector = release.service(host)
        if not selector:
            continue
        pods: list[Pods] | None = None
        for index, subset in maps(at(item.data, "spec.subsets")):
            labels = mapping(subset.get("labels"))
            if not labels or any(word in str(key) for key in labels for word in _GIVEN):
                continue
            if pods is None:
                pods = list(release.selected(namespace, selector))
            if not pods or any(each.carry(labels) for each in pods):
                continue
            name = str(subset.get("name"))
            if used is None:
                used = {(backend.host, backend.subset) for _, backend in _named(release)}
            wanted = ", ".join(f"{key}: {value}" for key, value in labels.items())
            routed = (host, name) in used
            yield Violation(
                item,
                f"/spec/subsets/{index}/labels",
                f"none of the pods of {host} ({', '.join(sorted({each.title for each in pods})[:3])}) has {wanted}: "
                + (
                    f"requests that are sent to subset {name} are answered 503"
                    if routed
                    else f"subset {name} is empty, and no route here sends to it"
                ),
                "write the labels that the pods' template has, or add the workload that is missing",
                severity="" if routed else INFO,
                evidence=name,
            )


RULES = (
    Rule(
        "MLM103",
        subset_undefined,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("VirtualService",),
        reads=("DestinationRule", "Service"),
        scope="set",
        fix="unsafe",
    ),
    Rule(
        "MLM104",
        subset_empty,
        severity=WARNING,
        confidence=ABSENCE,
        judges=("DestinationRule",),
        reads=("VirtualService", "Service", PODS),
        scope="set",
    ),
)
