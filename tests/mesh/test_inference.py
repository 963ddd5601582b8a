"""Section 3 of the reference design: the Inference Extension as the chart renders it, with real pickers.

All of it stands under STRICT, with default deny and scopes: values/inference-extension.yaml under pool.yaml.
"""

import http.client
import json
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.mesh.lab import Mesh
from dev.mesh.network import entered
from dev.mesh.traffic import Pod, Response, eventually

MeasuredBy = Callable[[str, str], None]

VALUES = ("values/inference-extension.yaml", "tests/mesh/pool.yaml")
SERVERS = ("large", "small", "small-next")
MODELS = "llm.ml.example.com"
# The two ways in which a picker reads metrics under STRICT: the servers of a pool of each, and what it rests on.
WAYS = {
    "mtls": ("small", "services", "small-pool-scraped"),
    "plaintext": ("large", "peerauthentications", "large-ports"),
}


@pytest.fixture(scope="module")
def platform(mesh: Mesh) -> list[dict[str, Any]]:
    """What the chart renders of it and the post-renderer makes of that, in a namespace of its own."""
    files = [word for file in VALUES for word in ("--values", file)]
    done = mesh.helm.run("template", "pool", "chart/", "--namespace", "pool", *files)
    assert done.returncode == 0, done.stderr
    post = [str(Path(sys.executable).with_name("mlmesh-post"))]
    stream = subprocess.run(post, input=done.stdout, capture_output=True, text=True, check=True).stdout
    objects = [each for each in yaml.safe_load_all(stream) if each]
    return [each for each in objects if "pool" in (each["metadata"].get("namespace"), each["metadata"]["name"])]


@pytest.fixture(scope="module")
def gateway(mesh: Mesh, platform: list[dict[str, Any]], outsider: Pod) -> Iterator[Pod]:
    """The gateway before it all. Of each pool's servers only the second is idle, and the pickers know it."""
    for kind in (True, False):
        mesh.apply(yaml.safe_dump_all([each for each in platform if (each["kind"] == "Namespace") is kind]))
    mesh.wait_for_pods()
    found = mesh.pod("pool", **{"gateway.networking.k8s.io/gateway-name": "ml-gateway"})
    for app in SERVERS:
        for server in (each for place, each in enumerate(servers(mesh, app)) if place != 1):
            server.behave("waiting=50,running=8,kv=0.9")
    for way in WAYS:
        assert eventually(lambda way=way: only_idle(mesh, outsider, found, way), 60), way  # type: ignore[misc]
    yield found
    mesh.cluster.kubectl("delete", "namespace", "pool", "--wait=false")


def servers(mesh: Mesh, app: str) -> list[Pod]:
    """The servers of a component, by name."""
    return sorted(mesh.pods("pool", app=app), key=lambda pod: pod.name)


