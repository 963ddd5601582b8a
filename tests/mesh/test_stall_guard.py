"""The chart's stall guards: an answer that stops in the middle is cut, which no field of Istio's can do."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, Response, eventually

MeasuredBy = Callable[[str, str], None]

LLM = "http://llm-service.ml-serving:8080"
IDLE = 3
NAME, AT_GATEWAY = "llm-service-stall-guard", "inference-route-stall-guard"
VALUES = ",".join(
    f"{place}.stallGuard.enabled=true,{place}.stallGuard.idle={IDLE}s"
    for place in ("llm.llm-service", "routes.inference-route")
)
TEMPLATE = "templates/traffic/envoyfilters.yaml"
MODELS, HOST = "/v1/models/m", ("--header", "Host: inference.ml.example.com")

proves_the_guard = pytest.mark.proves("envoyfilters", NAME)
proves_the_gateways_guard = pytest.mark.proves("envoyfilters", AT_GATEWAY)


@pytest.fixture(scope="module")
def guarded(mesh: Mesh) -> Iterator[None]:
    """Both guards as the chart renders them, for the sidecars of ml-serving and for the gateway."""
    release = ("ml-mesh", "chart/", "--namespace", "ml-mesh", "--values", "values/demo.yaml", "--set", VALUES)
    done = mesh.helm.run("template", *release, "--show-only", TEMPLATE)
    assert done.returncode == 0, done.stderr
    mesh.apply(done.stdout)
    yield
    mesh.cluster.kubectl("delete", "envoyfilter", NAME, AT_GATEWAY, "--namespace", "ml-serving")


def in_force(envoy: Pod) -> bool:
    """Whether an Envoy has a guard."""
    return bool(eventually(lambda: f'"per_try_idle_timeout": "{IDLE}s"' in envoy.envoy("config_dump")))


@pytest.fixture(scope="module")
def client(mesh: Mesh, guarded: None) -> Pod:
    """A pod of ml-serving whose sidecar guards the chat endpoint; those of other namespaces do not."""
    pod = mesh.pod("ml-serving", app="model-registry")
    assert in_force(pod)
    return pod


def ask(caller: Pod, path: str, do: str) -> tuple[int, bool, float, int]:
    """Status, whether it was cut, seconds, events: what `do` comes to for the caller."""
    answer = caller.call(f"{LLM}{path}", "--method", "POST", "--body", "{}", "--header", f"x-do: {do}", timeout=40)
    return answer.status, answer.cut, answer.seconds, len(answer.arrivals)


@proves_the_guard
def test_a_stream_that_stalls_is_cut(client: Pod, frontend: Pod, measured: MeasuredBy) -> None:
    """A server that is silent after one token is given up after the idle time; without the guard it is waited for."""
    status, cut, seconds, events = ask(client, "/v1/chat/completions", "tokens=3,first=0.5,interval=8")
    assert (status, cut, events) == (200, True, 1)
    assert IDLE < seconds < IDLE + 2
    status, cut, _, events = ask(frontend, "/v1/chat/completions", "tokens=3,first=0.5,interval=8")
    assert (status, cut, events) == (200, False, 4), "another namespace's sidecar has no guard"
    measured(f"stall guard of {IDLE} s: a stream that stalls after a token", f"cut after {seconds:.1f} s")


def test_what_flows_is_not_cut(client: Pod, measured: MeasuredBy) -> None:
    """A stream three times as long as the idle time arrives whole, and other endpoints may be silent for longer."""
    status, cut, seconds, events = ask(client, "/v1/chat/completions", "tokens=19,first=0.5,interval=0.5")
    assert (status, cut, events) == (200, False, 20)
    assert seconds > 3 * IDLE
    assert ask(client, "/v1/embeddings", "delay=6")[0] == 200
    socket = client.call(f"{LLM}/v1/realtime", "--websocket", "--messages", "2", "--interval", "5", timeout=20)
    assert (socket.status, len(socket.arrivals)) == (101, 2)
    measured(f"stall guard of {IDLE} s: a stream of {seconds:.0f} s that flows", "whole")


@proves_the_guard
def test_only_the_route_of_the_endpoint_is_guarded(client: Pod, frontend: Pod) -> None:
    """In the client's Envoy the chat rule has the idle time, beside its own retries; no other rule, no other client."""

    def routes_with(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, list):
            for below in node:
                yield from routes_with(below)
        elif isinstance(node, dict):
            if "per_try_idle_timeout" in node.get("route", {}).get("retry_policy", {}):
                yield node
            for below in node.values():
                yield from routes_with(below)

    routes = list(routes_with(json.loads(client.envoy("config_dump"))))
    assert {route["name"] for route in routes} == {"chat"}
    for route in routes:
        policy = route["route"]["retry_policy"]
        assert policy["per_try_idle_timeout"] == f"{IDLE}s"
        assert (policy["num_retries"], policy["retry_on"]) == (2, "5xx,reset")
    assert not list(routes_with(json.loads(frontend.envoy("config_dump"))))


@proves_the_guard
def test_an_answer_that_is_not_streamed_is_silent_until_it_is_complete(client: Pod, measured: MeasuredBy) -> None:
    """The idle time bounds it like a perTryTimeout: it is cut, and repeated as retryOn says."""
    status, _, seconds, _ = ask(client, "/v1/chat/completions", "delay=12")
    assert status == 504
    assert 3 * IDLE < seconds < 3 * IDLE + 2, "three tries, of which each is silent for the idle time"
    measured(
        f"stall guard of {IDLE} s: an answer of 12 s that is not streamed", f"504 after {seconds:.1f} s and 3 tries"
    )


@pytest.fixture(scope="module")
def through(guarded: None, gateway: Pod, outsider: Pod) -> Callable[[str], Response]:
    """`through(do)`: the answer by way of the gateway, from a server that does so."""
    assert in_force(gateway)
    return lambda do: outsider.call(
        f"http://{gateway.address}{MODELS}", *HOST, "--body", "{}", "--header", f"x-do: {do}", timeout=40
    )


@proves_the_gateways_guard
def test_the_gateway_cuts_a_stream_that_stalls(through: Callable[[str], Response], measured: MeasuredBy) -> None:
    """The gateway's guard cuts what falls silent, and leaves what flows for longer than its idle time."""
    answer = through("tokens=3,first=0.5,interval=8")
    assert (answer.status, answer.cut, len(answer.arrivals)) == (200, True, 1)
    assert IDLE - 0.1 < answer.seconds < IDLE + 2
    measured(f"stall guard of {IDLE} s, gateway: a stream that stalls", f"cut after {answer.seconds:.1f} s")
    answer = through("tokens=13,first=0.5,interval=0.5")
    assert (answer.status, answer.cut, len(answer.arrivals)) == (200, False, 14)
    assert answer.seconds > 2 * IDLE


@proves_the_gateways_guard
def test_the_gateway_does_not_repeat_what_it_cut(
    mesh: Mesh, through: Callable[[str], Response], measured: MeasuredBy
) -> None:
    """An answer that is not streamed is cut at the idle time after one try: Istio's own retries are for no such end."""
    server = mesh.pod("ml-serving", app="kserve-predictor")
    server.forget()
    answer = through("delay=12")
    assert answer.status == 504
    assert IDLE - 0.1 < answer.seconds < IDLE + 2
    eventually(server.requests, 12)
    assert len(server.requests()) == 1
    measured(f"stall guard of {IDLE} s, gateway: an answer of 12 s", f"504 after {answer.seconds:.1f} s and 1 try")
