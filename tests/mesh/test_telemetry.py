"""Section 2 of the reference design: access logs on standard output, and a tenth of the requests traced."""

import json
import math
import re
import subprocess
import time
import uuid
from collections.abc import Callable

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually

MeasuredBy = Callable[[str, str], None]

HOST = ("--header", "Host: inference.ml.example.com")
LINE = re.compile(
    r'\[(?P<start>[^]]+)\] "(?P<method>\S+) (?P<path>\S+) (?P<protocol>\S+)" (?P<code>\d+) (?P<flags>\S+) '
    r'(?P<details>\S+) \S+ "[^"]*" (?P<received>\d+) (?P<sent>\d+) (?P<duration>\d+) (?P<service>\S+) "[^"]*" '
    r'"(?P<agent>[^"]*)" "(?P<request_id>[^"]*)" "(?P<authority>[^"]*)" "(?P<upstream>[^"]*)" (?P<cluster>\S+) '
)


@pytest.mark.proves("telemetries", "ml-telemetry", part="/spec/accessLogging/0/disabled", put=True)
def test_the_access_log_tells_who_asked_what_and_how_it_ended(
    outsider: Pod, gateway: Pod, measured: MeasuredBy
) -> None:
    """One line a request on the gateway's standard output, with Istio's default fields."""
    path = f"/v1/models/{uuid.uuid4().hex}"
    outsider.call(f"http://{gateway.address}{path}", *HOST)
    lines = eventually(lambda: [line for line in gateway.proxy_log() if path in line], 12)
    assert len(lines) == 1
    line = LINE.match(lines[0])
    assert line, lines[0]
    assert line["method"] == "GET"
    assert line["code"] == "200"
    assert line["flags"] == "-"
    assert line["authority"] == "inference.ml.example.com"
    assert line["cluster"] == "outbound|8080||kserve-predictor.ml-serving.svc.cluster.local"
    assert re.fullmatch(r"[\d.]+:8080", line["upstream"])
    assert len(line["request_id"]) == 36
    measured("§2 accessLogFile /dev/stdout", f"one line a request, with {len(LINE.groupindex)} fields read")


@pytest.mark.proves("telemetries", "ml-telemetry", part="/spec/tracing/0/randomSamplingPercentage", put=100)
def test_a_tenth_of_the_requests_is_traced(mesh: Mesh, outsider: Pod, gateway: Pod, measured: MeasuredBy) -> None:
    """Of 1000 requests the collector sees the traces of a tenth, within four standard deviations of chance."""
    collector = mesh.pod("observability", app="otel-collector")
    total, share = 1000, 0.1
    path = f"/v1/models/{uuid.uuid4().hex}"
    got = outsider.calls(f"http://{gateway.address}{path}", total, *HOST)
    assert got["statuses"] == {"200": total}

    def traces() -> set[str]:
        spans = collector.control("GET", "/requests")["spans"]
        return {span["trace_id"] for span in spans if path in json.dumps(span["attributes"])}

    last: set[str] = set()

    def quiet() -> bool:
        nonlocal last
        before, last = last, traces()
        return bool(last) and before == last

    time.sleep(6)  # an Envoy sends its spans every five seconds
    eventually(quiet)
    spread = 4 * math.sqrt(total * share * (1 - share))
    assert abs(len(last) - total * share) <= spread, len(last)
    measured("§2 traceSampling 10", f"{len(last)} traces of {total} requests at an OTLP collector")


def test_istioctl_analyze_has_no_error_to_tell(mesh: Mesh, tool: Callable[[str], str], measured: MeasuredBy) -> None:
    """What took the place of `istioctl verify-install`: the analyzer of Istio's own finds no error in the release."""
    done = subprocess.run(
        [tool("istioctl"), "analyze", "--all-namespaces", "--failure-threshold", "Error", "--output", "json"],
        env=mesh.cluster.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout or "[]") or []
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [each for each in found if each["level"] == "Error"], found
    measured("§2 istioctl analyze", f"no error, {len(found)} other messages")
