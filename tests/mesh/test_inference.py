"""Section 3 of the reference design: the Inference Extension, with its real endpoint picker behind a gateway."""

import json
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually

MeasuredBy = Callable[[str, str], None]

MANIFESTS = Path(__file__).parent / "pool.yaml"


@pytest.fixture(scope="module")
def pool(mesh: Mesh) -> Pod:
    """The gateway before three servers of which the first and the last are busy."""
    mesh.apply(MANIFESTS.read_text())
    mesh.wait_for_pods()
    for server in (servers(mesh)[0], servers(mesh)[2]):
        server.behave("waiting=50,running=8,kv=0.9")
    return mesh.pod("pool", **{"gateway.networking.k8s.io/gateway-name": "pool"})


def servers(mesh: Mesh) -> list[Pod]:
    """The three servers, by name."""
    return sorted(mesh.pods("pool", app="server"), key=lambda pod: pod.name)


def ask(caller: Pod, gateway: Pod) -> int:
    """The status of one chat completion with a prompt of its own."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": uuid.uuid4().hex}]})
    url = f"http://{gateway.address}/v1/chat/completions"
    return caller.call(url, "--body", body, "--header", "Content-Type: application/json").status


@pytest.mark.proves("services", "picker", "pool")
def test_the_picker_sends_to_the_idle_server(mesh: Mesh, outsider: Pod, pool: Pod, measured: MeasuredBy) -> None:
    """Thirty requests to a pool of three servers all go to the one whose own metrics say that it is idle."""
    assert eventually(lambda: ask(outsider, pool) == 200, 40)
    idle = servers(mesh)[1]

    def all_to_the_idle() -> bool:
        for server in servers(mesh):
            server.control("DELETE", "/requests")
        statuses = Counter(ask(outsider, pool) for _ in range(30))
        seen = {server.name: len(server.requests()) for server in servers(mesh)}
        return statuses == {200: 30} and seen == {**dict.fromkeys(seen, 0), idle.name: 30}

    assert eventually(all_to_the_idle, 15)  # the picker may have scraped before the servers were told to be busy
    measured("§3 InferencePool with its endpoint picker", "30 of 30 requests to the one idle server of three")


@pytest.mark.proves("inferencepools", "servers", "pool", part="/spec/endpointPickerRef/failureMode", put="FailOpen")
def test_without_the_picker_the_pool_is_closed(mesh: Mesh, outsider: Pod, pool: Pod, measured: MeasuredBy) -> None:
    """failureMode FailClose: where the picker is gone, requests are refused and no server sees them."""
    assert eventually(lambda: ask(outsider, pool) == 200, 40)
    mesh.cluster.kubectl("scale", "deployment", "picker", "-n", "pool", "--replicas=0")
    assert eventually(lambda: ask(outsider, pool) >= 500)
    before = [len(server.requests()) for server in servers(mesh)]
    status = ask(outsider, pool)
    assert status >= 500
    assert [len(server.requests()) for server in servers(mesh)] == before
    measured("§3 InferencePool without its picker", f"{status}: closed")
