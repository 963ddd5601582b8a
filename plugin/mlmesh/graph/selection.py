"""Pods by their labels, and what selects them: in a large release no rule looks at each pod for each object."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from mlmesh.graph.inventory import Owner, Pods
    from mlmesh.manifests.objects import KubeObject


class Selection:
    """Some pods, found by what they are asked for. A label is looked up in all pods once, when it is first named."""

    __slots__ = ("_by_key", "_by_namespace", "_by_owner", "_pods")

    def __init__(self, pods: "Iterable[Pods]") -> None:
        self._pods = list(pods)
        self._by_key: dict[str, tuple[dict[str, list[Pods]], list[Pods]]] = {}
        self._by_owner: dict[Owner, list[Pods]] | None = None
        self._by_namespace: dict[str, list[Pods]] | None = None

    def carrying(self, labels: "Mapping[str, Any]", namespace: str | None = None) -> "Iterator[Pods]":
        """The pods, of a namespace (None: of all), that have all of these labels, and there is at least one label."""
        fewest: list[Pods] = []
        for number, (key, value) in enumerate(labels.items()):
            exact, patterns = self._index(key)
            found = exact.get(str(value), [])
            found = [*found, *patterns] if patterns else found
            if not number or len(found) < len(fewest):
                fewest = found
        if namespace is not None and len(self.within(namespace)) < len(fewest):
            fewest = self.within(namespace)
        return (pods for pods in fewest if namespace in (None, pods.namespace) and pods.carry(labels))

    def owned(self, owner: "Owner") -> "list[Pods]":
        """The pods of an object: its kind, namespace and name."""
        if self._by_owner is None:
            self._by_owner = {}
            for pods in self._pods:
                self._by_owner.setdefault(pods.owner, []).append(pods)
        return self._by_owner.get(owner, [])

    def within(self, namespace: str) -> "list[Pods]":
        """The pods of a namespace."""
        if self._by_namespace is None:
            self._by_namespace = {}
            for pods in self._pods:
                self._by_namespace.setdefault(pods.namespace, []).append(pods)
        return self._by_namespace.get(namespace, [])

    def _index(self, key: str) -> "tuple[dict[str, list[Pods]], list[Pods]]":
        """The pods by their value of a label, and those whose value is a pattern."""
        if key not in self._by_key:
            exact: dict[str, list[Pods]] = {}
            patterns: list[Pods] = []
            for pods in self._pods:
                value = pods.label(key)
                if value is not None:
                    (patterns if "*" in value else exact.setdefault(value, [])).append(pods)
            self._by_key[key] = exact, patterns
        return self._by_key[key]


class Selectors:
    """Objects that are for pods by their labels: ``wide`` those that ask for none, by namespace.

    The others are found by the first label that they ask for.
    """

    __slots__ = ("_by_label", "wide")

    def __init__(self, items: "Iterable[tuple[str, Mapping[str, Any], KubeObject]]") -> None:
        """From (namespace, labels, object) of each."""
        self.wide: dict[str, list[KubeObject]] = {}
        self._by_label: dict[str, dict[str, list[tuple[Mapping[str, Any], KubeObject]]]] = {}
        for namespace, labels, item in items:
            if labels:
                key, value = next(iter(labels.items()))
                here = self._by_label.setdefault(namespace, {})
                here.setdefault(f"{key}={value}", []).append((labels, item))
            else:
                self.wide.setdefault(namespace, []).append(item)

    def selecting(self, pods: "Pods", namespace: str | None = None) -> "list[KubeObject]":
        """Those of a namespace (the pods' own) that select pods; of several for one label in their order."""
        here = self._by_label.get(pods.namespace if namespace is None else namespace)
        if not here:
            return []
        pairs = pods.pairs()
        asked = here if any("*" in pair for pair in pairs) else pairs
        return [item for pair in asked for labels, item in here.get(pair, ()) if pods.carry(labels)]
