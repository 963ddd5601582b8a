"""What a server can do to a request, by sidecar and by gateway: what `mlmesh routes` says is what happens.

The server has no sidecar, so that the Envoy in front of it sees what it does. Its requests are counted, and where none
can arrive the connections that failed.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, Response, eventually

MeasuredBy = Callable[[str, str], None]

BIN = Path(sys.executable).parent
MANIFESTS = (Path(__file__).parent / "behaves.yaml").read_text()
HOST = ("--header", "Host: behaves.ml.example.com")
# The defaults are minutes; the tests have seconds.
POLICY = """
apiVersion: mlmesh.dev/v1alpha1
kind: MeshPolicy
metadata: {name: seconds}
spec:
  endpoints:
    types:
      chat: &block {timeout: 5s, attempts: 2, perTryTimeout: 1500ms, retryOn: "connect-failure,refused-stream,503"}
      tokenize: *block
"""
# The rules of both routes, by their place, and the ports that they lead to.
PATHS = ("/v1/chat/completions", "/closed/v1/chat/completions", "/reset/v1/chat/completions", "/v1/realtime")
CHAT, CLOSED, RESET, REALTIME = range(len(PATHS))
PORTS = {CLOSED: 9090, RESET: 9443}


class Seen(NamedTuple):
    """What a client must see: status, tries, and seconds. A word is a number of `mlmesh routes`: `answer`, `cut` ..."""

    status: int
    tries: int | str
    seconds: float | str


class Case(NamedTuple):
    """What the server does, and what is seen by each way.

    Where the route's block is not what a case rests on, the counter-proof takes the Service or the whole route away.
    """

    name: str
    do: str
    sidecar: Seen
    gateway: Seen
    without: Mapping[str, tuple[str, Any]] = MappingProxyType({})
    rule: int = CHAT
    flags: tuple[str, ...] = ("--body", "{}")


# What the counter-proof changes in a case's rule: a field, and what is put there (None: nothing).
SHORT = {"sidecar": ("timeout", "1s"), "gateway": ("timeouts/request", "1s")}
TIMELESS = {"sidecar": ("timeout", None), "gateway": ("timeouts", None)}
PATIENT = {"sidecar": ("retries", None), "gateway": ("timeouts", None)}
ONCE = {"sidecar": ("retries", {"attempts": 0})}
AGAIN = {"sidecar": ("retries/retryOn", "5xx,reset")}
CASES = (
    Case("slow first token", "tokens=3,first=4,interval=0.1", Seen(200, 1, 4.2), Seen(200, 1, 4.2), SHORT),
    Case("slow stream", "tokens=60,first=0.2,interval=0.2", Seen(200, 1, "cut"), Seen(200, 1, "cut"), TIMELESS),
    Case("SSE", "tokens=10,first=0.1,interval=0.2", Seen(200, 1, 1.9), Seen(200, 1, 1.9), SHORT),
    Case("slow answer", "delay=8", Seen(504, "tries", "unanswered"), Seen(504, "tries", "unanswered"), PATIENT),
    Case("503", "status=503", Seen(503, "runs", 0), Seen(503, "runs", 0), ONCE),
    Case("reset after the request", "reset=before,delay=0.3", Seen(503, 1, 0.3), Seen(503, 1, 0.3), AGAIN),
    Case("closed at the request", "reset=before", Seen(503, 1, 0), Seen(503, 1, 0), AGAIN),
    Case("reset before the request", "", Seen(503, 3, 0), Seen(503, 3, 0), ONCE, rule=RESET),
    Case("connect failure", "", Seen(503, 3, 0), Seen(503, 3, 0), ONCE, rule=CLOSED),
    Case("body over 1 MiB", "status=503", Seen(503, 1, 0), Seen(503, 1, 0), flags=("--body-bytes", "1100000")),
)
WAYS = ("sidecar", "gateway")
SLACK = 0.9  # seconds: the waits between tries, and a machine that has other things to do


def proof(case: Case, way: str) -> pytest.MarkDecorator:
    """What the counter-proof takes away."""
    kind, rules = {"sidecar": ("virtualservices", "http"), "gateway": ("httproutes", "rules")}[way]
    if way not in case.without:
        return pytest.mark.proves("services" if way == "sidecar" else kind, "server", "behaves")
    field, value = case.without[way]
    return pytest.mark.proves(kind, "server", "behaves", part=f"/spec/{rules}/{case.rule}/{field}", put=value)


class Way(NamedTuple):
    """A way to the server: who asks which address, the Envoy that it leads through, and what is told of its rules."""

    name: str
    caller: Pod
    base: str
    flags: tuple[str, ...]
    envoy: Pod
    told: list[dict[str, Any]]

    def ask(self, rule: int, *flags: str) -> Response:
        """A request that a rule takes."""
        return self.caller.call(f"{self.base}{PATHS[rule]}", *self.flags, *flags, timeout=15)

    def worst(self, rule: int) -> dict[str, Any]:
        """The worst case of a client by this way alone."""
        cases = self.told[rule]["worstCases"]
        found: dict[str, Any] = next(case for case in cases if case["through"] == [self.name])
        return found

    def failed(self, port: int) -> int:
        """How many connections to a port of the server have failed at the Envoy."""
        clusters = json.loads(self.envoy.envoy("clusters?format=json"))["cluster_statuses"]
        name = f"outbound|{port}||server.behaves.svc.cluster.local"
        hosts = [host for each in clusters if each["name"] == name for host in each.get("host_statuses", ())]
        stats = [stat for host in hosts for stat in host["stats"] if stat["name"] == "cx_connect_fail"]
        return sum(int(stat.get("value", 0)) for stat in stats)


def run(program: str, policy: Path, *arguments: str) -> str:
    """What a program of ours makes of the routes."""
    command = [str(BIN / program), *arguments, "--policy", str(policy)]
    return subprocess.run(command, input=MANIFESTS, capture_output=True, text=True, check=True).stdout


def _gives(way: Way, rule: int, status: int) -> bool:
    return way.ask(rule).status == status


@pytest.fixture(scope="module")
def ways(
    mesh: Mesh, frontend: Pod, outsider: Pod, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Way]]:
    """Both ways, with the routes in force as the post-renderer leaves them and as `mlmesh routes` tells of them."""
    policy = tmp_path_factory.mktemp("policy") / "policy.yaml"
    policy.write_text(POLICY)
    mesh.apply(run("mlmesh-post", policy))
    mesh.wait_for_pods()
    told = json.loads(run("mlmesh", policy, "routes", "-", "--format", "json"))["routes"]
    by_sidecar = [rule for rule in told if rule["kind"] == "VirtualService"]
    by_gateway = [rule for rule in told if rule["kind"] == "HTTPRoute"]
    gateway = mesh.pod("behaves", **{"gateway.networking.k8s.io/gateway-name": "behaves"})
    both = (
        Way("sidecar", frontend, "http://server.behaves:8080", (), frontend, by_sidecar),
        Way("gateway", outsider, f"http://{gateway.address}", HOST, gateway, by_gateway),
    )
    for way in both:
        for rule, status in ((CHAT, 200), (CLOSED, 503), (RESET, 503)):
            assert eventually(partial(_gives, way, rule, status))
    yield {way.name: way for way in both}
    mesh.cluster.kubectl("delete", "namespace", "behaves", "--wait=false")


@pytest.fixture
def server(mesh: Mesh, ways: dict[str, Way]) -> Pod:
    """The server, which has seen nothing yet."""
    pod = mesh.pod("behaves", app="server")
    pod.forget()
    return pod


@pytest.mark.parametrize(
    ("case", "name"),
    [pytest.param(case, way, id=f"{case.name}, {way}", marks=proof(case, way)) for case in CASES for way in WAYS],
)
def test_a_request_ends_as_routes_says(
    server: Pod, ways: dict[str, Way], measured: MeasuredBy, case: Case, name: str
) -> None:
    """Status, time and tries are those that the case has or `mlmesh routes` tells, and none is worse than it says."""
    way, must = ways[name], getattr(case, name)
    bound, port = way.worst(case.rule), PORTS.get(case.rule, 0)
    wanted = bound[must.tries] if isinstance(must.tries, str) else must.tries
    least = bound[must.seconds] if isinstance(must.seconds, str) else must.seconds
    server.behave(case.do)
    before = way.failed(port)

    def tries() -> int:
        return way.failed(port) - before if port else len(server.requests())

    answer = way.ask(case.rule, *case.flags)
    assert (answer.status, answer.cut) == (must.status, must.seconds == "cut")
    closing = 1.1 if answer.cut else 0  # Envoy closes an HTTP/1.1 client's connection up to a second after a cut
    assert least - 0.05 <= answer.seconds <= least + SLACK + closing
    assert answer.seconds <= bound["answer"] + closing + 0.3
    eventually(lambda: tries() >= wanted, 8)  # a server notes a request when it ends
    time.sleep(0.1)
    assert tries() == wanted
    assert not server.requests() if port else wanted <= bound["runs"]
    if case.name == "body over 1 MiB" and bound["runs"] > 1:
        assert "A request of more than 1 MiB is not repeated." in bound["sentence"]
    if case.name == "SSE":
        gaps = [later - earlier for earlier, later in zip(answer.arrivals, answer.arrivals[1:], strict=False)]
        assert len(gaps) == 10
        assert sorted(gaps)[5] > 0.1
    end = "cut" if answer.cut else "ended"
    measured(f"timeouts, {name}: {case.name}", f"{answer.status}, {end} after {answer.seconds:.1f} s, tries: {wanted}")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("sidecar", marks=pytest.mark.proves("services", "server", "behaves")),
        pytest.param("gateway", marks=pytest.mark.proves("httproutes", "server", "behaves")),
    ],
)
def test_a_websocket_outlasts_every_timeout(ways: dict[str, Way], measured: MeasuredBy, name: str) -> None:
    """Realtime has no timeout on either way; seven seconds of messages are more than any other rule allows."""
    way = ways[name]
    assert way.worst(REALTIME)["answer"] is None
    answer = way.ask(REALTIME, "--websocket", "--messages", "8", "--interval", "1")
    assert (answer.status, len(answer.arrivals)) == (101, 8)
    measured(f"timeouts, {name}: WebSocket", f"open for {answer.seconds:.0f} s")
