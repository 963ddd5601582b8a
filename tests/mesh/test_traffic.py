"""Section 5 of the reference design: routing by header and by weight, timeout and retries, and the circuit breaker."""

import math
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod

MeasuredBy = Callable[[str, str], None]

SERVICE = "http://inference-service.ml-serving:8080/v1/models/m"
PINNED = ("--header", "x-model-version: v2")
LIMIT = 1000  # of the circuit breaker: connections, pending requests and requests


def versions(mesh: Mesh, version: str) -> list[Pod]:
    """The ready pods of one version."""
    return mesh.pods("ml-serving", app="inference-service", version=version)


@pytest.mark.proves("virtualservices", "inference-routing")
def test_the_header_asks_for_a_version(frontend: Pod, measured: MeasuredBy) -> None:
    """Every request with `x-model-version: v2` goes to v2."""
    got = frontend.calls(SERVICE, 100, *PINNED)
    names = {name.rpartition("-")[0].rpartition("-")[0]: count for name, count in got["names"].items()}
    assert names == {"inference-v2": 100}
    measured("§5 rule 1: header x-model-version", "100 of 100 requests with the header to inference-v2")


@pytest.mark.proves("virtualservices", "inference-routing", part="/spec/http/1/route/0/weight", put=50)
def test_the_rest_is_split_90_to_10(frontend: Pod, measured: MeasuredBy) -> None:
    """Of 1000 requests without the header v2 gets a tenth, within four standard deviations of chance."""
    total, share = 1000, 0.1
    got = frontend.calls(SERVICE, total)
    assert got["statuses"] == {"200": total}
    second = sum(count for name, count in got["names"].items() if name.startswith("inference-v2"))
    spread = 4 * math.sqrt(total * share * (1 - share))
    assert abs(second - total * share) <= spread, got["names"]
    measured("§5 rule 2: weights 90 and 10", f"{total - second} and {second} of {total}")


@pytest.mark.proves("virtualservices", "inference-routing", part="/spec/http/0/retries", put={"attempts": 0})
def test_three_attempts_are_four_tries(mesh: Mesh, frontend: Pod, measured: MeasuredBy) -> None:
    """On 503 from v2 the caller's Envoy tries once and three times again."""
    (server,) = versions(mesh, "v2")
    mark = uuid.uuid4().hex
    answer = frontend.call(SERVICE, *PINNED, "--header", "x-do: status=503", "--header", f"x-test: {mark}")
    tries = [each for each in server.requests() if each.headers.get("x-test") == mark]
    assert (answer.status, len(tries)) == (503, 4)
    measured("§5 rule 1: retries attempts 3", f"503 after {len(tries)} tries at the upstream")


@pytest.fixture
def four_of_v2(mesh: Mesh) -> Iterator[list[Pod]]:
    """Four pods of v2 whose breaker has seen nothing yet."""
    scale = ("scale", "deployment", "inference-v2", "-n", "ml-serving")
    mesh.cluster.kubectl(*scale, "--replicas=4")
    mesh.wait_for_pods()
    servers = versions(mesh, "v2")
    try:
        yield servers
    finally:
        for server in servers:  # one of them stays, and other tests ask it
            server.forget()
        mesh.cluster.kubectl(*scale, "--replicas=1")
        mesh.wait_for_pods()


@pytest.mark.proves("destinationrules", "inference-destination-v2")
def test_five_errors_eject_a_server_but_at_most_half_of_them(
    breaker: Pod, four_of_v2: list[Pod], measured: MeasuredBy
) -> None:
    """Of four servers three answer 500: two are ejected after five errors each; the third stays: half is the limit."""
    bad = four_of_v2[:3]
    for server in bad:
        server.forget()
        server.behave("status=500")
    ejected: dict[str, int] = {}  # how many errors a server had given when it was ejected
    for _ in range(80):
        breaker.call("http://inference-v2.ml-serving:8080/v1/models/m")
        time.sleep(0.02)  # the errors are counted by another thread of Envoy's
        for server in bad:
            if server.name not in ejected and f"{server.address}:8080::health_flags::/failed_outlier" in breaker.envoy(
                "clusters"
            ):
                ejected[server.name] = len(server.requests())
    assert list(ejected.values()) == [5, 5], f"errors at ejection: {ejected}"
    (third,) = [len(server.requests()) for server in bad if server.name not in ejected]
    assert third > 10
    seen = f"two ejected after 5 errors each, the third still asked after {third}"
    measured("§5 breaker: consecutive5xxErrors 5, maxEjectionPercent 50", f"of four servers three fail: {seen}")


@pytest.mark.proves("destinationrules", "inference-destination-v2")
def test_the_thousand_and_first_request_overflows(mesh: Mesh, frontend: Pod, measured: MeasuredBy) -> None:
    """Of 1200 requests at once to a version, a thousand are let through and the rest get 503 at once."""
    (server,) = versions(mesh, "v2")
    url, many = "http://inference-v2.ml-serving:8080/v1/models/m", 1200
    got = frontend.calls(url, many, "--header", "x-do: delay=6", concurrency=many, timeout=40)
    assert got["statuses"] == {"200": LIMIT, "503": many - LIMIT}
    assert server.control("GET", "/requests")["max_in_flight"] <= LIMIT
    measured("§5 breaker: 1000 requests", f"of {many} at once {LIMIT} pass, {many - LIMIT} get 503")


def test_the_breaker_as_written_guards_nothing(mesh: Mesh, frontend: Pod, measured: MeasuredBy) -> None:
    """With the rule on `inference-service` alone nothing overflows: Envoy reads the rule of the host sent to."""
    url, many = "http://inference-service.ml-serving:8080/v1/models/m", 1200
    with (
        mesh.without("destinationrules", "inference-destination-v1"),
        mesh.without("destinationrules", "inference-destination-v2"),
    ):
        got = frontend.calls(url, many, *PINNED, "--header", "x-do: delay=4", concurrency=many, timeout=60)
    assert got["statuses"] == {"200": many}
    measured("§5 as written: the rule on inference-service alone", f"{many} of {many} at once pass: it guards nothing")
