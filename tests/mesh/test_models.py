"""Models under traffic: a canary by one number, mirroring, affinity, warm-up, and a breaker for slow answers."""

import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Self

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually
from tests.mesh.upgrades import Upgrade

MeasuredBy = Callable[[str, str], None]

SERVICE = "http://inference-service.ml-serving:8080/v1/models/m"
CHAT = "http://llm-service.ml-serving:8080/v1/chat/completions"
MODEL = "inference-service"
# A server of a candidate, which no policy guards.
CANDIDATE = {
    "role": "inference",
    "namespace": "serving",
    "selector": {"app": "candidate"},
    "ports": {"http": {"port": 8080}},
    "workload": {
        "kind": "Deployment",
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "server",
                            "image": "registry.k8s.io/pause:3.10",
                            "ports": [{"name": "http", "containerPort": 8080}],
                        }
                    ]
                }
            }
        },
    },
}


def model(**values: Any) -> dict[str, Any]:
    """Values of the model."""
    return {"models": {MODEL: values}}


@contextmanager
def scaled(mesh: Mesh, deployment: str, replicas: int) -> Iterator[list[Pod]]:
    """The pods of a deployment of so many, for a while."""
    scale = ("scale", "deployment", deployment, "-n", "ml-serving")
    mesh.cluster.kubectl(*scale, f"--replicas={replicas}")
    mesh.wait_for_pods()
    try:
        yield [pod for pod in mesh.pods("ml-serving") if pod.name.startswith(f"{deployment}-")]
    finally:
        mesh.cluster.kubectl(*scale, "--replicas=1")
        mesh.wait_for_pods()


def by_version(names: dict[str, int]) -> Counter[str]:
    """How many answers came from each deployment."""
    counts: Counter[str] = Counter()
    for name, count in names.items():
        counts["-".join(name.split("-")[:-2])] += count
    return counts


def about(count: int, total: int, share: float) -> bool:
    """Whether a count is within four standard deviations of chance; exact where nothing is left to it."""
    return abs(count - total * share) <= 4 * math.sqrt(total * share * (1 - share))


class Load:
    """Clients that ask one after the other for as long as the block runs, a few at once each."""

    def __init__(self, *callers: Pod) -> None:
        self.statuses: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self._ended = Event()
        self._threads = [Thread(target=self._ask, args=(caller,)) for caller in callers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, caller: Pod) -> None:
        while not self._ended.is_set():
            got = caller.calls(SERVICE, 20, "--header", "x-do: delay=0.05", concurrency=4)
            self.statuses.update(got["statuses"])
            self.errors.update(got["errors"] or {})
            self.versions.update(by_version(got["names"]))


def test_a_canary_moves_under_load_and_no_request_is_lost(
    mesh: Mesh, upgrade: Upgrade, frontend: Pod, breaker: Pod, measured: MeasuredBy
) -> None:
    """From 90/10 over 50/50 to 0/100 by one number, while clients ask: every answer is 200, and the shares follow."""
    (old,) = mesh.pods("ml-serving", app="inference-service", version="v1")
    total, seen = 400, []
    with Load(frontend, breaker) as load:
        for weight in (10, 50, 100):
            upgrade(model(canary={"weight": weight}))
            if weight == 100:
                assert eventually(lambda: by_version(frontend.calls(SERVICE, 50)["names"])["inference-v1"] == 0)
                time.sleep(0.2)  # what was on its way
                old.forget()
            got = frontend.calls(SERVICE, total)
            assert got["statuses"] == {"200": total}
            new = by_version(got["names"])["inference-v2"]
            assert about(new, total, weight / 100), f"{new} of {total} at {weight}%"
            seen.append(f"{total - new}/{new}")
        time.sleep(1)
        assert old.requests() == []
    asked = load.statuses.total()
    assert load.statuses == {"200": asked}
    assert not load.errors
    assert asked >= 300
    assert min(load.versions["inference-v1"], load.versions["inference-v2"]) > 0
    measured("models: a canary by one number, 10, 50, 100", f"{', '.join(seen)}; {asked} others meanwhile, none lost")


def test_a_pinned_header_beats_the_canary(upgrade: Upgrade, frontend: Pod, measured: MeasuredBy) -> None:
    """With the canary at 0 no request reaches the candidate but those that name it."""
    upgrade(model(canary={"weight": 0}))
    assert by_version(frontend.calls(SERVICE, 100)["names"]) == {"inference-v1": 100}
    pinned = frontend.calls(SERVICE, 100, "--header", "x-model-version: v2")
    assert by_version(pinned["names"]) == {"inference-v2": 100}
    measured("models: the header at canary 0", "100 of 100 with it to the candidate, 0 of 100 without")


