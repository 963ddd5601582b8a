"""What Sidecar scopes are worth in a mesh of two hundred Services more, and that they cut no call of the graph."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually
from tests.mesh.upgrades import Upgrade

MeasuredBy = Callable[[str, str], None]

SERVICES = 200
MIB = 2**20
CLUSTER = r"outbound\|\S+|PassthroughCluster|BlackHoleCluster"
# The edges: what a caller calls, each with the host that its requests are to be sent to, and the port.
CALLS: dict[str, dict[str, dict[str, bool]]] = {
    "model-registry": {"models": {"inference-service": True}, "llm": {"llm-service": True}},
    "kserve-predictor": {"components": {"model-registry": True}, "llm": {"llm-service": True}},
}
EDGES = {
    "model-registry": [
        ("inference-service", 8080, "/v1/models/m", {"inference-v1"}),
        ("llm-service", 8080, "/v1/x", {"llm-service"}),
    ],
    "kserve-predictor": [
        ("model-registry", 5000, "/api/x", {"model-registry"}),
        ("llm-service", 8080, "/v1/x", {"llm-service"}),
    ],
}


def values(*, scoped: bool) -> dict[str, Any]:
    """The release with that graph, a short timeout by which a rule is known, and scopes or none."""
    components: dict[str, Any] = {name: {"calls": calls} for name, calls in CALLS.items()}
    components["inference-service"] = {"accepts": {"models": {"components": {"model-registry": True}}}}
    return {
        "scopes": {"enabled": scoped},
        "components": components,
        "models": {"inference-service": {"canary": {"weight": 0}}},
        "llm": {"llm-service": {"endpoints": {"chat": {"rule": {"timeout": "1s", "retries": {"attempts": 0}}}}}},
    }


class Size(NamedTuple):
    """What an Envoy holds."""

    clusters: int
    listeners: int
    hosts: int  # virtual hosts of its routes
    configuration: int  # bytes of the whole configuration as JSON
    memory: int  # bytes that are allocated


def size(pod: Pod) -> Size:
    """What the Envoy of a pod holds now."""
    dump = json.loads(pod.envoy("config_dump"))["configs"]
    routes = [
        each["route_config"]
        for section in dump
        for key in ("static_route_configs", "dynamic_route_configs")
        for each in section.get(key) or []
    ]
    return Size(
        clusters=len(json.loads(pod.envoy("clusters?format=json"))["cluster_statuses"]),
        listeners=len(json.loads(pod.envoy("listeners?format=json"))["listener_statuses"]),
        hosts=sum(len(route.get("virtual_hosts", [])) for route in routes),
        configuration=len(json.dumps(dump)),
        memory=int(json.loads(pod.envoy("memory"))["allocated"]),
    )


def fresh(mesh: Mesh, app: str) -> Pod:
    """A component's pod with an Envoy that has never known anything else."""
    mesh.cluster.kubectl("delete", "pod", mesh.pod("ml-serving", app=app).name, "--namespace", "ml-serving")
    mesh.wait_for_pods()
    return mesh.pod("ml-serving", app=app)


@pytest.fixture
def large(mesh: Mesh) -> Iterator[None]:
    """Two hundred Services of others in the mesh, which need no pods to be in every proxy's configuration."""
    port = {"name": "http", "port": 8080}
    namespace: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "others"}}
    services = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"service-{number}", "namespace": "others"},
            "spec": {"selector": {"app": f"service-{number}"}, "ports": [port]},
        }
        for number in range(SERVICES)
    ]
    mesh.apply(yaml.safe_dump_all([namespace, *services]))
    yield
    mesh.cluster.kubectl("delete", "namespace", "others", "--wait=false")
    mesh.cluster.kubectl("delete", "services", "--all", "--namespace", "others")
    mesh.istio.settle()


def sent_to(pod: Pod, path: str) -> str:
    """The one cluster that the caller's access log names for the requests of that path."""
    lines = eventually(lambda: [line for line in pod.proxy_log() if path in line], 12)
    (found,) = {name for line in lines for name in re.findall(f" ({CLUSTER}) ", line)}
    return str(found)


@pytest.mark.ends_connections
def test_scopes_keep_proxies_small_and_cut_no_call(
    mesh: Mesh, upgrade: Upgrade, large: None, measured: MeasuredBy
) -> None:
    """Of 200 Services more a scoped proxy knows none; every edge is sent by its own rule, with its identity."""
    upgrade(values(scoped=False))
    whole = size(fresh(mesh, "model-registry"))
    upgrade(values(scoped=True))
    callers = {name: fresh(mesh, name) for name in CALLS}
    scoped = size(callers["model-registry"])
    assert whole.clusters - scoped.clusters >= SERVICES
    assert whole.clusters >= 10 * scoped.clusters
    assert whole.hosts >= 10 * scoped.hosts
    assert whole.configuration >= 3 * scoped.configuration
    assert whole.memory >= 1.5 * scoped.memory

    tried = 0
    for caller, edges in EDGES.items():
        pod = callers[caller]
        for host, port, path, targets in edges:
            mark = f"{path}?{uuid.uuid4().hex}"
            url = f"http://{host}.ml-serving:{port}{mark}"
            answer = eventually(lambda pod=pod, url=url: (got := pod.call(url)).status == 200 and got)  # type: ignore[misc]
            assert answer, f"{caller} to {host}: {pod.call(url)}"
            identity = answer.json["headers"]["x-forwarded-client-cert"]
            assert f"/ns/ml-serving/sa/{caller}" in identity
            _, number, _, target = sent_to(pod, mark).split("|")
            assert (int(number), target.partition(".")[0] in targets) == (port, True)
            tried += 1
    chat = callers["model-registry"].call(
        "http://llm-service.ml-serving:8080/v1/chat/completions", "--header", "x-do: delay=3"
    )
    assert (chat.status, chat.seconds < 2) == (504, True)

    # The counter-proof: whom it does not call it does not know, and sends past every rule, without its identity.
    mark = f"/x?{uuid.uuid4().hex}"
    callers["model-registry"].call(f"http://kserve-predictor.ml-serving:8080{mark}", timeout=3)
    assert sent_to(callers["model-registry"], mark) == "PassthroughCluster"

    def ratio(field: str) -> str:
        before, after = getattr(whole, field), getattr(scoped, field)
        return f"{before} to {after} ({before / after:.1f})"

    parts = [f"{field} {ratio(field)}" for field in ("clusters", "listeners", "hosts")]
    parts += [
        f"{field} {getattr(whole, field) / MIB:.1f} to {getattr(scoped, field) / MIB:.1f} MiB "
        f"({getattr(whole, field) / getattr(scoped, field):.1f})"
        for field in ("configuration", "memory")
    ]
    measured(f"scopes: a proxy in a mesh of {SERVICES} Services more", "; ".join(parts))
    measured("scopes: the graph's edges", f"{tried} of {tried} by their own rules, with identity; chat cut after 1 s")
