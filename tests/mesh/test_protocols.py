"""Sections 5 to 7 of the reference design: streams, WebSocket and HTTP/1.0 through sidecars and gateway."""

from collections.abc import Callable

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, Response, eventually

MeasuredBy = Callable[[str, str], None]

LLM = "http://llm-service.ml-serving:8080"
TEN_TOKENS = ("--body", '{"stream": true}', "--header", "x-do: tokens=10,first=0.5,interval=0.2")
HOST = ("--header", "Host: inference.ml.example.com")


def gaps(answer: Response) -> list[float]:
    """The seconds between two events at the client."""
    return [later - earlier for earlier, later in zip(answer.arrivals, answer.arrivals[1:], strict=False)]


@pytest.mark.proves("virtualservices", "llm-timeouts", part="/spec/http/0/timeout", put="1s")
def test_a_stream_arrives_token_by_token(frontend: Pod, measured: MeasuredBy) -> None:
    """Ten tokens sent 0.2 s apart arrive one by one at the client: no sidecar holds them back."""
    answer = frontend.call(f"{LLM}/v1/chat/completions", *TEN_TOKENS)
    assert not answer.cut
    assert len(answer.arrivals) == 11  # ten tokens and [DONE]
    assert min(gaps(answer)[:9]) > 0.1
    measured(
        "§6 SSE through sidecars", f"10 tokens sent 0.2 s apart arrive {min(gaps(answer)[:9]):.2f} s apart or more"
    )


@pytest.mark.proves("httproutes", "inference-route")
def test_a_stream_arrives_token_by_token_through_the_gateway(outsider: Pod, gateway: Pod, measured: MeasuredBy) -> None:
    """The same through the gateway."""
    answer = outsider.call(f"http://{gateway.address}/v1/models/m", *HOST, *TEN_TOKENS)
    assert len(answer.arrivals) == 11
    assert min(gaps(answer)[:9]) > 0.1
    measured(
        "§3 SSE through the gateway", f"10 tokens sent 0.2 s apart arrive {min(gaps(answer)[:9]):.2f} s apart or more"
    )


@pytest.mark.proves("httproutes", "inference-route")
def test_websocket_passes_sidecars_and_gateway(
    frontend: Pod, outsider: Pod, gateway: Pod, measured: MeasuredBy
) -> None:
    """A WebSocket is opened and each message echoed, to the LLM service and through the gateway."""
    flags = ("--websocket", "--messages", "3", "--interval", "0.2")
    inside = frontend.call(f"{LLM}/v1/realtime", *flags)
    assert (inside.status, len(inside.arrivals)) == (101, 3), inside
    through = outsider.call(f"http://{gateway.address}/v1/models/m", *HOST, *flags)
    assert (through.status, len(through.arrivals)) == (101, 3), through
    measured("§6 WebSocket", "3 messages echoed through sidecars, 3 through the gateway")


def test_h2_upgrade_policy_kills_websocket(mesh: Mesh, frontend: Pod, measured: MeasuredBy) -> None:
    """With the breaker's `h2UpgradePolicy: UPGRADE` no WebSocket opens to an inference host; without it one does."""
    url, flags = "http://inference-v1.ml-serving:8080/v1/models/m", ("--websocket", "--messages", "1")
    killed = frontend.call(url, *flags, timeout=5)
    assert killed.status != 101
    part = "/spec/trafficPolicy/connectionPool/http/h2UpgradePolicy"
    with mesh.without("destinationrules", "inference-destination-v1", part=part, put="DO_NOT_UPGRADE"):
        assert eventually(lambda: frontend.call(url, *flags, timeout=5).status == 101)
    measured("§5 as written: h2UpgradePolicy UPGRADE", f"no WebSocket opens ({killed.status or killed.error})")
