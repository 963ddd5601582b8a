"""What the chart derives from who calls whom: policies let in exactly these edges, and scopes cut nothing of them."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually

MeasuredBy = Callable[[str, str], None]

# Who may call what: by component, rules of callers, methods and paths.
ACCEPTS: dict[str, dict[str, dict[str, Any]]] = {
    "llm-service": {
        "chat": {"components": {"model-registry": True}, "methods": ["POST"], "paths": ["/v1/chat/completions"]},
        "list": {
            "components": {"model-registry": True, "kserve-predictor": True},
            "methods": ["GET"],
            "paths": ["/v1/models"],
        },
    },
    "model-registry": {"read": {"components": {"llm-service": True}, "methods": ["GET"], "paths": ["/api/*"]}},
    "kserve-predictor": {
        "all": {"gateways": {"ml-gateway": True}, "callers": {"frontend": True}},
        "read": {"components": {"monitoring-stack": True}, "methods": ["GET"], "paths": ["/v1/models", "/api/x"]},
    },
}
PORTS = {"llm-service": 8080, "model-registry": 5000, "kserve-predictor": 8080}
REQUESTS = [("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/api/x"), ("DELETE", "/api/x")]


def expected(caller: str, callee: str, method: str, path: str) -> bool:
    """Whether the graph has that edge."""
    return any(
        rule.get("components", {}).get(caller, rule.get("callers", {}).get(caller, False))
        and method in rule.get("methods", [method])
        and any(
            path == each or (each.endswith("*") and path.startswith(each[:-1])) for each in rule.get("paths", [path])
        )
        for rule in ACCEPTS[callee].values()
    )


def derived(mesh: Mesh, folder: Path, values: dict[str, Any], template: str) -> list[dict[str, Any]]:
    """What a template of the chart renders with these values over the demo's."""
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    release = ("ml-mesh", "chart/", "--namespace", "ml-mesh", "--values", "values/demo.yaml", "--values", str(file))
    done = mesh.helm.run("template", *release, "--show-only", f"templates/{template}")
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


@pytest.fixture(params=["enforce", "dry-run"])
def mode(request: pytest.FixtureRequest, mesh: Mesh, tmp_path: Path) -> Iterator[str]:
    """How the policies of the graph hold, which stand for as long as the test runs."""
    values = {
        "authorization": {"mode": request.param},
        "components": {name: {"accepts": rules} for name, rules in ACCEPTS.items()},
    }
    policies = derived(mesh, tmp_path, values, "security/authorizationpolicies.yaml")
    own = [each for each in policies if each["metadata"]["name"] != "inference-access"]
    assert len(own) == len(ACCEPTS)
    mesh.apply(yaml.safe_dump_all(own))
    yield request.param
    names = [each["metadata"]["name"] for each in own]
    mesh.cluster.kubectl("delete", "authorizationpolicies", *names, "--namespace", "ml-serving")


def _answers(pod: Pod, url: str, method: str, wanted: int) -> bool:
    return pod.call(url, "--method", method).status == wanted


@pytest.mark.ends_connections
def test_policies_let_in_exactly_the_edges(
    mode: str, mesh: Mesh, frontend: Pod, stranger: Pod, measured: MeasuredBy
) -> None:
    """Every pair, by method and path: what the graph has is answered, all else gets 403; in dry-run all is answered."""
    callers = {name: mesh.pod("ml-serving", app=name) for name in (*ACCEPTS, "monitoring-stack", "feature-store")}
    callers |= {"frontend": frontend, "stranger": stranger}
    tried = let_in = 0
    for caller, pod in callers.items():
        for callee, port in PORTS.items():
            for method, path in REQUESTS:
                if caller == callee:
                    continue
                url = f"http://{callee}.ml-serving:{port}{path}"
                edge = expected(caller, callee, method, path)
                wanted = 200 if edge or mode == "dry-run" else 403
                got = eventually(partial(_answers, pod, url, method, wanted))
                assert got, f"{caller} {method} {url}: not {wanted}"
                tried, let_in = tried + 1, let_in + edge
    if mode == "dry-run":
        stats = mesh.pod("ml-serving", app="llm-service").envoy("stats?filter=shadow_denied").split("\n")
        denied = sum(int(line.rpartition(" ")[2]) for line in stats if ":" in line)
        assert denied > 0, stats
        measured("the graph: authorization in dry-run", f"{tried} of {tried} answered, refusals counted")
    else:
        measured(
            "the graph: authorization enforced", f"{let_in} edges answered, {tried - let_in} others refused with 403"
        )


