"""Services and the container ports that they lead to."""

from mlmesh.graph.fields import at, maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

    Leading = tuple[KubeObject, int, dict[str, Any]]  # a Service, the index of one of its ports, and the port


def target(port: "dict[str, Any]", pods: "Pods") -> int | None:
    """The container's port that a Service's port leads to; None where the pods have none of its name."""
    wanted = port.get("targetPort")
    if wanted is None or wanted in (0, ""):
        wanted = port.get("port")
    if isinstance(wanted, int):
        return wanted
    return named(str(wanted), str(port.get("protocol") or "TCP"), pods)


def named(name: str, protocol: str, pods: "Pods") -> int | None:
    """The number of a container's port by its name and protocol."""
    return next((number for own, number, spoken in pods.ports if (own, spoken) == (name, protocol)), None)


def ports_of(service: "KubeObject") -> "Iterator[tuple[int, dict[str, Any]]]":
    """A Service's ports, each with its index."""
    return maps(at(service.data, "spec.ports"))


def is_headless(service: "KubeObject") -> bool:
    """Whether a Service has no address of its own, and its name stands for those of its pods."""
    return bool(at(service.data, "spec.clusterIP") == "None")


class Fronts:
    """The Services, of a release and its context, in front of pods. Each Service's pods are looked up once."""

    __slots__ = ("_by_pods",)

    def __init__(self, release: "Release") -> None:
        self._by_pods: dict[int, list[KubeObject]] = {}
        for service in release.known("", "Service"):
            for pods in pods_of(service, release):
                self._by_pods.setdefault(id(pods), []).append(service)

    def of(self, pods: "Pods") -> "Iterator[Leading]":
        """Each port of each Service in front of some pods."""
        for service in self._by_pods.get(id(pods), ()):
            for index, port in ports_of(service):
                yield service, index, port


def pods_of(service: "KubeObject", release: "Release") -> "Iterator[Pods]":
    """The pods that a Service selects."""
    labels = at(service.data, "spec.selector")
    return release.selected(release.namespace(service), labels) if isinstance(labels, dict) else iter(())
