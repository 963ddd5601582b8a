"""Sections 5 and 6 of the reference design: timeouts on requests of minutes, begun when the session began."""

from collections.abc import Callable

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Seen, eventually
from tests.mesh.slow import SlowRequests

MeasuredBy = Callable[[str, str], None]


@pytest.fixture
def seen(mesh: Mesh) -> Callable[[str, str], list[Seen]]:
    """`seen(name, app)`: the tries of a slow request that the app saw."""

    def get(name: str, app: str) -> list[Seen]:
        found = [each for pod in mesh.pods("ml-serving", app=app) for each in pod.requests()]
        return [each for each in found if each.headers.get("x-test") == name]

    return get


@pytest.mark.proves("virtualservices", "llm-timeouts")
def test_embeddings_give_up_after_one_try(
    slow_requests: SlowRequests, seen: Callable[[str, str], list[Seen]], measured: MeasuredBy
) -> None:
    """A slow embedding is cut at perTryTimeout 10s, its timeout of 30s and its 3 attempts notwithstanding."""
    answer = slow_requests.response("embeddings")
    assert answer.status == 504
    assert 9.5 < answer.seconds < 12
    assert eventually(lambda: len(seen("embeddings", "llm-service")) == 1, 3)
    measured("§6 embeddings: timeout 30s, perTryTimeout 10s", f"504 after {answer.seconds:.1f} s and 1 try")


@pytest.mark.proves("virtualservices", "inference-routing")
def test_a_pinned_request_ends_at_its_timeout(
    slow_requests: SlowRequests, seen: Callable[[str, str], list[Seen]], measured: MeasuredBy
) -> None:
    """Tries of 10 s each, and 30 s in all: the fourth of the four tries never gets its ten seconds."""
    answer = slow_requests.response("pinned")
    assert answer.status == 504
    assert 29.5 < answer.seconds < 32
    assert eventually(lambda: len(seen("pinned", "inference-service")) >= 3, 3)
    tries = len(seen("pinned", "inference-service"))
    assert tries == 3
    measured("§5 rule 1: timeout 30s, perTryTimeout 10s", f"504 after {answer.seconds:.1f} s and {tries} tries of 4")


@pytest.mark.proves("virtualservices", "llm-timeouts", part="/spec/http/2/timeout", put="5s")
def test_a_path_of_no_known_type_is_not_cut(slow_requests: SlowRequests, measured: MeasuredBy) -> None:
    """The last rule of llm-timeouts has no timeout, and Envoy's own 15 seconds do not apply."""
    answer = slow_requests.response("other path")
    assert answer.status == 200
    assert answer.seconds > 44
    measured("§6 other paths", f"200 after {answer.seconds:.0f} s: no timeout")


@pytest.mark.proves("virtualservices", "llm-timeouts")
def test_a_slow_chat_runs_twice_and_fails(
    slow_requests: SlowRequests, seen: Callable[[str, str], list[Seen]], measured: MeasuredBy
) -> None:
    """An answer of 90 s is cut at 60 s, begun anew, and cut for good at 120 s: two generations, and no answer."""
    answer = slow_requests.response("chat")
    assert answer.status == 504
    assert 119 < answer.seconds < 123
    # The server notes a run when it ends, which is when it sees that nobody waits for it any more.
    assert eventually(lambda: len(seen("chat", "llm-service")) == 2, 3)
    runs = seen("chat", "llm-service")
    assert all(each.aborted for each in runs)
    measured(
        "§6 chat as written: an answer of 90 s",
        f"504 after {answer.seconds:.0f} s, the generation ran {len(runs)} times",
    )


@pytest.mark.proves("virtualservices", "llm-timeouts")
def test_a_stream_is_cut_at_the_timeout(
    slow_requests: SlowRequests, seen: Callable[[str, str], list[Seen]], measured: MeasuredBy
) -> None:
    """The timeout of 120s bounds the whole stream: it is cut between two tokens, and is not begun anew."""
    answer = slow_requests.response("stream")
    assert answer.status == 200
    assert answer.cut
    assert 119 < answer.seconds < 123
    assert 110 < len(answer.arrivals) < 122
    assert eventually(lambda: len(seen("stream", "llm-service")) == 1, 3)
    measured(
        "§6 chat: timeout 120s, a stream of 150 s",
        f"cut after {answer.seconds:.0f} s and {len(answer.arrivals)} of 150 tokens",
    )