@pytest.mark.ends_connections
def test_default_deny_shuts_pods_and_leaves_the_gateway_open(
    mesh: Mesh, tmp_path: Path, frontend: Pod, outsider: Pod, measured: MeasuredBy
) -> None:
    """A pod that no rule speaks of refuses everybody; through the gateway its own route's target answers."""
    gateway = mesh.pod("ml-serving", **{"gateway.networking.k8s.io/gateway-name": "ml-gateway"})
    rules = {"all": {"gateways": {"ml-gateway": True}}}
    values = {
        "authorization": {"defaultDeny": {"serving": True}},
        "components": {"kserve-predictor": {"accepts": rules}},
    }
    policies = [
        each
        for template in ("security/authorizationpolicies.yaml", "security/defaultdeny.yaml")
        for each in derived(mesh, tmp_path, values, template)
        if each["metadata"]["name"] != "inference-access"
    ]
    names = [each["metadata"]["name"] for each in policies]
    assert names == ["kserve-predictor-access", "default-deny", "ml-gateway-open"]
    mesh.apply(yaml.safe_dump_all(policies))

    def through() -> int:
        host = ("--header", "Host: inference.ml.example.com")
        return outsider.call(f"http://{gateway.address}/v1/models/m", *host).status

    try:
        assert eventually(lambda: frontend.call("http://llm-service.ml-serving:8080/").status == 403)
        assert eventually(lambda: frontend.call("http://kserve-predictor.ml-serving:8080/v1/models").status == 403)
        assert eventually(lambda: through() == 200)
        mesh.cluster.kubectl("delete", "authorizationpolicy", "ml-gateway-open", "--namespace", "ml-serving")
        assert eventually(lambda: through() == 403)
        measured("the graph: default deny", "pods 403, through the gateway 200; without its policy 403")
    finally:
        mesh.cluster.kubectl(
            "delete", "authorizationpolicies", *names, "--namespace", "ml-serving", "--ignore-not-found"
        )


def clusters(pod: Pod) -> set[str]:
    """The hosts outside the pod that its Envoy knows."""
    names = [each["name"] for each in json.loads(pod.envoy("clusters?format=json"))["cluster_statuses"]]
    return {name.split("|")[3] for name in names if name.startswith("outbound|")}


def test_a_scope_leaves_what_is_called(mesh: Mesh, tmp_path: Path, measured: MeasuredBy) -> None:
    """A proxy with a Sidecar knows whom its component calls, with their routes, and the collector; calls go on."""
    registry = mesh.pod("ml-serving", app="model-registry")
    calls = {"models": {"inference-service": True}, "llm": {"llm-service": True}}
    values = {"scopes": {"enabled": True}, "components": {"model-registry": {"calls": calls}}}
    (scope,) = [
        each
        for each in derived(mesh, tmp_path, values, "traffic/sidecars.yaml")
        if each["metadata"]["name"] == "model-registry"
    ]
    before = clusters(registry)
    mesh.apply(yaml.safe_dump(scope))
    try:
        assert eventually(lambda: len(clusters(registry)) < len(before))
        after = clusters(registry)
        called = {
            f"{name}.ml-serving.svc.cluster.local"
            for name in ("inference-service", "inference-v1", "inference-v2", "llm-service")
        }
        assert {name for name in after if name.endswith(".ml-serving.svc.cluster.local")} == called
        assert "otel-collector.observability.svc.cluster.local" in after
        assert registry.call("http://llm-service.ml-serving:8080/v1/models").status == 200
        # By the header's rule: the route is known, and its identity is told to v2, which no rule lets in.
        pinned = registry.call(
            "http://inference-service.ml-serving:8080/v1/models/m", "--header", "x-model-version: v2"
        )
        assert pinned.status == 403
        measured("the graph: a scope", f"{len(before)} hosts known before, {len(after)} with it")
    finally:
        mesh.cluster.kubectl("delete", "sidecar", "model-registry", "--namespace", "ml-serving")
        mesh.istio.settle()
