"""What the post-renderer gives a pod by its role, seen in the injected pod and in its traffic."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.mesh.containers import PROXY
from dev.mesh.lab import Mesh
from dev.mesh.network import entered
from dev.mesh.traffic import Pod, eventually

MeasuredBy = Callable[[str, str], None]

HERE = Path(__file__).parent
POST = Path(sys.executable).parent / "mlmesh-post"


@pytest.fixture(scope="module")
def theirs(mesh: Mesh) -> Iterator[Mesh]:
    """Pods of other people's charts, sent through the post-renderer and applied."""
    done = subprocess.run(
        [str(POST)], input=(HERE / "sidecars.yaml").read_text(), capture_output=True, text=True, check=True
    )
    mesh.cluster.kubectl("apply", "-f", "-", stdin=done.stdout)
    mesh.wait_for_pods()
    yield mesh
    mesh.cluster.kubectl("delete", "--wait=false", "-f", "-", stdin=done.stdout)


def proxy(pod: Pod) -> dict[str, Any]:
    """The container that the injector made, and whether it is a native sidecar, as `native`."""
    spec = pod.object["spec"]
    for native, containers in ((True, spec.get("initContainers") or []), (False, spec["containers"])):
        for each in containers:
            if each["name"] == PROXY:
                return {**each, "native": native}
    raise AssertionError(f"{pod.name} has no sidecar")


@pytest.mark.proves("deployment", "classic", part="/spec/template/metadata/annotations/proxy.istio.io~1config")
def test_each_annotation_is_seen_in_the_injected_pod(theirs: Mesh, measured: MeasuredBy) -> None:
    """Native or classic, hold, the drain until the last connection, and the excluded ports of the capture."""
    native, classic = theirs.pod("ml-serving", app="native"), theirs.pod("ml-serving", app="classic")
    assert proxy(native)["native"]
    assert not proxy(classic)["native"]
    after_start = proxy(classic).get("lifecycle", {}).get("postStart", {}).get("exec", {}).get("command", [])
    assert after_start[:2] == ["pilot-agent", "wait"]
    variables = {each["name"]: each.get("value") for each in proxy(classic)["env"]}
    assert variables["EXIT_ON_ZERO_ACTIVE_CONNECTIONS"] == "true"
    for pod in (native, classic):
        assert pod.object["spec"]["terminationGracePeriodSeconds"] == 100  # the route's 90 s and ten to end
    (init,) = [each for each in trainers(theirs)[0].object["spec"]["initContainers"] if each["name"] == "istio-init"]
    told = dict(zip(init["args"], init["args"][1:], strict=False))
    assert "29500" in told["-d"].split(",")
    assert "29500" in told["-o"].split(",")
    measured(
        "sidecars: annotations in the injected pod", "native, hold, drain, grace period, excluded ports: all there"
    )


def trainers(mesh: Mesh) -> list[Pod]:
    """The two training pods, by name."""
    return sorted(mesh.pods("ml-serving", app="trainer"), key=lambda pod: pod.name)


@pytest.mark.proves(
    "statefulset", "trainer", part="/spec/template/metadata/annotations/traffic.sidecar.istio.io~1excludeInboundPorts"
)
def test_an_excluded_port_is_open_to_plaintext_under_strict_and_no_other(
    theirs: Mesh, outsider: Pod, measured: MeasuredBy
) -> None:
    """A peer without a sidecar reaches the rendezvous port of a training pod, and not its other port."""
    trainer = trainers(theirs)[0]
    assert outsider.call(f"http://{trainer.address}:29500/").status == 200
    assert outsider.call(f"http://{trainer.address}:8080/", timeout=3).status == 0
    measured("sidecars: excluded port 29500 under STRICT", "plaintext peer: 200; on another port no answer")


@pytest.mark.proves(
    "statefulset", "trainer", part="/spec/template/metadata/annotations/traffic.sidecar.istio.io~1excludeOutboundPorts"
)
def test_an_excluded_port_goes_past_the_callers_proxy_too(theirs: Mesh, measured: MeasuredBy) -> None:
    """Between two training pods the rendezvous port passes neither proxy: what the collective sends is not wrapped."""
    first, second = trainers(theirs)
    answer = first.call(f"http://{second.address}:29500/")
    assert answer.status == 200
    assert "x-forwarded-client-cert" not in answer.json["headers"]
    first.call(f"http://{second.address}:8080/", timeout=3)
    connections = [line for line in first.envoy("clusters").splitlines() if f"::{second.address}:" in line]
    assert any(f"{second.address}:8080::" in line for line in connections), (
        "the caller's proxy has not seen the other port"
    )
    assert not any(f"{second.address}:29500::" in line for line in connections)
    measured("sidecars: excluded port at both ends", "200 without either proxy")