def ask(caller: Pod, gateway: Pod, host: str, *flags: str, model: str = "m") -> Response:
    """The answer to one chat completion with a prompt of its own."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": uuid.uuid4().hex}]})
    headers = ("--header", "Content-Type: application/json", "--header", f"Host: {host}")
    return caller.call(f"http://{gateway.address}/v1/chat/completions", "--body", body, *headers, *flags)


def seen(mesh: Mesh, send: Callable[[], object]) -> dict[str, list[int]]:
    """How many requests each server got while `send` ran, by component."""
    for app in SERVERS:
        for server in servers(mesh, app):
            server.control("DELETE", "/requests")
    send()
    return {app: [len(server.requests()) for server in servers(mesh, app)] for app in SERVERS}


def only_idle(mesh: Mesh, caller: Pod, gateway: Pod, way: str, count: int = 10) -> bool:
    """Whether the pool of a way answers all requests, by its idle server alone."""
    statuses: list[int] = []
    host = f"{way}.example.com"
    got = seen(mesh, lambda: statuses.extend(ask(caller, gateway, host).status for _ in range(count)))[WAYS[way][0]]
    return set(statuses) == {200} and got[1] == count == sum(got)


@contextmanager
def gone(mesh: Mesh, deployment: str) -> Iterator[None]:
    """A Deployment without pods for a while."""
    scale = ("scale", "deployment", deployment, "-n", "pool")
    found = json.loads(mesh.cluster.kubectl("get", "deployment", deployment, "-n", "pool", "--output", "json"))
    mesh.cluster.kubectl(*scale, "--replicas=0")
    try:
        mesh.wait_for_pods()
        assert eventually(lambda: not mesh.pods("pool", app=deployment))
        yield
    finally:
        mesh.cluster.kubectl(*scale, f"--replicas={found['spec']['replicas']}")
        mesh.wait_for_pods()


@pytest.mark.parametrize("way", [
    pytest.param("mtls", marks=pytest.mark.proves("destinationrules", "small-pool-picker", "pool")),
    pytest.param("plaintext", marks=pytest.mark.proves("destinationrules", "large-pool-picker", "pool")),
])  # fmt: skip
def test_the_picker_sends_to_the_idle_server(
    way: str, mesh: Mesh, outsider: Pod, gateway: Pod, measured: MeasuredBy
) -> None:
    """Under STRICT thirty requests to a pool of three servers all go to the one whose metrics say that it is idle."""
    assert eventually(lambda: only_idle(mesh, outsider, gateway, way, 30), 20)
    measured(f"§3 InferencePool under STRICT, metrics by {way}", "30 of 30 requests to the one idle server of three")


@pytest.mark.parametrize("way", WAYS)
def test_without_its_way_the_picker_is_blind(
    way: str, mesh: Mesh, outsider: Pod, gateway: Pod, measured: MeasuredBy
) -> None:
    """Where STRICT refuses a picker, busy servers get requests too, and each is answered 200."""
    app, kind, name = WAYS[way]
    try:
        with mesh.without(kind, name, "pool"):
            restart(mesh, app)
            host = f"{way}.example.com"
            assert eventually(lambda: ask(outsider, gateway, host).status == 200, 40)
            got = seen(mesh, lambda: [ask(outsider, gateway, host) for _ in range(30)])[app]
            assert min(got) > 0, got
    finally:
        restart(mesh, app)
        assert eventually(lambda: only_idle(mesh, outsider, gateway, way), 60)
    measured(f"§3 InferencePool under STRICT without that way: {way}", f"blind: {'/'.join(map(str, got))} of 30")


def restart(mesh: Mesh, app: str) -> None:
    """Start a pool's picker anew: one that runs keeps the connections that it has."""
    mesh.cluster.kubectl("delete", "pods", "-n", "pool", "-l", f"app={app}-pool-picker")
    mesh.wait_for_pods()


@pytest.mark.usefixtures("gateway")
def test_several_pickers_elect_one(mesh: Mesh, measured: MeasuredBy) -> None:
    """Two pickers of a pool have the rights to elect a leader: one of them holds the pool's Lease."""

    def holders() -> dict[str, str]:
        leases = json.loads(mesh.cluster.kubectl("get", "leases", "-n", "pool", "--output", "json"))["items"]
        return {lease["metadata"]["name"]: str(lease["spec"].get("holderIdentity") or "") for lease in leases}

    (lease, holder), *others = eventually(holders, 40).items()
    assert lease.startswith("epp-pool-elected-pool.")
    assert holder
    assert not others
    measured("§3 two pickers of a pool", "one holds the Lease")


def test_without_the_picker_the_pool_is_closed_or_open(
    mesh: Mesh, outsider: Pod, gateway: Pod, measured: MeasuredBy
) -> None:
    """failureMode FailClose: no picker, no answer, and no server sees a request. FailOpen: all servers get some."""
    with gone(mesh, "small-pool-picker"):
        assert eventually(lambda: ask(outsider, gateway, "mtls.example.com").status == 500)
        statuses: list[int] = []
        got = seen(mesh, lambda: statuses.extend(ask(outsider, gateway, "mtls.example.com").status for _ in range(5)))
        assert statuses == [500] * 5
        assert got["small"] == [0, 0, 0]
    with gone(mesh, "large-pool-picker"):
        assert eventually(lambda: min(seen(mesh, lambda: _many(outsider, gateway, 15))["large"]) > 0)
        assert {ask(outsider, gateway, "plaintext.example.com").status for _ in range(10)} == {200}
    measured("§3 InferencePool without its picker", "FailClose 500 and no server asked, FailOpen 200 from all servers")


