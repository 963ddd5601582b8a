"""How long a gateway's proxies bear a silent stream, where something says so: by themselves they have no limit.

istio/istio pilot/pkg/networking/core/connection_settings.go: the annotation ``proxy.istio.io/config`` of a Gateway's
pods, whose profile EDGE has 5 minutes; and what EnvoyFilters set of Envoy's connection manager.
"""

from mlmesh.graph.fields import at, entries, mapping, maps
from mlmesh.graph.gateways import ISTIO_CLASSES, gateway_class, selector
from mlmesh.graph.route import GATEWAY_API, ISTIO
from mlmesh.model.errors import InputError
from mlmesh.model.patches import pointer
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.graph.route import Parent
    from mlmesh.manifests.objects import KubeObject

CONFIG = "proxy.istio.io/config"
EDGE_SECONDS = 300.0
KEY = "httpStreamIdleTimeout"


class Idling:
    """A limit of some gateways: in what object, where, by what words, for how many seconds.

    ``key`` is the field that sets it, ``is_field`` whether ``pointer`` leads to it (not to text that has it).
    """

    __slots__ = ("_gateways", "is_field", "item", "key", "pointer", "said", "seconds")

    def __init__(
        self,
        item: "KubeObject",
        place: str,
        said: str,
        seconds: float,
        *,
        key: str,
        gateways: "set[tuple[str, str, str]]",
        is_field: bool,
    ) -> None:
        self.item = item
        self.pointer = place
        self.said = said
        self.seconds = seconds
        self.key = key
        self.is_field = is_field
        self._gateways = gateways

    def holds_at(self, parent: "Parent") -> bool:
        """Whether it holds at a Gateway that a route is attached to."""
        return (parent.group, parent.namespace, parent.name) in self._gateways


def of_gateways(release: "Release") -> "Iterator[Idling]":
    """The limits that Gateways of Gateway API, which istiod runs, give their proxies by annotation."""
    for item in release.of(GATEWAY_API, "Gateway"):
        infrastructure = at(item.data, "spec.infrastructure.annotations")
        path = ("spec", "infrastructure") if isinstance(infrastructure, dict) else ("metadata",)
        text = mapping(infrastructure if infrastructure is not None else item.annotations()).get(CONFIG)
        if not isinstance(text, str) or gateway_class(item) not in ISTIO_CLASSES:
            continue
        settings = mapping(at(_parsed(text), "connectionSettings"))
        seconds = _seconds(settings.get(KEY))
        said = f"connectionSettings.{KEY} {settings.get(KEY)}"
        if KEY not in settings and settings.get("profile") == "EDGE":
            seconds, said = EDGE_SECONDS, "connectionSettings.profile EDGE"
        if seconds:
            place = (GATEWAY_API, release.namespace(item), item.name)
            where = pointer(*path, "annotations", CONFIG)
            key = f"connectionSettings.{KEY}"
            yield Idling(item, where, said, seconds, key=key, gateways={place}, is_field=False)


def _parsed(text: str) -> "Any":
    from mlmesh.manifests.stream import read

    try:
        documents = read(text.encode()).documents
        return documents[0].data if len(documents) == 1 else None
    except InputError:  # the injector refuses it
        return None


def of_filters(release: "Release") -> "Iterator[Idling]":
    """The limits that EnvoyFilters give gateways' connection managers."""
    if "EnvoyFilter" not in release.kinds:
        return
    for item in release.of(ISTIO, "EnvoyFilter"):
        for index, patch in maps(at(item.data, "spec.configPatches")):
            if at(patch, "match.context") not in (None, "ANY", "GATEWAY") or patch.get("applyTo") != "NETWORK_FILTER":
                continue
            settings = mapping(at(patch, "patch.value.typed_config"))
            for name in ("stream_idle_timeout", "streamIdleTimeout"):
                seconds = _seconds(settings.get(name))
                if seconds:
                    place = pointer("spec", "configPatches", index, "patch", "value", "typed_config", name)
                    gateways = _filtered(item, release)
                    said = f"{name} {settings[name]}"
                    yield Idling(item, place, said, seconds, key=name, gateways=gateways, is_field=True)


def _filtered(item: "KubeObject", release: "Release") -> "set[tuple[str, str, str]]":
    """The Gateways whose pods an EnvoyFilter is for, as far as it names them."""
    namespace = release.namespace(item)
    everywhere = namespace == release.mesh("rootNamespace")
    targets = {ref.get("name") for _, ref in maps(at(item.data, "spec.targetRefs")) if ref.get("kind") == "Gateway"}
    labels = mapping(at(item.data, "spec.workloadSelector.labels"))
    found = set()
    for gateway in release.known(GATEWAY_API, "Gateway"):
        where = release.namespace(gateway)
        if not everywhere and where != namespace:
            continue
        named = labels.get("gateway.networking.k8s.io/gateway-name") == gateway.name
        if gateway.name in targets or (not targets and (named or not labels)):
            found.add((GATEWAY_API, where, gateway.name))
    if not entries(at(item.data, "spec.targetRefs")):
        for gateway in release.known(ISTIO, "Gateway"):
            of = selector(gateway)
            if of and ((labels and labels.items() <= of.items()) or (not labels and everywhere)):
                found.add((ISTIO, release.namespace(gateway), gateway.name))
    return found


def _seconds(value: object) -> float:
    """Seconds of a duration; 0 where there is none, or it sets no limit."""
    try:
        return duration_ms(value) / 1000 if isinstance(value, str) else 0.0
    except ValueError:
        return 0.0
