"""The starred rules about inference pools, by a gateway, a real endpoint picker, and two servers, one of them busy."""

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually
from tests.mesh.starred import Case

TOPIC = "pools"
REQUESTS = 20
IDLE = "20 of 20: 200 from idle"


@pytest.fixture(scope="module")
def gateway(mesh: Mesh, side: str, outsider: Pod) -> Pod:
    """The gateway of all pools. The picker has read from the metrics of the server `busy` that it is."""
    assert side
    (server,) = [pod for pod in mesh.pods("rules-pools", app="server") if pod.name == "busy"]
    server.behave("waiting=50,running=8,kv=0.9")
    found = mesh.pod("rules-pools", **{"gateway.networking.k8s.io/gateway-name": "pools"})
    assert eventually(lambda: ask(outsider, found, "ready") == IDLE, 40)
    return found


def ask(caller: Pod, gateway: Pod, host: str) -> str:
    """What twenty requests got, and from whom."""
    body = ("--body", '{"model": "m", "prompt": "x"}', "--header", "Content-Type: application/json")
    url = f"http://{gateway.address}/v1/completions"
    got = caller.calls(url, REQUESTS, *body, "--header", f"Host: {host}.ml.example.com", concurrency=2)
    statuses = ", ".join(f"{count} of {REQUESTS}: {status}" for status, count in sorted(got["statuses"].items()))
    names = " and ".join(sorted(got["names"]))
    return f"{statuses} from {names}" if names else statuses


@pytest.mark.starred("MLM601")
def test_a_pool_whose_picker_is_not_there_answers_with_errors(case: Case, outsider: Pod, gateway: Pod) -> None:
    """Bad: the Service of the picker does not exist, and every request is a 500. Good: all to the idle server."""
    case.shows(lambda: ask(outsider, gateway, "lost"), bad="20 of 20: 500", good=IDLE)


@pytest.mark.starred("MLM602")
def test_a_picker_with_tls_that_is_called_without_answers_nobody(case: Case, outsider: Pod, gateway: Pod) -> None:
    """Bad: no DestinationRule for the picker's Service, and every request is a 500. Good: all to the idle server."""
    case.shows(lambda: ask(outsider, gateway, "clear"), bad="20 of 20: 500", good=IDLE)


@pytest.mark.starred("MLM606")
def test_the_last_pools_picker_stops_both_pools(case: Case, outsider: Pod, gateway: Pod) -> None:
    """The picker of a pool of weight 1 of 100 is down: bad, all get 500; good, the other pool has its own rule."""
    # Istio asks each pool's own picker from September 2026 on: with such a one the bad case works.
    case.shows(lambda: ask(outsider, gateway, "both"), bad="20 of 20: 500", good=IDLE)


@pytest.mark.starred("MLM607")
def test_cors_on_a_pools_rule_leaves_the_picker_out(case: Case, outsider: Pod, gateway: Pod) -> None:
    """Bad: with a CORS filter, the busy server gets requests as well. Good: all go to the idle one."""
    case.shows(
        lambda: ask(outsider, gateway, "asked"),
        bad="20 of 20: 200 from busy and idle",
        good=IDLE,
    )