def _many(caller: Pod, gateway: Pod, count: int) -> None:
    for _ in range(count):
        ask(caller, gateway, "plaintext.example.com")


@pytest.mark.proves("envoyfilters", "split-split", "pool")
def test_a_split_keeps_each_pools_picker(mesh: Mesh, outsider: Pod, gateway: Pod, measured: MeasuredBy) -> None:
    """20, 30 and 50 of 100 go to three pools, and in each all to the server that its own picker knows to be idle."""
    count = 400
    got = seen(mesh, lambda: [ask(outsider, gateway, "split.example.com") for _ in range(count)])
    shares = {app: sum(of) / count for app, of in got.items()}
    assert shares == {
        "large": pytest.approx(0.2, abs=0.08), "small-next": pytest.approx(0.3, abs=0.08),
        "small": pytest.approx(0.5, abs=0.09),
    }  # fmt: skip
    assert {app: of[1] for app, of in got.items()} == {app: sum(of) for app, of in got.items()}, got
    measured(
        "§3 a split among three pools, 20/30/50",
        "/".join(str(sum(got[app])) for app in ("large", "small-next", "small")),
    )


def test_a_pickers_outage_stops_its_own_share_alone(
    mesh: Mesh, outsider: Pod, gateway: Pod, measured: MeasuredBy
) -> None:
    """Of a split, only the share of the pool whose picker is gone is refused."""
    with gone(mesh, "small-next-pool-picker"):
        assert eventually(lambda: 500 in {ask(outsider, gateway, "split.example.com").status for _ in range(10)})
        statuses = Counter(ask(outsider, gateway, "split.example.com").status for _ in range(200))
    assert set(statuses) == {200, 500}
    assert statuses[500] / 200 == pytest.approx(0.3, abs=0.12)
    measured("§3 a split whose second picker is gone", f"{statuses[500]} of 200 refused, its share")


def test_the_breaker_of_a_pool_holds(
    mesh: Mesh, platform: list[dict[str, Any]], outsider: Pod, gateway: Pod, measured: MeasuredBy
) -> None:
    """The chart knows the Service that istiod makes of a pool, and a fifth request at once is refused there."""
    label = "istio.io/inferencepool-name=large-pool"
    made = json.loads(mesh.cluster.kubectl("get", "services", "-n", "pool", "-l", label, "--output", "json"))["items"]
    rules = [each for each in platform if each["kind"] == "DestinationRule" and "-ip-" in each["metadata"]["name"]]
    assert [each["metadata"]["name"] for each in made] == [each["spec"]["host"].partition(".")[0] for each in rules]
    url, headers = (
        f"http://{gateway.address}/v1/x",
        ("--header", "Host: plaintext.example.com", "--header", "x-do: delay=1"),
    )
    got = outsider.calls(url, 12, *headers, "--body", '{"model": "m", "prompt": "x"}', concurrency=12)
    assert set(got["statuses"]) == {"200", "503"}, got
    assert 4 <= got["statuses"]["200"] <= 5  # the two threads of an Envoy may each let the last one in
    limits = [line for line in gateway.envoy("clusters").splitlines() if "default_priority::max_requests" in line]
    assert any("9002||large-pool-picker" in line and line.endswith("::65536") for line in limits)
    measured("§3 circuit breaker of a pool, 4 requests", f"of 12 at once {got['statuses']['503']} refused with 503")


