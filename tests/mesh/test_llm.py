"""Section 6 of the reference design: retries of LLM routes, counted at the upstream. Slow ones: test_slow.py."""

import uuid
from collections.abc import Callable

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod

MeasuredBy = Callable[[str, str], None]

LLM = "http://llm-service.ml-serving:8080"


def tries(mesh: Mesh, caller: Pod, path: str, do: str) -> tuple[int, int]:
    """The status of one POST to the LLM service, and how many requests for it the server saw."""
    mark = uuid.uuid4().hex
    answer = caller.call(LLM + path, "--body", "{}", "--header", f"x-do: {do}", "--header", f"x-test: {mark}")
    server = mesh.pod("ml-serving", app="llm-service")
    return answer.status, sum(each.headers.get("x-test") == mark for each in server.requests())


@pytest.mark.proves("virtualservices", "llm-timeouts", part="/spec/http/0/retries", put={"attempts": 0})
def test_chat_is_tried_three_times_on_503(mesh: Mesh, frontend: Pod, measured: MeasuredBy) -> None:
    """attempts 2 with retryOn 5xx,reset: a 503 is answered after three tries."""
    assert tries(mesh, frontend, "/v1/chat/completions", "status=503") == (503, 3)
    measured("§6 chat: retries attempts 2, 5xx", "503 after 3 tries at the upstream")


@pytest.mark.proves("virtualservices", "llm-timeouts", part="/spec/http/0/retries", put={"attempts": 0})
def test_chat_is_tried_three_times_on_a_reset(mesh: Mesh, frontend: Pod, measured: MeasuredBy) -> None:
    """A server that drops the connection is asked three times too. The server's own sidecar answers 503 for it."""
    status, seen = tries(mesh, frontend, "/v1/chat/completions", "reset=before")
    assert (status, seen >= 3) == (503, True), (status, seen)
    measured("§6 chat: retries on reset", f"{status} after {seen} tries at the upstream")


@pytest.mark.proves(
    "virtualservices", "llm-timeouts", part="/spec/http/1/retries", put={"attempts": 3, "retryOn": "5xx"}
)
def test_the_retries_of_embeddings_are_dead(mesh: Mesh, frontend: Pod, measured: MeasuredBy) -> None:
    """attempts 3 without a retryOn: a 503 is not tried again at all."""
    assert tries(mesh, frontend, "/v1/embeddings", "status=503") == (503, 1)
    measured("§6 embeddings as written: attempts 3 without retryOn", "503 after 1 try: its retries are dead")
