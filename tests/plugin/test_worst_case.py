"""The worst case that is told of a block is the worst that Envoy's retry rules allow."""

from math import inf
from random import Random
from typing import Any

import pytest

from mlmesh.endpoints.worst_case import sentence, worst_case
from mlmesh.policy.objectives import problems
from tests.support import envoy_retries
from tests.support.envoy_retries import FOREVER, ISTIO, Route, Scenario, Try, play
from tests.support.objectives import derived, derived_scenarios, random_objectives

CHAT = {"timeout": "120s", "retries": {"attempts": 2, "perTryTimeout": "60s", "retryOn": "5xx,reset"}}
EMBEDDINGS = {"timeout": "30s", "retries": {"attempts": 3, "perTryTimeout": "10s"}}
SAFE = "connect-failure,refused-stream,reset-before-request"


def retries(attempts: int, each: str = "", retry_on: str = "", timeout: str = "") -> dict[str, Any]:
    """A block; what is empty is left out."""
    found: dict[str, Any] = {"attempts": attempts}
    found |= {"perTryTimeout": each} if each else {}
    found |= {"retryOn": retry_on} if retry_on else {}
    return {"retries": found} | ({"timeout": timeout} if timeout else {})


def compared(block: dict[str, Any], *, client_tries: int = 3, large_body: bool = False, **how: bool) -> None:
    """The program and the model agree on a block."""
    one = envoy_retries.worst(Route.of(block, large_body=large_body), **how)
    all_tries = envoy_retries.with_client(one, client_tries, streaming=how.get("streaming", False))
    found = worst_case(block, client_tries=client_tries, large_body=large_body, **how)
    told = [found.answer, found.client_answer]
    assert [min(round(seconds * 1000), FOREVER) if seconds < inf else FOREVER for seconds in told] == [
        one.ms,
        min(all_tries.ms, FOREVER),
    ], block
    assert (found.runs, found.client_runs) == (one.runs, all_tries.runs), block


@pytest.mark.parametrize("seed", range(10))
def test_the_worst_case_of_derived_blocks_is_the_model_s(seed: int) -> None:
    """Of 1,000 random objectives 100: time and runs are the maximum over every order of what an upstream can do."""
    random = Random(seed)  # noqa: S311 - the same every time
    for _ in range(100):
        kind, objectives = random_objectives(random)
        assert not list(problems({"types": {kind: objectives}})), objectives
        compared(
            derived(kind, objectives),
            client_tries=random.choice([1, 2, 3, 6]),
            streaming=random.random() < 0.5,
            large_body=random.random() < 0.2,
            grpc=random.random() < 0.2,
        )


def test_the_worst_case_of_any_block_is_the_model_s() -> None:
    """Blocks that nobody derived: without timeout, a perTryTimeout above it, codes, gRPC conditions, no retries."""
    random = Random(8)  # noqa: S311 - the same every time
    words = [
        *ISTIO.split(","),
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "503",
        "500",
        "429",
        "internal",
    ]
    for _ in range(300):
        block: dict[str, Any] = {}
        if random.random() < 0.7:
            block["timeout"] = random.choice(["50ms", "1s", "30s", "20m"])
        if random.random() < 0.9:
            attempts = random.randrange(5)
            chosen = ",".join(random.sample(words, random.randrange(4)))
            each = random.choice(["", "40ms", "9s", "30s", "11m"])
            block |= retries(attempts, each, chosen) if attempts else retries(0)
        compared(block, streaming=random.random() < 0.4, large_body=random.random() < 0.2, grpc=random.random() < 0.3)


