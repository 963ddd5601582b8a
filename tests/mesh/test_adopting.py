"""The steps of docs/adopting.md, walked under load: whom each refuses, and that nobody in the mesh loses by it."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually
from tests.mesh.platforms import Values, standing
from tests.support import adoption

MeasuredBy = Callable[[str, str], None]

NAME = "adopt"
SERVING, TRAINING = f"{NAME}-serving", f"{NAME}-training"
LLM = f"http://llm-service.{SERVING}:8080/v1/chat/completions"
MODEL = f"http://inference-service.{SERVING}:8080/v1/models/m"
NOTEBOOK = f"http://notebook.{SERVING}:8080/x"
PIPELINE = f"http://pipeline-controller.{TRAINING}:8080/x"
# For how long an Envoy lets connections of a listener live that was changed.
DRAIN = 45
NO_ANSWER = 0

# By caller: the step from which on it is refused, and what it gets then.
REFUSED = {
    "plaintext": ("Plaintext is refused in serving", NO_ANSWER),
    "plaintext, in training": ("Plaintext is refused in training", NO_ANSWER),
    "a stranger": ("Policies hold in serving", 403),
    "a stranger, at a pod without rules": ("Policies hold in serving", 403),
    "a stranger, in training": ("Policies hold everywhere", 403),
}


# What the log says that policies in dry-run would have made of each caller's request, after a step.
TOLD: dict[str, dict[str, str | None]] = {
    "adopt": {
        "the front end": "allowed",
        "a stranger": "denied",
        "a stranger, at a pod without rules": None,
        "a stranger, in training": "denied",
        "plaintext": "denied",
        "plaintext, in training": "denied",
    },
    "Whom nobody named would be refused": {
        "the front end": "allowed",
        "a stranger": "denied",
        "a stranger, at a pod without rules": "denied",
    },
}


class Load:
    """Requests of callers in the mesh, from now on until the end."""

    def __init__(self, *ways: tuple[Pod, str]) -> None:
        self.seen: Counter[str] = Counter()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=each) for each in ways]

    def _send(self, caller: Pod, url: str) -> None:
        while not self._over.is_set():
            got = caller.calls(url, 50, "--header", "x-do: delay=0.02", concurrency=2)
            self.seen.update(got["statuses"])

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Send while the block runs."""
        for each in self._threads:
            each.start()
        try:
            yield self
        finally:
            self._over.set()
            for each in self._threads:
                each.join()


class Walk(NamedTuple):
    """What was seen: by step the statuses of all callers, what the log said, and what became of the load."""

    statuses: dict[str, dict[str, int]]
    audit: dict[str, dict[str, dict[str, Any]]]
    metrics: dict[str, float]
    load: Counter[str]


def titles() -> list[str]:
    """The overlay alone, and the steps."""
    return ["adopt", *(step.title for step in adoption.steps())]


def expected(title: str) -> dict[str, int]:
    """What each caller gets after that step."""
    order = titles()
    over = {who: order.index(title) >= order.index(step) for who, (step, _) in REFUSED.items()}
    refused = {who: status if over[who] else 200 for who, (_, status) in REFUSED.items()}
    return {"the front end": 200, "a trainer": 200, **refused}


def told_denied(pod: Pod) -> dict[str, float]:
    """The counters of requests that policies in dry-run would have refused, as Prometheus reads them."""
    lines = [line for line in pod.envoy("stats/prometheus").splitlines() if 'authz_dry_run_result="denied"' in line]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.fixture(scope="module")
