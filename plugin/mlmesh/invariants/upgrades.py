"""HTTP/2 for servers that do not speak it: MLM211."""

from mlmesh.graph.fields import at, mapping, maps, policies
from mlmesh.graph.membership import injected
from mlmesh.graph.route import ISTIO
from mlmesh.invariants.rule import GUESS, PODS, Rule, Violation
from mlmesh.model.findings import WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from mlmesh.graph.inventory import Pods
    from mlmesh.graph.release import Release

# Servers that speak HTTP/1.1 alone on the one port that they have (uvicorn, gunicorn, httplib, Go's without h2c), each
# with a part of every word that tells it.
HTTP1 = {
    "vLLM": b"llm",
    "SGLang": b"sglang",
    "LMDeploy": b"lmdeploy",
    "llama.cpp": b"llama",
    "Ollama": b"llama",
    "Infinity": b"infinity",
    "MLflow": b"mlflow",
}
_H2 = ("http2", "grpc", "grpc-web")


def h2_to_http1_server(release: "Release") -> "Iterator[Violation]":
    """HTTP/2 is sent to a model server that speaks HTTP/1.1 alone: its requests are answered 502 or 503.

    Why: h2UpgradePolicy UPGRADE has Envoy ask the next hop in HTTP/2. A sidecar there translates for a port that is
    named `http`; a pod without one gets HTTP/2 itself. A Service's port that is named `http2` or `grpc` has it sent to
    the server in any case. The servers told here (vLLM, SGLang, Ollama and others) do not take it.

    Bad: `h2UpgradePolicy: UPGRADE` for a vLLM whose pods have `sidecar.istio.io/inject: "false"`

    Good: no h2UpgradePolicy, or a sidecar; and a port that is named `http`

    Source: istio/istio pilot/pkg/networking/core/cluster_traffic_policy.go shouldH2Upgrade, cluster_builder.go
    setUpstreamProtocol, issues 40604 and 47915.
    """
    yield from _upgraded(release)
    for item in release.of("", "Service"):
        ports = [(index, port) for index, port in maps(at(item.data, "spec.ports")) if _speaks_h2(port)]
        selector = mapping(at(item.data, "spec.selector")) if ports else {}
        pods = list(release.selected(release.namespace(item), selector) if selector else ())
        ports = [(index, port) for index, port in ports if all(_leads_to(each, port) for each in pods)]
        title, server = _only(pods) if ports else ("", "")
        for index, port in ports if server else ():
            field = "appProtocol" if port.get("appProtocol") else "name"
            place = f"/spec/ports/{index}/{field}"
            yield Violation(
                item,
                place,
                f"port {port.get('port')} is said to speak HTTP/2 ({field} {port[field]}), and {title} runs {server}, "
                f"which speaks HTTP/1.1 alone: its requests fail",
                f"{field}: http",
                evidence=title,
                operations=({"op": "replace", "path": place, "value": "http"},) if field == "appProtocol" else (),
            )


def _upgraded(release: "Release") -> "Iterator[Violation]":
    for item in release.of(ISTIO, "DestinationRule"):
        host = release.host(str(at(item.data, "spec.host")), release.namespace(item))
        namespace, selector = release.service(host)
        for place, policy, labels in policies(at(item.data, "spec")) if selector else ():
            if at(policy, "connectionPool.http.h2UpgradePolicy") != "UPGRADE" or _encrypts(policy):
                continue
            bare = (
                pods
                for pods in release.selected(namespace, {**mapping(selector), **labels})
                if injected(pods, release) is False
            )
            title, server = _only(bare)
            if server:
                path = f"{place}/connectionPool/http/h2UpgradePolicy"
                yield Violation(
                    item,
                    path,
                    f"callers of {host} ask in HTTP/2, and {title} has no sidecar that would translate for {server}, "
                    f"which speaks HTTP/1.1 alone: its requests fail",
                    "leave h2UpgradePolicy out, or give these pods a sidecar",
                    evidence=title,
                    operations=({"op": "remove", "path": path},),
                )


def _encrypts(policy: "dict[str, Any]") -> bool:
    return at(policy, "tls.mode") in ("SIMPLE", "MUTUAL")


def _speaks_h2(port: "dict[str, Any]") -> bool:
    """istio/istio pkg/config/kube/conversion.go: appProtocol goes before the name."""
    protocol = port.get("appProtocol")
    if protocol:
        return str(protocol).lower() in (*_H2, "kubernetes.io/h2c")
    name = str(port.get("name") or "").lower()
    return name in _H2 or name.startswith(("http2-", "grpc-"))


def _leads_to(pods: "Pods", port: "dict[str, Any]") -> bool:
    """Whether a Service's port is one of the pods', as far as they declare any."""
    target = port.get("targetPort", port.get("port"))
    return not pods.ports or any(target in (name, number) for name, number, _ in pods.ports)


def _only(found: "Iterable[Pods]") -> tuple[str, str]:
    """Whose the pods are, and their server where all of them run one of these; of the first where there are several."""
    title = server = ""
    for pods in found:
        runs = _server(pods)
        if not runs:
            return "", ""
        title, server = title or pods.title, server or runs
    return title, server


def _server(pods: "Pods") -> str:
    """The server of HTTP/1.1 that pods run, with one port; empty where nothing tells, or they run something besides."""
    if not any(map(pods.mentions, HTTP1.values())):
        return ""
    from mlmesh.endpoints.servers import served_by

    template = pods.template()
    containers = template.spec.get("containers")
    if not isinstance(containers, list) or len(containers) != 1:
        return ""
    _, told = served_by(template)
    return next((name for name in HTTP1 if told.startswith(f"{name},")), "")


RULES = (
    Rule(
        "MLM211",
        h2_to_http1_server,
        severity=WARNING,
        confidence=GUESS,
        judges=("DestinationRule", "Service"),
        reads=(PODS,),
        scope="set",
        fix="unsafe",
    ),
)
