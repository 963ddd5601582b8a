"""`make demo-mesh`: the release in a real mesh, and its rules seen at work with live traffic.

Each step has an expected outcome, so the demo is a check too: it ends with 1 at the first that is otherwise.
"""

import os
import sys
import time
from collections import Counter
from pathlib import Path

from dev.mesh.lab import Mesh, end_abandoned, missing
from dev.mesh.traffic import Pod, eventually
from dev.progress import StepError, say

CALLERS = Path(__file__).parent / "callers.yaml"

_SERVICE = "http://inference-service.ml-serving:8080"
_LLM = "http://llm-service.ml-serving:8080"
_BAR = 50


def run(mesh: Mesh) -> None:
    """Start, install, send traffic."""
    began = time.monotonic()
    _title("A control plane: the Kubernetes API, istiod with its webhooks, the settings of values/mesh")
    mesh.start()
    say(f"  ready after {time.monotonic() - began:.0f} s")
    _title("The release, and callers beside it")
    mesh.cluster.kubectl("apply", "--filename", str(CALLERS))
    print("$ helm install ml-mesh chart/ --post-renderer mlmesh-post -f values/demo.yaml -n ml-mesh --create-namespace")
    mesh.install("--values", "values/demo.yaml")
    print(mesh.cluster.kubectl("get", "pods", "-A", "-o", "wide"))
    frontend, stranger = (mesh.pod("ml-frontend", app=name) for name in ("frontend", "stranger"))
    outsider = mesh.pod("outside", app="outsider")
    _split(frontend)
    _pinned(frontend)
    _refusals(mesh, frontend, stranger, outsider)
    _timeout(mesh, frontend)
    _title(f"All of it went as it should, in {time.monotonic() - began:.0f} s")


def _split(frontend: Pod) -> None:
    _title("The split: 500 requests to inference-service, 90 to 10")
    counts: Counter[str] = Counter()
    for _ in range(20):
        for name, count in frontend.calls(f"{_SERVICE}/v1/models/m", 25)["names"].items():
            counts[name[: len("inference-vN")]] += count
        total = sum(counts.values())
        shares = {name: counts[name] / total for name in ("inference-v1", "inference-v2")}
        bars = "   ".join(f"{name} {'█' * round(_BAR * share):<{_BAR}} {share:4.0%}" for name, share in shares.items())
        _live(f"{total:4} requests   {bars}")
    print()
    _expect(counts["inference-v2"] in range(20, 81), f"v2 got {counts['inference-v2']} of 500")


def _pinned(frontend: Pod) -> None:
    _title("The header: x-model-version: v2")
    got = frontend.calls(f"{_SERVICE}/v1/models/m", 50, "--header", "x-model-version: v2")["names"]
    print(f"50 requests: {got}")
    _expect(all(name.startswith("inference-v2") for name in got), "a request with the header went elsewhere")


def _refusals(mesh: Mesh, frontend: Pod, stranger: Pod, outsider: Pod) -> None:
    _title("Refusals: who may call the inference service, and that plaintext is none of them")
    asked = [
        (frontend, "frontend-sa, GET /v1/models/m", "/v1/models/m", 200),
        (frontend, "frontend-sa, GET /metrics", "/metrics", 403),
        (stranger, "stranger-sa, GET /v1/models/m", "/v1/models/m", 403),
    ]
    for caller, who, path, expected in asked:
        status = caller.call(f"http://inference-v1.ml-serving:8080{path}").status
        print(f"{who:40} {status}")
        _expect(status == expected, f"{expected} was expected")
    registry = mesh.pod("ml-serving", app="model-registry")
    answer = eventually(
        lambda: (got := outsider.call(f"http://{registry.address}:5000/", timeout=3)).status == 0 and got
    )
    print(f"{'without a sidecar, to the model registry':40} {answer.error if answer else 'answered'}")
    _expect(bool(answer), "STRICT should have refused it")


def _timeout(mesh: Mesh, frontend: Pod) -> None:
    _title("A timeout: an embedding that takes a minute; its route has timeout 30s, perTryTimeout 10s, attempts 3")
    started = frontend.start_call(f"{_LLM}/v1/embeddings", "--body", "{}", "--header", "x-do: delay=60")
    began = time.monotonic()
    while started.poll() is None and time.monotonic() - began < 60:
        _live(f"{time.monotonic() - began:5.1f} s   waiting")
        time.sleep(0.5)
    answer = frontend.finish_call(started)
    server = mesh.pod("ml-serving", app="llm-service")
    tries = [each for each in server.requests() if each.path == "/v1/embeddings"]
    _live(f"{answer.seconds:5.1f} s   {answer.status} after {len(tries)} try at the server")
    print("\nOne try, and none of the three attempts: without a retryOn for it, a try that timed out is not repeated.")
    print("The numbers are the reference design's; values/recommended.yaml has some that do what they say.")
    _expect(answer.status == 504 and 9 < answer.seconds < 13, "504 after 10 s was expected")


def _live(text: str) -> None:
    """Say where it stands: on a terminal in the same line, elsewhere in a new one."""
    print(f"\r{text}" if sys.stdout.isatty() else text, end="" if sys.stdout.isatty() else "\n", flush=True)


def _title(text: str) -> None:
    print(f"\n== {text} ".ljust(120, "="), flush=True)


def _expect(good: bool, otherwise: str) -> None:
    if not good:
        raise StepError(otherwise)


def main() -> int:
    """The demo; everything is ended when it ends, whichever way."""
    if lacking := missing():
        say(f"NOT RUN: a mesh needs {lacking}")
        return 1
    end_abandoned("demo-")
    mesh = Mesh(f"demo-{os.getpid()}")
    try:
        run(mesh)
    except StepError as error:
        say(f"\n{error}")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        mesh.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
