"""Endpoint pickers of InferencePools: their Services, their pods, and how these are started."""

from mlmesh.graph.fields import at, entries, maps
from mlmesh.graph.gateways import Gateways
from mlmesh.graph.pools import POOL_GROUP, picker
from mlmesh.graph.route import GATEWAY_API, POOL
from mlmesh.graph.routes import route_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

_IMAGES = ("epp", "llm-d-inference-scheduler", "llm-d-router-endpoint-picker")
_NO = ("0", "f", "F", "false", "False", "FALSE")  # what Go's strconv.ParseBool takes for false


class Picked:
    """A pool with its picker: ``name`` of the Service, in the pool's ``namespace``, its full ``host`` and ``port``."""

    __slots__ = ("host", "name", "namespace", "pool", "port")

    def __init__(self, pool: "KubeObject", name: str, port: "Any", release: "Release") -> None:
        self.pool = pool
        self.name = name
        self.port = port
        self.namespace = release.namespace(pool)
        self.host = release.host(name, self.namespace)

    def pods(self, release: "Release") -> "list[Pods]":
        """The pods behind the Service, whatever they run."""
        _, selector = release.service(self.host)
        return list(release.selected(self.namespace, selector)) if selector else []

    @property
    def lost(self) -> str:
        """What becomes of requests to the pool while its picker does not answer."""
        if at(self.pool.data, "spec.endpointPickerRef.failureMode") == "FailOpen":
            return f"with failureMode FailOpen requests to {self.pool.name} are balanced round robin"
        return f"every request to {self.pool.name} is answered 500"


def picked(release: "Release") -> "Iterator[Picked]":
    """Each of the release's own pools that names a picker."""
    for pool in release.of(POOL_GROUP, "InferencePool"):
        name, port = picker(pool)
        if name:
            yield Picked(pool, name, port, release)


def reach(release: "Release") -> dict[tuple[str, str], bool | None]:
    """By namespace and name of a pool: whether requests come to it from a gateway of Istio's.

    None where nobody here holds a Gateway that its routes name; not there where no route is here.
    """
    gateways = Gateways(release)
    found: dict[tuple[str, str], list[bool | None]] = {}
    for kind in ("HTTPRoute", "GRPCRoute"):
        for item in release.known(GATEWAY_API, kind):
            route = route_of(item, release)
            places = {
                (backend.namespace, backend.name)
                for rule in route.rules
                for backend in rule.backends
                if backend.kind == POOL
            }
            answer = gateways.istio(route) if places else None
            for place in places:
                found.setdefault(place, []).append(answer)
    return {place: True if True in answers else None if None in answers else False for place, answers in found.items()}


def arguments(pods: "Pods") -> "list[str] | None":
    """The words with which a picker is started; None where no container is one that is known."""
    for _, container in maps(pods.template().spec.get("containers")):
        words = [
            word for text in (*entries(container.get("command")), *entries(container.get("args")))
            for word in str(text).split()
        ]  # fmt: skip
        image = str(container.get("image")).rpartition("/")[2]
        if image.startswith(_IMAGES) or "/epp" in words:
            return words
    return None


def option(words: list[str], name: str) -> str:
    """The value of an option, the last one said; "true" for one without a value, empty where it is not said."""
    found = ""
    for index, word in enumerate(words):
        said, _, value = word.lstrip("-").partition("=")
        if word.startswith("-") and said == name:
            behind = words[index + 1] if index + 1 < len(words) else ""
            found = value.strip("\"'") or ("true" if behind.startswith("-") or not behind else behind)
    return found


def serves_tls(words: list[str]) -> bool:
    """Whether a picker that is started so serves gRPC by TLS, as it does unless it is told not to.

    kubernetes-sigs/gateway-api-inference-extension pkg/epp/server/options.go: a boolean option has its value behind
    an equals sign only.
    """
    said = [word.partition("=")[2] for word in words if word.lstrip("-").startswith("secure-serving=")]
    return not said or said[-1] not in _NO


class Rules:
    """The DestinationRules of a release and its context, by the host that they are for."""

    __slots__ = ("_exact", "_wild")

    def __init__(self, release: "Release") -> None:
        self._exact: dict[str, list[KubeObject]] = {}
        self._wild: list[tuple[str, KubeObject]] = []
        for item in release.known("networking.istio.io", "DestinationRule"):
            named = release.host(str(at(item.data, "spec.host")), release.namespace(item))
            if named.startswith("*"):
                self._wild.append((named[1:], item))
            else:
                self._exact.setdefault(named, []).append(item)

    def modes(self, host: str, port: "Any") -> "list[tuple[str, KubeObject]]":
        """How each rule for a host has its port called (a mode of tls, or ""), exact names before wildcards."""
        found = [*self._exact.get(host, ()), *(item for end, item in self._wild if host.endswith(end))]
        return [(_mode(at(item.data, "spec.trafficPolicy"), port), item) for item in found]


def _mode(policy: "Any", port: "Any") -> str:
    for _, level in maps(at(policy, "portLevelSettings")):
        if at(level, "port.number") == port:
            return str(at(level, "tls.mode") or "")  # a port's settings take the place of the host's
    return str(at(policy, "tls.mode") or "")