def walk(
    mesh: Mesh, tmp_path_factory: pytest.TempPathFactory, frontend: Pod, stranger: Pod, outsider: Pod
) -> Iterator[Walk]:
    """All the way, once."""
    there = (Path(__file__).parent / "adopting.yaml").read_text()
    mesh.cluster.kubectl("apply", "-f", "-", stdin=there)
    mesh.wait_for_pods()
    names = {key: {"name": f"{NAME}-{key}"} for key in ("serving", "training")}
    values: list[Values] = [adoption.platform(), {"namespaces": names, "policy": {"owns": [SERVING, TRAINING]}}]
    server, notebook = mesh.pod(SERVING, app="llm-service"), mesh.pod(SERVING, app="notebook")
    pipeline, trainer = mesh.pod(TRAINING, app="pipeline-controller"), mesh.pod(TRAINING, app="training-jobs")
    callers = {
        "the front end": (frontend, LLM),
        "a trainer": (trainer, MODEL),
        "a stranger": (stranger, LLM),
        "a stranger, at a pod without rules": (stranger, NOTEBOOK),
        "a stranger, in training": (stranger, PIPELINE),
        "plaintext": (outsider, f"http://{server.address}:8080/v1/chat/completions"),
        "plaintext, in training": (outsider, f"http://{pipeline.address}:8080/x"),
    }
    seen = Walk({}, {}, {}, Counter())

    def look(title: str) -> None:
        wanted = expected(title)
        got = dict.fromkeys(wanted, -1)

        def right() -> bool:
            got.update({who: pod.call(url, timeout=3).status for who, (pod, url) in callers.items()})
            return got == wanted

        # A connection that is open goes on by the policy that it was opened under.
        eventually(right, DRAIN + 10)
        seen.statuses[title] = got

    def log(title: str, told: dict[str, str | None]) -> None:
        """Ask until the log says this of each caller's request, and keep what it said."""

        def right() -> bool:
            marks = {who: uuid.uuid4().hex for who in told}
            for who, mark in marks.items():
                callers[who][0].call(f"{callers[who][1]}?{mark}", timeout=3)
            found: dict[str, dict[str, Any]] = {}

            def read() -> bool:
                for line in (line for each in (server, notebook, pipeline) for line in each.proxy_log()):
                    if line.startswith("{") and '"ml-audit"' in line:
                        entry = json.loads(line)
                        # What was no HTTP has no path.
                        found[(entry["path"] or "").partition("?")[2]] = entry
                return set(marks.values()) <= found.keys()

            assert eventually(read), f"{title}: the log lacks a request"
            seen.audit[title] = {who: found[mark] for who, mark in marks.items()}
            return {who: entry["dry_run_allow"] for who, entry in seen.audit[title].items()} == told

        # A connection that is open goes on by the policy that it was opened under.
        eventually(right, DRAIN + 10)

    with standing(mesh, NAME, tmp_path_factory.mktemp(NAME), bare=False) as own:
        try:
            with Load((frontend, LLM), (trainer, MODEL)).running() as load:
                own.turn(*values)
                look("adopt")
                log("adopt", TOLD["adopt"])
                for step in adoption.steps():
                    values.append(step.values)
                    own.turn(*values)
                    look(step.title)
                    if step.title in TOLD:
                        log(step.title, TOLD[step.title])
                        seen.metrics.update(told_denied(server))
                time.sleep(DRAIN + 5)
            seen.load.update(load.seen)
            yield seen
        finally:
            own.end()
            mesh.cluster.kubectl("delete", "--wait=false", "-f", "-", stdin=there)


@pytest.mark.ends_connections
@pytest.mark.parametrize("title", titles())
def test_each_step_refuses_what_it_says_and_nothing_else(walk: Walk, title: str) -> None:
    """Whom the values name is answered all the way; plaintext and strangers are, until the step that refuses them."""
    assert walk.statuses[title] == expected(title)


@pytest.mark.ends_connections
def test_nobody_in_the_mesh_loses_a_request(walk: Walk, measured: MeasuredBy) -> None:
    """Callers whom the values name were answered all the way, and until connections of the last change had ended."""
    assert set(walk.load) == {"200"}
    assert walk.load["200"] > 1000
    measured("adopting: ten steps under load", f"{walk.load['200']} requests of named callers in the mesh, all 200")


@pytest.mark.ends_connections
def test_permissive_takes_both_and_strict_refuses_plaintext(walk: Walk, measured: MeasuredBy) -> None:
    """With the overlay, plaintext and mutual TLS are answered; after the first step only the latter there."""
    first, second, *_ = (walk.statuses[title] for title in titles())
    who = ("the front end", "plaintext", "plaintext, in training")
    assert [first[each] for each in who] == [200, 200, 200]
    assert [second[each] for each in who] == [200, NO_ANSWER, 200]
    measured("adopting: the first step", "before plaintext 200, mutual TLS 200; after it no answer, and 200")


@pytest.mark.ends_connections
def test_the_log_tells_who_comes_in_plaintext_and_whom_policies_would_refuse(walk: Walk, measured: MeasuredBy) -> None:
    """By peer and by what the policy would have made of it; default deny in dry-run tells of pods without rules."""
    for title, told in TOLD.items():
        assert {who: entry["dry_run_allow"] for who, entry in walk.audit[title].items()} == told
        assert {entry["status"] for entry in walk.audit[title].values()} == {200}
    peers = {who: (entry["peer"] or "").rpartition("/")[2] for who, entry in walk.audit["adopt"].items()}
    assert {who: peer for who, peer in peers.items() if who.startswith("plaintext")} == {
        "plaintext": "",
        "plaintext, in training": "",
    }
    assert peers["the front end"] == "frontend-sa"
    assert peers["a stranger"] == "stranger-sa"
    measured("adopting: the log of the overlay", "plaintext has no peer; whom a policy would refuse is told as denied")


@pytest.mark.ends_connections
def test_the_metrics_tell_it_too(walk: Walk) -> None:
    """The page names the counter as Prometheus has it, and it has counted."""
    (name,) = {key.partition("{")[0] for key, value in walk.metrics.items() if value}
    assert f"`{name}{{" in adoption.PAGE.read_text()