def test_a_mirrored_candidate_answers_nobody(mesh: Mesh, upgrade: Upgrade, frontend: Pod, measured: MeasuredBy) -> None:
    """A fifth is mirrored; no answer is the candidate's; neither its errors nor its slowness reach a client."""
    total, percent = 500, 20
    version = {"host": "candidate", "port": 8080, "mirror": percent}
    upgrade({"components": {"candidate": CANDIDATE}, **model(versions={"v3": version})})
    candidate = mesh.pod("ml-serving", app="candidate")
    counts = []
    for behaviour in ("", "status=500", "reset=before", "delay=5"):
        candidate.forget()
        candidate.behave(behaviour)
        got = frontend.calls(SERVICE, total, concurrency=8)
        assert got["statuses"] == {"200": total}, behaviour
        assert "candidate" not in by_version(got["names"])
        assert got["seconds"] < 5, behaviour
        if not behaviour:
            assert eventually(lambda: about(len(candidate.requests()), total, percent / 100))
            shadows = candidate.requests()
            assert {each.headers["host"] for each in shadows} == {"inference-service.ml-serving:8080"}
            assert all("/sa/frontend-sa" in each.headers["x-forwarded-client-cert"] for each in shadows)
            counts.append(len(shadows))
    candidate.forget()
    big = frontend.calls(SERVICE, 60, "--body-bytes", str(2 * 2**20), concurrency=4)
    assert big["statuses"] == {"200": 60}
    assert eventually(candidate.requests), "no body of 2 MiB was mirrored"
    candidate.forget()
    measured(
        "models: 20% mirrored",
        f"{counts[0]} of {total} copied; failing, resetting and slow: {total} of {total} answered by the others",
    )


