"""Thirty derived blocks on a real Envoy: what a client and a server see is what the model says."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, Response, eventually
from tests.support.envoy_retries import Scenario, Try
from tests.support.objectives import derived_scenarios

MeasuredBy = Callable[[str, str], None]

SCENARIOS = derived_scenarios()
SLACK = 0.25  # seconds: for a machine that has other things to do
AT_ONCE = 3
LARGE = 1_100_000  # bytes: Envoy keeps a megabyte of a body for another try
CLOSED = 9090  # no server listens there


@pytest.fixture(scope="module")
def served(mesh: Mesh) -> Iterator[list[Pod]]:
    """For each scenario a server without a sidecar, so that the caller's Envoy sees what it does; in their order."""
    items: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "upstream"}}]
    for number, scenario in enumerate(SCENARIOS):
        name = f"server-{number}"
        metadata = {"name": name, "namespace": "upstream"}
        port = CLOSED if scenario.tries[0].kind == "refused" else 8080
        container = {"name": "server", "image": "server", "ports": [{"name": "http", "containerPort": 8080}]}
        service = {"selector": {"app": name}, "ports": [{"name": "http", "port": 8080, "targetPort": port}]}
        route = {"route": [{"destination": {"host": name, "port": {"number": 8080}}}], **scenario.block}
        pod = {"metadata": {**metadata, "labels": {"app": name}}, "spec": {"containers": [container]}}
        items += [
            {"apiVersion": "v1", "kind": "Pod", **pod},
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": metadata,
                "spec": {"hosts": [name], "http": [route]},
            },
        ]
    mesh.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    mesh.wait_for_pods()
    yield [mesh.pod("upstream", app=f"server-{number}") for number in range(len(SCENARIOS))]
    mesh.cluster.kubectl("delete", "namespace", "upstream", "--wait=false")


def behaviour(one: Try) -> str:
    """What to tell the server, for one try."""
    after = one.after / 1000
    words = {
        "status": f"status={one.code},delay={after}",
        "silent": "delay=60",
        "reset": f"reset=before,delay={after}",
        "closed": "reset=before",
        "stall": f"tokens=2,first={after},interval=60",
        "refused": "",
    }
    return words[one.kind]


def play(caller: Pod, server: Pod, scenario: Scenario, number: int) -> tuple[Response, int]:
    """The client's answer, and how many requests reached the server."""
    server.forget()
    server.behave(";".join(map(behaviour, scenario.tries)))
    body = ("--body", "x" * 1000) if not scenario.large_body else ("--body-bytes", str(LARGE))
    answer = caller.call(f"http://server-{number}.upstream:8080/v1/x", *body, timeout=10)
    wanted = scenario.requests
    eventually(lambda: len(server.requests()) >= wanted, 3)  # a server notes a request when it ends
    time.sleep(0.1)
    return answer, len(server.requests())


@pytest.mark.proves("virtualservices", "server-1", "upstream")
def test_thirty_derived_blocks_behave_on_envoy_as_the_model_says(
    mesh: Mesh, frontend: Pod, served: list[Pod], measured: MeasuredBy
) -> None:
    """Status, time and number of requests at the server, for each block and each thing that its server does."""
    url = f"http://server-{len(SCENARIOS) - 1}.upstream:8080/"
    assert eventually(lambda: frontend.call(url).status == 200)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        played = list(pool.map(lambda n: play(frontend, served[n], SCENARIOS[n], n), range(len(SCENARIOS))))
    wrong = []
    for scenario, (answer, requests) in zip(SCENARIOS, played, strict=True):
        low, high = scenario.ms[0] / 1000 - 0.02, scenario.ms[1] / 1000 + SLACK
        if (answer.status, requests) != (scenario.status, scenario.requests) or not low <= answer.seconds <= high:
            wrong.append((scenario, answer.status, answer.seconds, requests))
    assert not wrong, "\n".join(map(str, wrong))
    measured("timeouts: 30 derived blocks", "status, seconds and tries on Envoy as the model of its rules has them")
