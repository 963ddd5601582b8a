"""Metrics that Prometheus asks for in plain text where plain text is refused: MLM302."""

from mlmesh.graph.fields import at, entries, mapping, maps, selects
from mlmesh.graph.mtls import any_strict, refusing, selecting_of
from mlmesh.graph.ports import is_headless, named, pods_of, ports_of, target
from mlmesh.invariants.rule import ABSENCE, PODS, Rule, Violation
from mlmesh.manifests.objects import objects
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

MONITORING = "monitoring.coreos.com"
# The proxy's own pages, which take plain text always: merged metrics, readiness, and its own metrics.
OPEN = (15020, 15021, 15090)


def strict_refuses_scrape(release: "Release") -> "Iterator[Violation]":
    """A monitor has a port scraped in plain text that takes mutual TLS only: its metrics are lost.

    Why: Prometheus asks each pod by its address, without a certificate of the mesh, and a sidecar of its own passes
    that on as it is. A pod under STRICT closes the connection. Open to everybody are the proxy's ports, of which 15020
    answers with the application's metrics and the proxy's, and ports that are excepted by portLevelMtls.

    Bad: a ServiceMonitor for port 8000 of injected pods in a namespace that is STRICT

    Good: a PeerAuthentication for these pods with `portLevelMtls: {8000: {mode: PERMISSIVE}}`

    Source: istio/istio issue 37431, knative/serving issue 2921.
    """
    if not any_strict(release):
        return
    services: _Services | None = None
    for item in release.of(MONITORING, "ServiceMonitor"):
        services = services or _Services(release)
        for namespace in _namespaces(item, services, release) if _selector(item) is not None else ():
            for service in services.labelled(namespace, mapping(_selector(item))):
                yield from _through(item, service, release)
    for item in release.of(MONITORING, "PodMonitor"):
        yield from _directly(item, release)


def scrapes(
    release: "Release", asked: "Callable[[Pods], bool]"
) -> "Iterator[tuple[KubeObject, dict[str, Any], Pods, int | None]]":
    """(monitor, endpoint, pods, container port) of what monitors have scraped without TLS of the pods ``asked`` for."""
    services: _Services | None = None
    for item in release.known(MONITORING, "ServiceMonitor"):
        services = services or _Services(release, asked)
        for namespace in _namespaces(item, services, release) if _selector(item) is not None else ():
            for service in services.labelled(namespace, mapping(_selector(item))):
                ports = {str(port.get("name") or ""): port for _, port in ports_of(service)}
                for _, endpoint in _plain(item, "endpoints"):
                    for pods in filter(asked, pods_of(service, release)):
                        port = ports.get(str(endpoint.get("port")))
                        number = target(port, pods) if port else _number(endpoint.get("targetPort"), pods)
                        yield item, endpoint, pods, number
    for item in release.known(MONITORING, "PodMonitor"):
        for _, endpoint in _plain(item, "podMetricsEndpoints"):
            for pods in filter(asked, _monitored(item, release)):
                yield item, endpoint, pods, _of_pods(endpoint, pods)


class _Services:
    """Services by namespace and label, which the graph does not keep: a document is read again, once."""

    def __init__(self, release: "Release", asked: "Callable[[Pods], bool] | None" = None) -> None:
        """All Services, or those in front of pods that are ``asked`` for."""
        self._unread: dict[str, list[KubeObject]] = {}
        self._by_label: dict[str, dict[str, list[KubeObject]]] = {}
        for item in release.known("", "Service"):
            if asked and not any(map(asked, pods_of(item, release))):
                continue
            self._unread.setdefault(release.namespace(item), []).append(item)

    def all(self) -> list[str]:
        """The namespaces that have any."""
        return list({**self._unread, **self._by_label})

    def labelled(self, namespace: str, selector: "dict[str, Any]") -> "Iterator[KubeObject]":
        """The Services of a namespace that a selector takes."""
        found = self._by_label.setdefault(namespace, {})
        for service in self._unread.pop(namespace, ()):
            for pair in ("", *_pairs(service)):
                found.setdefault(pair, []).append(service)
        pairs = [f"{key}={value}" for key, value in mapping(selector.get("matchLabels")).items()] or [""]
        others = [set(map(id, found.get(pair, ()))) for pair in pairs[1:]]
        taken = (each for each in found.get(pairs[0], ()) if all(id(each) in other for other in others))
        if not selector.get("matchExpressions"):
            return taken
        return (each for each in taken if selects(selector, _labels(_pairs(each))))


def _pairs(service: "KubeObject") -> list[str]:
    document = service.document
    items = [item for item in objects(document, document.data) if item.pointer == service.pointer]
    document.forget()
    return [f"{key}={value}" for item in items for key, value in mapping(at(item.data, "metadata.labels")).items()]


def _labels(pairs: list[str]) -> "dict[str, Any]":
    return dict(pair.split("=", 1) for pair in pairs)