@pytest.mark.parametrize(
    ("block", "how", "expected"),
    [
        (CHAT, {}, {"answer": 120, "runs": 3, "client_runs": 9, "patience": 60, "unanswered": 120, "tries": 2}),
        (EMBEDDINGS, {}, {"answer": 30, "runs": 1, "client_runs": 3, "patience": 10, "unanswered": 10, "tries": 1}),
        (CHAT, {"large_body": True}, {"runs": 1, "tries": 1, "unanswered": 60, "answer": 70}),
        (CHAT, {"streaming": True}, {"cut": 120, "answer": 120}),
        (CHAT, {"streaming": True, "websocket": True}, {"cut": None, "client_tries": 1, "client_runs": 3}),
        ({}, {}, {"answer": inf, "unanswered": inf, "runs": 1}),
        ({}, {"grpc": True}, {"runs": 3}),
        (retries(0, timeout="60s"), {}, {"runs": 1, "tries": 1, "unanswered": 60, "patience": 60}),
        ({"retries": {}}, {}, {"tries": 1}),
        (retries(2, "60s", "5xx", "60s"), {}, {"tries": 1, "patience": 60, "runs": 3}),
        (retries(2, "60s", "5xx", "180.5s"), {}, {"tries": 3, "unanswered": 180.075}),
        (retries(2, "5s", "connect-failure", "60s"), {"connect": 0}, {"answer": 5.075, "runs": 1}),
        (retries(2, "5s", SAFE), {"connect": inf}, {"answer": inf}),
        (retries(2, "5s", "503", "60s"), {}, {"runs": 3, "tries": 1}),
        (retries(2, "5s", "429", "60s"), {}, {"runs": 1, "tries": 1}),
        (retries(2, "5s", "unavailable", "60s"), {}, {"runs": 1}),
        (retries(2, "5s", "unavailable", "60s"), {"grpc": True}, {"runs": 3}),
        (retries(2, "5s", "resource-exhausted", "60s"), {"grpc": True}, {"runs": 1}),
        (retries(2, "5s", "reset-before-request", "60s"), {}, {"answer": 35.075, "runs": 1}),
        (retries(0, "5s", "", "60s"), {}, {"patience": 60}),
    ],
)
def test_worst_cases_that_are_known(block: dict[str, Any], how: dict[str, Any], expected: dict[str, Any]) -> None:
    """The reference design's blocks and the traps, with numbers counted by hand from what Envoy did."""
    found = worst_case(block, **how)
    assert {key: getattr(found, key) for key in expected} == pytest.approx(expected)


def test_two_proxies_multiply() -> None:
    """A client's sidecar before a gateway: 3 x 3 runs; a try that the first gives up ends at the second, too."""
    found = worst_case(CHAT, CHAT)
    assert (found.answer, found.runs, found.client_runs, found.tries) == (120, 9, 27, 2)
    safe = retries(2, "", SAFE, "120s")
    assert worst_case(safe, CHAT).runs == 3
    assert worst_case(safe, retries(2, "10s", "5xx", "20s")).unanswered == 20
    outer = worst_case(retries(1, "", "gateway-error", "120s"), retries(2, "10s", "5xx", "20s"))
    assert outer.unanswered == pytest.approx(40.025)
    assert outer.tries == 4
    code = retries(1, "", "504", "120s")
    assert worst_case(code, retries(2, "10s", "5xx", "20s")).tries == 4
    assert worst_case(code).tries == 1
    assert worst_case(retries(1, "25s", "5xx", "40s"), retries(2, "10s", "5xx")).tries == 3 + 2


def test_a_client_s_own_tries_come_on_top() -> None:
    """Three tries of at most 600 s each, with waits of 0.5 s and 1 s; a stream that runs is not given up."""
    assert worst_case(CHAT).client_answer == pytest.approx(361.5)
    assert worst_case({}).client_answer == pytest.approx(1801.5)
    assert worst_case({}, streaming=True).client_answer == inf
    assert worst_case(CHAT, client_tries=1).client_answer == 120


def test_what_nothing_bounds_is_null_in_data() -> None:
    """JSON has no infinity."""
    data = worst_case({}).plain()
    assert (data["answer"], data["cut"], data["client_answer"]) == (None, None, 1801.5)
    assert worst_case(retries(2, "5s", "connect-failure", "60s"), connect=0).plain()["answer"] == 5.075


@pytest.mark.parametrize(
    ("block", "how", "expected"),
    [
        (
            CHAT,
            {"streaming": True},
            "The client has an answer after 120 s at most; a generation can run 3 times, 9 times with an SDK that "
            "tries 3 times and gives up after 361.5 s. A server that needs more than 60 s is asked 2 times, and the "
            "client has an error after 120 s. A stream is cut after 120 s.",
        ),
        (
            retries(1, timeout="50ms", retry_on="5xx"),
            {"client_tries": 1, "connect": 0},
            "The client has an answer after 0.05 s at most; a generation can run 2 times.",
        ),
        (
            retries(0, timeout="1000000s"),
            {"client_tries": 1},
            "The client has an answer after 1000000 s at most; a generation can run once.",
        ),
        (
            EMBEDDINGS,
            {"client_tries": 1},
            "The client has an answer after 30 s at most; a generation can run once. A server that needs more than 10 "
            "s is given up: a try that ran out is not repeated.",
        ),
        (
            retries(0),
            {"streaming": True},
            "Nothing ends a request that is not answered; a generation can run once, 3 times with an SDK that tries 3 "
            "times.",
        ),
    ],
)
def test_the_worst_case_in_words(block: dict[str, Any], how: dict[str, Any], expected: str) -> None:
    """Time, runs, what a slow server meets, and where a stream ends."""
    assert sentence(worst_case(block, **how)) == expected


