"""The chart's refusal of what changes or stops a server, as Envoy reads Istio's paths."""

from collections.abc import Callable, Iterator

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually

MeasuredBy = Callable[[str, str], None]

LLM = "http://llm-service.ml-serving:8080"
NAME = "llm-service-admin"

# By server: what is refused, and what is not though it looks like it. `GET` unless it says otherwise.
CASES = {
    "sglang": (
        [
            "/flush_cache",
            "POST /flush_cache",
            "/v1/load_lora_adapter",
            "/%66lush_cache",
            "//flush_cache",
            "/x/../y/../flush_cache",
            "/flush_cache?x=1",
        ],
        ["POST /v1/chat/completions", "/generate", "/health", "/flush_cache_not"],
    ),
    "triton": (
        [
            "POST /v2/repository/models/m/load",
            "POST /v1/models/m/load",
            "POST /v2/models/m/versions/1/trace/setting",
            "POST /v2/cudasharedmemory/unregister",
            "POST /inference.GRPCInferenceService/RepositoryModelLoad",
        ],
        [
            "POST /v2/models/m/infer",
            "/v1/models/load",
            "/v2/models/m/config",
            "POST /inference.GRPCInferenceService/ModelInfer",
        ],
    ),
    "llama.cpp": (
        ["POST /props", "/slots", "POST /slots/0", "POST /models/load"],
        ["/props", "/models", "POST /completion"],
    ),
    "torchserve": (
        ["POST /org.pytorch.serve.grpc.management.ManagementAPIsService/RegisterModel"],
        ["POST /predictions/m", "/ping", "/models"],
    ),
}

# A policy changes the server's inbound listener.
pytestmark = [pytest.mark.proves("authorizationpolicies", NAME), pytest.mark.ends_connections]


@pytest.fixture(scope="module", params=CASES)
def server(request: pytest.FixtureRequest, mesh: Mesh) -> Iterator[str]:
    """The name of the server that the chart takes llm-service for."""
    values = f"components.llm-service.server={request.param}"
    caller = "components.llm-service.adminCallers.registry"
    values += f",{caller}.namespace=serving,{caller}.serviceAccount=model-registry"
    release = ("ml-mesh", "chart/", "--namespace", "ml-mesh", "--values", "values/demo.yaml", "--set", values)
    done = mesh.helm.run("template", *release, "--show-only", "templates/security/admin.yaml")
    assert done.returncode == 0, done.stderr
    mesh.apply(done.stdout)
    yield request.param
    mesh.cluster.kubectl("delete", "authorizationpolicy", NAME, "--namespace", "ml-serving", "--ignore-not-found")


def test_what_changes_a_server_is_refused(server: str, mesh: Mesh, frontend: Pod, measured: MeasuredBy) -> None:
    """Every admin path gets 403, however it is spelt; other paths of the server do not; the admin caller may."""

    def status(caller: Pod, asked: str) -> int:
        method, _, path = asked.rpartition(" ")
        return caller.call(LLM + path, "--method", method or "GET").status

    refused, served = CASES[server]
    registry = mesh.pod("ml-serving", app="model-registry")
    for asked in refused:
        assert eventually(lambda asked=asked: status(frontend, asked) == 403), asked  # type: ignore[misc]
        assert status(registry, asked) == 200, asked
    for asked in served:
        assert status(frontend, asked) == 200, asked
    measured(f"admin paths: {server}", f"{len(refused)} refused, {len(served)} others answered")