@pytest.mark.proves("deployment", "held", part="/spec/template/metadata/annotations/proxy.istio.io~1config")
def test_the_application_is_held_until_its_proxy_is_ready(theirs: Mesh, measured: MeasuredBy) -> None:
    """The first thing that a held application asks for is answered; where the user switched it off, it fails."""

    def first_call(app: str) -> int:
        said = theirs.pod("ml-serving", app=app).sandbox.log("caller")
        return int(json.loads(said)["responses"][0]["status"]) if said.strip() else -1

    assert eventually(lambda: first_call("held") == 200, 5)
    assert eventually(lambda: first_call("unheld") == 0, 5)
    measured("sidecars: holdApplicationUntilProxyStarts", "first call 200; without it no answer")


@pytest.mark.proves("deployment", "native", part="/spec/template/spec/terminationGracePeriodSeconds")
def test_a_stream_of_a_minute_survives_the_end_of_its_pod(theirs: Mesh, frontend: Pod, measured: MeasuredBy) -> None:
    """60 tokens, one a second: the pod is deleted after three, and all of them arrive, with either kind of sidecar.

    A pod whose user has it killed after five seconds cuts its stream.
    """
    tokens = ("--header", "x-do: tokens=60,first=1,interval=1")
    begun = {
        app: frontend.start_call(f"http://{app}.ml-serving:8080/v1/x", *tokens, timeout=100)
        for app in ("native", "classic", "hasty")
    }
    time.sleep(3.5)
    pods = {app: theirs.pod("ml-serving", app=app).name for app in begun}
    theirs.cluster.kubectl("delete", "pod", "-n", "ml-serving", "--wait=false", *pods.values())
    answers = {app: frontend.finish_call(started) for app, started in begun.items()}
    for app in ("native", "classic"):
        assert not answers[app].cut, app
        assert len(answers[app].arrivals) == 61, app
    assert answers["hasty"].cut
    assert len(answers["hasty"].arrivals) < 15

    def gone() -> bool:
        there = theirs.cluster.kubectl("get", "pods", "-n", "ml-serving", "-o", "name")
        return not any(name in there for name in pods.values())

    assert eventually(gone)
    measured(
        "sidecars: a stream of 60 s, its pod deleted after 3 s",
        f"whole with a native and with a classic sidecar; killed after 5 s: {len(answers['hasty'].arrivals)} tokens",
    )


def test_a_job_with_a_sidecar_completes(theirs: Mesh, measured: MeasuredBy) -> None:
    """The job that got a native sidecar is complete; the same with a classic one is not, its work long done."""

    def job(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(theirs.cluster.kubectl("get", "job", name, "-n", "ml-serving", "-o", "json"))
        status: dict[str, Any] = found.get("status", {})
        return status

    assert eventually(lambda: job("ending").get("succeeded") == 1)
    assert eventually(lambda: job("endless").get("active") == 1)
    assert "succeeded" not in job("endless")
    measured("sidecars: a job", "complete with the native sidecar; with a classic one still active")


def test_the_metrics_of_a_monitoring_pod_are_read_in_plaintext_under_strict(
    theirs: Mesh, outsider: Pod, measured: MeasuredBy
) -> None:
    """A scraper without a sidecar gets the application's metrics and the proxy's, from the agent's port alone."""
    exporter = theirs.pod("ml-serving", app="exporter")
    annotations = exporter.object["metadata"]["annotations"]
    assert annotations["prometheus.istio.io/merge-metrics"] == "true"
    assert annotations["prometheus.io/port"] == "15020"
    with (
        entered(outsider.sandbox.netns),
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://{exporter.address}:15020{annotations['prometheus.io/path']}", timeout=10
        ) as answer,
    ):
        page = answer.read().decode()
    assert "vllm:num_requests_waiting" in page  # the application's
    assert "envoy_server_live" in page  # the proxy's
    assert outsider.call(f"http://{exporter.address}:8080/metrics", timeout=3).status == 0
    measured(
        "sidecars: merged metrics under STRICT",
        "one page from port 15020 in plaintext; the application's port: no answer",
    )
