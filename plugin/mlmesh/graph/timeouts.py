"""How long a request to a pod may take, as the routes to it say."""

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.made import MAKERS, POOLS, fits, labels_set, leads_to, services_made
from mlmesh.graph.pods import PodTemplate
from mlmesh.graph.route import ISTIO, POOL
from mlmesh.graph.routes import routes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from mlmesh.graph.release import Release

    # A namespace, the labels of pods there, and the longest timeout of a request to them.
    Entry = tuple[str, Mapping[str, Any], float]


class Timeouts:
    """The longest timeout to the pods behind every route, found by what selects them."""

    __slots__ = ("_by_label", "_hosts", "_names", "_pools", "_release")

    def __init__(self, release: "Release") -> None:
        self._release = release
        self._hosts: dict[str, float] = {}  # by full name
        self._pools: dict[tuple[str, str], float] = {}  # by namespace and name
        self._by_label: dict[tuple[str, str, str], list[tuple[dict[str, str], float]]] = {}
        found = [(place, _texts(labels), seconds) for place, labels, seconds in self._entries()]
        self._names = sorted(self._hosts)
        shared: dict[tuple[str, str], int] = {}  # how many entries have a label: each is found by its rarest
        for _, labels, _ in found:
            for label in labels.items():
                shared[label] = shared.get(label, 0) + 1
        for namespace, labels, seconds in found:
            key, value = min(labels.items(), key=shared.__getitem__)
            self._by_label.setdefault((namespace, key, value), []).append((labels, seconds))

    def longest(self, pod: PodTemplate) -> float | None:
        """Seconds, inf, or None where no route leads to the pods."""
        namespace = self._release.namespace(pod.owner)
        found = []
        if self._by_label:
            labels = _texts({**labels_set(pod), **pod.labels})
            for key, value in labels.items():
                for wanted, seconds in self._by_label.get((namespace, key, value), ()):
                    if all(labels.get(name) == text for name, text in wanted.items()):
                        found.append(seconds)
        if self._hosts and (pod.owner.group, pod.owner.kind) in MAKERS:
            for name in services_made(pod.owner):
                found += self._to_made(name, namespace, pod)
        pool = POOLS.get((pod.owner.group, pod.owner.kind))
        if pool and pod.part != "scheduler":
            seconds_of_pool = self._pools.get((namespace, pool.format(pod.owner.name)))
            found += [] if seconds_of_pool is None else [seconds_of_pool]
        return max(found, default=None)

    def _to_made(self, name: str, namespace: str, pod: PodTemplate) -> "Iterator[float]":
        """Timeouts of the routes to a Service that the pod's controller makes; not to one of another of its parts."""
        if not leads_to(name, pod.owner.kind, pod.owner.name, pod.part):
            return
        if "*" not in name:
            full = self._release.host(name, namespace)
            if full in self._hosts:
                yield self._hosts[full]
            return
        from bisect import bisect_left

        prefix, _, _ = name.partition("*")
        domain = f".{namespace}.svc.{self._release.mesh('clusterDomain')}"
        for index in range(bisect_left(self._names, prefix), len(self._names)):
            host = self._names[index]
            if not host.startswith(prefix):
                break
            if host.endswith(domain) and fits(host.removesuffix(domain), name):
                yield self._hosts[host]

    def _entries(self) -> "Iterator[Entry]":
        release = self._release
        pools = self._pools
        subsets: dict[tuple[str, str], float] = {}
        for route in routes(release):
            for rule in route.rules:
                if rule.timeout is None:
                    continue
                for backend in rule.backends:
                    if backend.kind == POOL:
                        to = (backend.namespace, backend.name)
                        pools[to] = max(pools.get(to, 0), rule.timeout)
                    elif backend.host:
                        self._hosts[backend.host] = max(self._hosts.get(backend.host, 0), rule.timeout)
                        named = (backend.host, backend.subset)
                        subsets[named] = max(subsets.get(named, 0), rule.timeout)
        labels_of = _subsets(release) if any(subset for _, subset in subsets) else {}
        for (host, subset), seconds in subsets.items():
            namespace, selected = release.service(host)
            if selected:
                yield namespace, {**selected, **labels_of.get((host, subset), {})}, seconds
        if pools:
            yield from _behind_pools(release, pools)
        for entry in release.known(ISTIO, "ServiceEntry"):
            labels = at(entry.data, "spec.workloadSelector.labels")
            hosts = map(str, entries(at(entry.data, "spec.hosts")))
            reached = [self._hosts[host] for host in hosts if host in self._hosts]
            if isinstance(labels, dict) and labels and reached:
                yield release.namespace(entry), labels, max(reached)


def _behind_pools(release: "Release", timeouts: "Mapping[tuple[str, str], float]") -> "Iterator[Entry]":
    """The pods of pools, from the longest timeout to each pool by its namespace and name."""
    from mlmesh.graph.pools import POOL_GROUPS, selector

    for group in POOL_GROUPS:
        for pool in release.known(group, "InferencePool"):
            place = (release.namespace(pool), pool.name)
            if place in timeouts and selector(pool):
                yield place[0], selector(pool), timeouts[place]


def _texts(labels: "Mapping[str, Any]") -> dict[str, str]:
    """Labels as they are compared: a number that somebody forgot to quote is refused by others."""
    return {key: str(value) for key, value in labels.items()}


def _subsets(release: "Release") -> "dict[tuple[str, str], dict[str, Any]]":
    """The labels of every subset, by host and name."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for item in release.known(ISTIO, "DestinationRule"):
        host = release.host(str(at(item.data, "spec.host")), release.namespace(item))
        for _, subset in maps(at(item.data, "spec.subsets")):
            found[host, str(subset.get("name"))] = mapping(subset.get("labels"))
    return found