@pytest.mark.proves("inferencemodelrewrites.inference.networking.x-k8s.io", "large-names", "pool")
def test_a_rewrite_gives_the_model_its_name(mesh: Mesh, outsider: Pod, gateway: Pod, measured: MeasuredBy) -> None:
    """The server gets the name that an InferenceModelRewrite gives, the client reads its own; objectives are there."""

    def longer() -> int:
        """By how much a request for the model is longer at the server than one for a name as long as its own."""
        other, own = (ask(outsider, gateway, "plaintext.example.com", model=name).json for name in ("other", "large"))
        assert (other["model"], own["model"]) == ("other", "large")
        return int(own["body_bytes"]) - int(other["body_bytes"])

    assert eventually(lambda: longer() == len("large-2026-11") - len("large"))
    told = mesh.cluster.kubectl("get", "inferenceobjectives", "-n", "pool", "--output", "name").split()
    assert sorted(name.partition("/")[2] for name in told) == ["batch", "interactive"]
    measured("§3 InferenceModelRewrite", "the server gets the new name, the client reads its own")


@pytest.mark.proves("envoyfilters", "ml-gateway-body-router", "pool")
def test_the_model_in_the_body_picks_the_pool(mesh: Mesh, outsider: Pod, gateway: Pod, measured: MeasuredBy) -> None:
    """A model and its adapters go to their pool by the body alone; other models, and what is no JSON, to the others."""

    def pools(model: str) -> set[str]:
        got = seen(mesh, lambda: [ask(outsider, gateway, MODELS, model=model) for _ in range(10)])
        return {app for app, of in got.items() if sum(of)}

    assert eventually(lambda: pools("large-law") == {"large"}, 30)
    assert pools("large") == {"large"}
    assert pools("tiny") <= {"small", "small-next"}
    headers = ask(outsider, gateway, MODELS, model="large-law").json["headers"]
    assert (headers["x-gateway-model-name"], headers["x-gateway-base-model-name"]) == ("large-law", "large")
    url, host = f"http://{gateway.address}/v1/models", ("--header", f"Host: {MODELS}")
    assert outsider.call(url, *host).status == 200
    assert outsider.call(url, *host, "--body", "no json").status < 500
    measured("§3 body-based routing", "a model and its adapter to their pool, others not")


def test_bodies_of_ten_megabytes_and_slow_ones_pass(outsider: Pod, gateway: Pod, measured: MeasuredBy) -> None:
    """Neither the body router nor a picker stops a large body, or one that takes seconds to arrive."""
    assert upload(outsider, gateway, 10 << 20, 0) == 200
    assert upload(outsider, gateway, 4 << 10, 3) == 200
    measured("§3 bodies through body router and picker", "10 MiB 200, and one of 3 seconds 200")


def upload(caller: Pod, gateway: Pod, size: int, pause: float) -> int:
    """The status of a request for the model `large` with so many bytes; the second half comes after a pause."""
    start, end = b'{"model": "large", "prompt": "', b'"}'
    connection = http.client.HTTPConnection(gateway.address, timeout=60)
    with entered(caller.sandbox.netns):
        connection.connect()
    try:
        connection.putrequest("POST", "/v1/completions", skip_host=True)
        headers = {"Host": MODELS, "Content-Type": "application/json", "Content-Length": len(start) + size + len(end)}
        for name, value in headers.items():
            connection.putheader(name, str(value))
        connection.endheaders()
        connection.send(start + b"x" * (size // 2))
        time.sleep(pause)
        connection.send(b"x" * (size - size // 2) + end)
        return connection.getresponse().status
    finally:
        connection.close()


def test_without_the_body_router_the_gateway_is_closed(
    mesh: Mesh, outsider: Pod, gateway: Pod, measured: MeasuredBy
) -> None:
    """failureMode FailClose of body routing: no router, no answer; requests that are not JSON are answered still."""
    with gone(mesh, "ml-gateway-body-router"):
        assert eventually(lambda: ask(outsider, gateway, MODELS, model="large").status == 500)
        assert outsider.call(f"http://{gateway.address}/v1/models", "--header", f"Host: {MODELS}").status == 200
    measured("§3 body-based routing without its router", "500; what is not JSON 200")