def test_one_key_has_one_pod(mesh: Mesh, upgrade: Upgrade, frontend: Pod, measured: MeasuredBy) -> None:
    """By a header: each key has one of three pods, and without affinity several; a split is drawn before the hash."""
    keys, times = 24, 10

    def pods_of_keys(*flags: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for key in range(keys):
            got = frontend.calls(SERVICE, times, "--header", f"x-session-id: {key}", *flags, concurrency=1)
            assert got["statuses"] == {"200": times}
            found[str(key)] |= got["names"].keys()
        return found

    affinity = {"httpHeaderName": "x-session-id"}
    with scaled(mesh, "inference-v1", 3):
        upgrade(model(canary={"weight": 0}))
        assert any(len(pods) > 1 for pods in pods_of_keys().values())
        upgrade(model(canary={"weight": 0}, affinity=affinity))
        sticky = pods_of_keys()
        assert all(len(pods) == 1 for pods in sticky.values()), sticky
        assert len(set.union(*sticky.values())) == 3
        assert pods_of_keys() == sticky
        # Istio writes one hash for each version that has a share, and Envoy joins them: a second version, and again its
        # end, spreads the keys anew. In between they stay, whatever the weight.
        upgrade(model(canary={"weight": 50}, affinity=affinity))
        split = pods_of_keys()
        upgrade(model(canary={"weight": 60}, affinity=affinity))
        for key, pods in pods_of_keys().items():
            old = {name for name in pods | split[key] if name.startswith("inference-v1")}
            assert len(old) == 1, f"{key}: {old}"
        moved = sum(not sticky[key] <= pods for key, pods in split.items())
        assert moved > 0
        both = sum(len(pods) == 2 for pods in split.values())
        assert both > keys / 2
        pinned = pods_of_keys("--header", "x-model-version: v2")
        assert len(set.union(*pinned.values())) == 1
    measured(
        "models: affinity by a header, three pods",
        f"{keys} keys, one pod each; at canary 50 {both} of them meet both versions, with the version's header none; "
        f"as it begins, {moved} move to another pod",
    )


def test_a_new_pod_warms_up(mesh: Mesh, upgrade: Upgrade, frontend: Pod, measured: MeasuredBy) -> None:
    """With warmup a pod that joins gets a small share at first, and its full share after the window."""
    window, total = 15, 300
    warmup = {"trafficPolicy": {"loadBalancer": {"warmup": {"duration": f"{window}s"}}}}
    upgrade(model(canary={"weight": 0}, circuitBreaker=warmup))
    cluster = json.loads(frontend.envoy("config_dump?resource=dynamic_active_clusters"))["configs"]
    (found,) = [
        each["cluster"]
        for each in cluster
        if each["cluster"]["name"] == "outbound|8080||inference-v1.ml-serving.svc.cluster.local"
    ]
    assert found["least_request_lb_config"]["slow_start_config"]["slow_start_window"] == f"{window}s"
    before = {pod.name for pod in mesh.pods("ml-serving", app="inference-service", version="v1")}
    time.sleep(window + 1)  # the pod that was there is warm
    with scaled(mesh, "inference-v1", 2):

        def share() -> int:
            names = frontend.calls(SERVICE, total, concurrency=2)["names"]
            return sum(count for name, count in names.items() if name not in before)

        cold = share()
        assert 0 < cold < 0.3 * total
        time.sleep(window + 1)
        warm = share()
        assert warm > 0.4 * total
    measured(f"models: warm-up of {window} s", f"of {total} requests a new pod gets {cold}, after the window {warm}")


def test_timeouts_do_not_eject_a_healthy_llm_server(
    mesh: Mesh, upgrade: Upgrade, breaker: Pod, measured: MeasuredBy
) -> None:
    """By consecutive5xxErrors slow answers eject a server; by the breaker of `llm` they do not, 503 and not 500 do."""
    rule = {"timeout": "1s", "retries": {"attempts": 0}}

    def values(detection: dict[str, Any]) -> dict[str, Any]:
        policy = {"trafficPolicy": {"outlierDetection": detection}} if detection else {}
        service = {"endpoints": {"chat": {"rule": rule}}, "circuitBreaker": {"enabled": True, **policy}}
        return {"llm": {"llm-service": service}}

    def ejects(do: str, status: int) -> bool:
        got = breaker.calls(CHAT, 24, "--header", f"x-do: {do}", concurrency=12)["statuses"]
        assert str(status) in got, got
        time.sleep(0.5)  # the errors are counted by another thread of Envoy's
        lines = breaker.envoy("clusters").split("\n")
        return any(
            line.startswith("outbound|8080||llm-service.") and "/failed_outlier" in line and ":health_flags:" in line
            for line in lines
        )

    with scaled(mesh, "llm-service", 2):
        lessons = {"consecutive5xxErrors": 5, "consecutiveGatewayErrors": 0}
        upgrade(values({**lessons, "splitExternalLocalOriginErrors": None, "consecutiveLocalOriginFailures": None}))
        assert ejects("delay=3", 504)
        upgrade(values({}))
        assert not ejects("delay=3", 504)
        assert not ejects("status=500", 500)
        assert ejects("status=503", 503)
    measured(
        "models: a breaker for slow answers",
        "24 timeouts eject by consecutive5xxErrors 5, none by the breaker of llm; 24 times 500 none, 503 do",
    )


ZONES = """
apiVersion: v1
kind: Pod
metadata: {name: near, namespace: ml-serving, labels: {app: candidate, istio-locality: region.near}}
spec:
  containers:
    - name: server
      image: registry.k8s.io/pause:3.10
      ports: [{name: http, containerPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: far, namespace: ml-serving, labels: {app: candidate, istio-locality: region.far}}
spec:
  containers:
    - name: server
      image: registry.k8s.io/pause:3.10
      ports: [{name: http, containerPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: neighbour, namespace: ml-frontend, labels: {app: neighbour, istio-locality: region.near}}
spec:
  serviceAccountName: frontend-sa
  containers:
    - name: app
      image: caller
      ports: [{name: http, containerPort: 8080}]
"""


def test_outlier_detection_prefers_the_callers_zone_unless_told_otherwise(
    mesh: Mesh, upgrade: Upgrade, measured: MeasuredBy
) -> None:
    """Of two zones a caller uses its own as soon as there is a breaker; `anywhere` spreads its requests over both."""
    service = {key: value for key, value in CANDIDATE.items() if key != "workload"}
    versions = {"v1": {"host": "candidate"}, "v2": {"enabled": False}}
    mesh.apply(ZONES)
    try:
        mesh.wait_for_pods()
        caller = mesh.pod("ml-frontend", app="neighbour")
        seen = []
        cases: tuple[tuple[dict[str, Any], set[str]], ...] = (
            ({"enabled": False}, {"near", "far"}),
            ({}, {"near"}),
            ({"locality": "local-first"}, {"near"}),
            ({"locality": "anywhere"}, {"near", "far"}),
        )
        for breaker, expected in cases:
            values = model(canary={"enabled": False}, versions=versions, circuitBreaker=breaker)
            upgrade({"components": {"candidate": service}, **values})
            names = caller.calls(SERVICE, 100)["names"]
            assert names.keys() == expected, (breaker, names)
            seen.append(str(names["near"]))
        measured(
            "models: requests of 100 to the caller's own zone of two",
            f"without a breaker {seen[0]}, with one {seen[1]}, with locality anywhere {seen[3]}",
        )
    finally:
        mesh.cluster.kubectl("delete", "pod", "near", "far", "--namespace", "ml-serving")
        mesh.cluster.kubectl("delete", "pod", "neighbour", "--namespace", "ml-frontend")