def _through(item: "KubeObject", service: "KubeObject", release: "Release") -> "Iterator[Violation]":
    """What a ServiceMonitor cannot scrape of the pods behind one Service."""
    ports = {str(port.get("name") or ""): port for _, port in ports_of(service)}
    selector = mapping(at(service.data, "spec.selector"))
    for place, endpoint in _plain(item, "endpoints"):
        for pods in pods_of(service, release):
            port = ports.get(str(endpoint.get("port")))
            number = target(port, pods) if port else _number(endpoint.get("targetPort"), pods)
            yield from _refused(item, place, pods, number, release, labels=selector, is_known=is_headless(service))


def _directly(item: "KubeObject", release: "Release") -> "Iterator[Violation]":
    """What a PodMonitor cannot scrape."""
    found = _monitored(item, release)
    for place, endpoint in _plain(item, "podMetricsEndpoints"):
        for pods in found:
            number = _of_pods(endpoint, pods)
            labels = mapping(at(_selector(item), "matchLabels")) or _labels(pods.pairs())
            yield from _refused(item, place, pods, number, release, labels=labels)


def _monitored(item: "KubeObject", release: "Release") -> "list[Pods]":
    """The pods that a PodMonitor asks for."""
    selector = _selector(item)
    if selector is None:
        return []
    wanted = mapping(selector.get("matchLabels"))
    chosen = at(item.data, "spec.namespaceSelector")
    found = list(release.selected(None, wanted) if wanted else release.pods())
    if selector.get("matchExpressions"):
        expressions = {"matchExpressions": selector["matchExpressions"]}  # labels can hold *, and the others do fit
        found = [pods for pods in found if selects(expressions, _labels(pods.pairs()))]
    if not at(chosen, "any"):
        within = {str(name) for name in entries(at(chosen, "matchNames"))} or {release.namespace(item)}
        found = [pods for pods in found if pods.namespace in within]
    return found


def _of_pods(endpoint: "dict[str, Any]", pods: "Pods") -> int | None:
    return _number(endpoint.get("port") or endpoint.get("portNumber") or endpoint.get("targetPort"), pods)


def _number(port: object, pods: "Pods") -> int | None:
    return port if isinstance(port, int) else named(str(port), "TCP", pods)


def _refused(
    item: "KubeObject",
    place: str,
    pods: "Pods",
    number: int | None,
    release: "Release",
    *,
    labels: "dict[str, Any]",
    is_known: bool = False,
) -> "Iterator[Violation]":
    """``labels`` are those by which the pods were found.

    ``is_known``: sidecars may know the pods' addresses, as those of a headless Service, and speak TLS to them.
    """
    policy = None if number is None or number in OPEN else refusing(pods, number, release)
    if policy is None:
        return
    mine = selecting_of(pods, release)
    port = f"portLevelMtls: {{{number}: {{mode: PERMISSIVE}}}}"
    if mine:
        remedy = f"add {port} to the spec of {mine[0].title}: of two that select these pods only the older counts"
    else:
        where = f", namespace: {pods.namespace}" if pods.namespace else ""
        selector = ", ".join(f"{key}: {value}" for key, value in labels.items())
        remedy = (
            f"except the port: kind: PeerAuthentication, metadata: {{name: {pods.name}-metrics{where}}}, spec: "
            f"{{selector: {{matchLabels: {{{selector}}}}}, {port}}}"
        )
    found = Violation(
        item,
        place,
        f"Prometheus asks port {number} of {pods.title} in plain text, where {policy.title} takes mutual TLS only: "
        f"each scrape is refused, and there are no metrics of these pods",
        f"{remedy}; or have the pods' metrics merged (annotations prometheus.io/scrape, prometheus.io/port) and port "
        f"15020 scraped",
        severity=ERROR if release.owns(pods.namespace) and not is_known else WARNING,
        evidence=f"{pods.title} {number}",
    )
    if number is not None:
        from mlmesh.graph.newcomers import except_port

        except_port(found, pods, number, labels, name=f"{pods.name}-metrics", release=release)
    yield found


def _plain(item: "KubeObject", field: str) -> "Iterator[tuple[str, dict[str, Any]]]":
    """The endpoints that are asked without TLS, and where they are said to be."""
    for index, endpoint in maps(at(item.data, f"spec.{field}")):
        moved = any(
            str(rule.get("targetLabel")) in ("__address__", "__scheme__")
            for _, rule in maps(endpoint.get("relabelings"))
        )
        if str(endpoint.get("scheme") or "http").lower() == "http" and not endpoint.get("tlsConfig") and not moved:
            yield f"/spec/{field}/{index}", endpoint


def _selector(item: "KubeObject") -> "dict[str, Any] | None":
    """What a monitor asks for by labels, an empty one being for all; None where there is none, which is refused."""
    selector = at(item.data, "spec.selector")
    return selector if isinstance(selector, dict) else None


def _namespaces(item: "KubeObject", services: _Services, release: "Release") -> "list[str]":
    chosen = at(item.data, "spec.namespaceSelector")
    if at(chosen, "any"):
        return services.all()
    return [str(name) for name in entries(at(chosen, "matchNames"))] or [release.namespace(item)]


RULES = (
    Rule(
        "MLM302",
        strict_refuses_scrape,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("ServiceMonitor", "PodMonitor"),
        reads=("PeerAuthentication", "Service", "Namespace", PODS),
        scope="set",
        fix="unsafe",
    ),
)