def test_the_work_is_called_by_its_name() -> None:
    """A prediction is no generation."""
    assert "a prediction can run once" in sentence(worst_case({}), "prediction")


SLOW = Route.of(retries(2, "500ms", "5xx", "5s"))


@pytest.mark.parametrize(
    ("route", "tries", "expected"),
    [
        (SLOW, [Try("silent")], (504, 1500, 3)),
        (SLOW, [Try("reset", 100)], (503, 300, 3)),
        (SLOW, [Try("status", 50, code="503")], (503, 150, 3)),
        (SLOW, [Try("status", 50, code="429")], (429, 50, 1)),
        (SLOW, [Try("refused", connect=1000)], (503, 3000, 0)),
        (SLOW, [Try("stall", 200)], (200, 5000, 1)),
        (Route.of(retries(2, "500ms", SAFE, "5s")), [Try("silent")], (504, 500, 1)),
        (Route.of(retries(2, "500ms", SAFE, "5s")), [Try("closed")], (503, 0, 1)),
        (Route.of(retries(2, "1s", "5xx", "2s")), [Try("silent")], (504, 2000, 2)),
        (Route.of(retries(2, "1s", "5xx", "1s")), [Try("silent")], (504, 1000, 1)),
        (Route.of(retries(3, "500ms", timeout="3s")), [Try("silent")], (504, 500, 1)),
        (Route.of(retries(2, "500ms", "504", "2s")), [Try("silent")], (504, 500, 1)),
        (Route.of(retries(2, "500ms", "5xx", "5s"), large_body=True), [Try("silent")], (504, 500, 1)),
        (Route.of({"timeout": "3s"}), [Try("refused")], (503, 0, 0)),
    ],
)
def test_the_model_does_what_envoy_was_seen_to_do(route: Route, tries: list[Try], expected: tuple[int, ...]) -> None:
    """Status, time without waits, and requests at the server, each seen on Envoy 1.40 with these times."""
    seen = play(route, tries)
    assert (seen.status, seen.ms, seen.requests) == expected


def test_thirty_scenarios_of_derived_blocks_are_short_and_of_every_kind() -> None:
    """What real Envoys are asked to play: the same every time, within three seconds, all that an upstream can do."""
    found = derived_scenarios()
    assert found == derived_scenarios()
    assert len(found) == 30
    assert all(scenario.ms[0] <= scenario.ms[1] <= 3000 for scenario in found)
    assert {what.kind for scenario in found for what in scenario.tries} >= {
        *("silent", "status", "reset", "refused", "stall", "closed"),
    }
    assert {scenario.status for scenario in found} >= {200, 429, 503, 504}
    assert any(scenario.large_body for scenario in found)
    assert max(scenario.requests for scenario in found) >= 3
    assert isinstance(found[0], Scenario)


def test_as_many_tries_as_a_field_can_hold_are_reckoned_not_tried() -> None:
    """Istio takes any 32-bit number of attempts; the time is what their tries and the waits between take together."""
    most = 2**31 - 1
    found = worst_case(retries(most, "1ms", "5xx"), client_tries=1, connect=0.0)
    assert (found.runs, found.tries) == (most + 1, most + 1)
    assert found.answer == pytest.approx((most + 1) * 0.001 + 0.025 + 0.05 + 0.1 + 0.2 + (most - 4) * 0.25)
    assert worst_case({}, retries(most, "1ms", "5xx", "1s"), client_tries=1).tries == 1000


def test_a_backoff_of_the_user_s_own_is_waited_for() -> None:
    """Istio hands it to Envoy as the first interval, of which a wait is at most ten times."""
    block = retries(6, "10s", "5xx")
    block["retries"]["backoff"] = "2s"
    found = worst_case(block, client_tries=1, connect=0.0)
    assert (found.answer, found.unanswered) == (7 * 10 + 2 + 4 + 8 + 16 + 20 + 20, 7 * 10 + 70)
    assert worst_case({**block, "timeout": "15s"}, client_tries=1).answer == 15
