"""Objectives become the block that a route needs: by one formula, in round numbers, each with where it comes from."""

from math import ceil
from random import Random
from typing import Any

import pytest
import yaml

from mlmesh.endpoints.catalogue import TYPES
from mlmesh.endpoints.derive import block, fields
from mlmesh.model.errors import InputError
from mlmesh.model.units import duration_ms
from mlmesh.policy.blocks import BLOCKS, SAFE
from mlmesh.policy.settings import Policy
from tests.support.objectives import derived, policy_of, random_objectives
from tests.support.streams import documents, policy, rendered, route

CHAT = {"timeout": "120s", "retries": {"attempts": 2, "perTryTimeout": "60s", "retryOn": "5xx,reset"}}
EMBEDDINGS = {"timeout": "30s", "retries": {"attempts": 3, "perTryTimeout": "10s"}}

ROUND_CHAT = {"queue": "5s", "timeToFirstToken": "5s", "timePerOutputToken": "50ms", "outputTokens": 1000}
ROUND_EMBEDDINGS = {"queue": "5s", "inputTokens": 300_000, "prefillTokensPerSecond": 60_000}
STREAMED = {**ROUND_CHAT, "maxOutputTokens": 8192}


def chat(timeout: str, attempts: int, each: str = "", retry_on: str = "5xx,reset") -> dict[str, Any]:
    """A block; what is empty is left out."""
    retries = {"attempts": attempts, "perTryTimeout": each, "retryOn": retry_on}
    return {"timeout": timeout, "retries": {key: value for key, value in retries.items() if value != ""}}


@pytest.mark.parametrize("objectives", [None, ROUND_CHAT])
def test_the_chat_block_comes_from_defaults_and_from_round_objectives(objectives: dict[str, Any] | None) -> None:
    """5 s of queue, 5 s to the first token and 1000 tokens of 50 ms are the reference design's minute."""
    assert derived("chat", objectives) == CHAT


@pytest.mark.parametrize("objectives", [None, ROUND_EMBEDDINGS])
def test_the_embeddings_block_comes_from_defaults_and_from_round_objectives(objectives: dict[str, Any] | None) -> None:
    """5 s of queue and 300 000 tokens at 60 000 a second are the reference design's ten seconds."""
    assert derived("embeddings", objectives) == EMBEDDINGS


@pytest.mark.parametrize("kind", BLOCKS)
def test_without_objectives_every_type_has_its_own_block(kind: str) -> None:
    """The catalogue's block, with nothing beside zero attempts and no zero timeout."""
    own = BLOCKS[kind]
    expected: dict[str, Any] = {"timeout": own["timeout"]} if own.get("timeout", "0s") != "0s" else {}
    if own:
        keys = ("attempts", "perTryTimeout", "retryOn") if own["attempts"] else ("attempts",)
        expected["retries"] = {key: own[key] for key in keys if key in own}
    assert derived(kind) == expected


@pytest.mark.parametrize(
    ("kind", "objectives", "expected"),
    [
        ("chat", STREAMED, chat("420s", 2, "60s")),
        ("chat", {**STREAMED, "streaming": False}, CHAT),
        ("chat", {**STREAMED, "streaming": True}, chat("420s", 2)),
        ("chat", {**ROUND_CHAT, "headroom": 1.2}, chat("150s", 2, "75s")),
        ("chat", {**ROUND_CHAT, "timeToFirstToken": "5001ms"}, chat("130s", 2, "65s")),
        ("chat", {**ROUND_CHAT, "attempts": 3}, chat("180s", 3, "60s")),
        ("chat", {**ROUND_CHAT, "attempts": 1}, chat("60s", 1)),
        ("chat", {**ROUND_CHAT, "attempts": 0}, chat("60s", 0, "", "")),
        ("chat", {**ROUND_CHAT, "rule": "all-tries"}, chat("185s", 2, "60s")),
        ("chat", {**ROUND_CHAT, "rule": "all-tries", "attempts": 0}, chat("60s", 0, "", "")),
        ("chat", {**ROUND_CHAT, "duplicates": "safe"}, chat("120s", 2, "60s", SAFE)),
        ("chat", {**ROUND_CHAT, "duplicates": "any"}, CHAT),
        ("chat", {**ROUND_CHAT, "duplicates": "none"}, chat("60s", 0, "", "")),
        ("chat", {**ROUND_CHAT, "coldStart": "200s"}, chat("320s", 2, "260s", SAFE)),
        ("chat", {**ROUND_CHAT, "coldStart": "200s", "duplicates": "any"}, chat("320s", 2, "260s")),
        ("chat", {**ROUND_CHAT, "coldStart": "0s"}, CHAT),
        ("chat", {**STREAMED, "coldStart": "200s", "streaming": True}, chat("620s", 2, "", SAFE)),
        (
            "rerank",
            {"inputTokens": 1000, "prefillTokensPerSecond": 5000, "attempts": 25, "rule": "all-tries"},
            chat("140s", 25, "5s", BLOCKS["rerank"]["retryOn"]),
        ),
        # What needs no times changes the type's own block.
        ("chat", {"duplicates": "safe"}, chat("120s", 2, "60s", SAFE)),
        ("chat", {"duplicates": "none"}, chat("120s", 0, "", "")),
        ("chat", {"attempts": 3}, chat("180s", 3, "60s")),
        ("chat", {"rule": "all-tries"}, chat("185s", 2, "60s")),
        ("chat", {"coldStart": "1m"}, chat("180s", 2, "120s", SAFE)),
        ("stream", {"attempts": 5}, chat("600s", 5, "", SAFE)),
        # The time to the first token is that of reading the input, where nobody measured it.
        (
            "chat",
            {"inputTokens": 10_000, "prefillTokensPerSecond": 2000, "timePerOutputToken": "50ms", "outputTokens": 500},
            chat("60s", 2, "30s"),
        ),
        (
            "chat",
            {"timeToFirstToken": "1s", "timePerOutputToken": "10ms", "maxOutputTokens": 900},
            chat("20s", 2, "10s"),
        ),
        ("stream", {**STREAMED}, chat("420s", 2, "", SAFE)),
        ("responses", {**ROUND_CHAT}, chat("120s", 2, "60s", SAFE)),
        (
            "rerank",
            {"inputTokens": 1000, "prefillTokensPerSecond": 5000},
            chat("15s", 3, "5s", BLOCKS["rerank"]["retryOn"]),
        ),
        ("embeddings", {**ROUND_EMBEDDINGS, "rule": "all-tries"}, chat("45s", 3, "10s", "")),
    ],
)
def test_the_formula(kind: str, objectives: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each objective in turn, counted by hand: tries, queue, headroom, streams, cold starts, what may be repeated."""
    assert derived(kind, objectives) == expected


@pytest.mark.parametrize("seed", range(5))
def test_random_objectives_give_what_istio_takes_and_envoy_heeds(seed: int) -> None:
    """Steps of 5 s; room for the slowest request; no perTryTimeout that would be ignored; nothing beside 0."""
    random = Random(seed)  # noqa: S311 - the same every time
    for _ in range(200):
        kind, asked = random_objectives(random)
        found = derived(kind, asked)
        timeout = duration_ms(found["timeout"]) / 1000
        assert timeout % 5 == 0, asked
        retries = found["retries"]
        each = duration_ms(retries.get("perTryTimeout", found["timeout"])) / 1000
        assert each % 5 == 0, asked
        assert each < timeout or "perTryTimeout" not in retries, asked
        assert retries["attempts"] or retries == {"attempts": 0}, asked
        assert (retries.get("retryOn") == SAFE) or asked.get("duplicates") != "safe" or not retries["attempts"]
        if asked.get("timePerOutputToken") is None:
            continue
        first = asked.get("timeToFirstToken")
        start = duration_ms(first) / 1000 if first else asked["inputTokens"] / asked["prefillTokensPerSecond"]
        token = duration_ms(asked["timePerOutputToken"]) / 1000
        queue, factor = duration_ms(asked["queue"]) / 1000, asked["headroom"]
        cold = duration_ms(asked.get("coldStart") or "0s") / 1000
        if asked.get("streaming") is not False:
            assert timeout >= round((queue + start + asked["maxOutputTokens"] * token) * factor + cold, 3), asked
        if asked.get("streaming") is not True and kind != "stream":
            usual = asked.get("outputTokens", asked["maxOutputTokens"])
            service = round((queue + start + usual * token) * factor, 3)
            assert each >= service + cold, asked
            tries = retries["attempts"] + (asked.get("rule") == "all-tries" and retries["attempts"] > 0)
            assert timeout >= max(tries, 1) * ceil(service / 5) * 5 + cold, asked


def test_a_stream_s_guard_is_ten_tokens_and_thirty_seconds_at_least() -> None:
    """Known for streams alone: slow models get more, and an embedding has none."""
    slow = {**STREAMED, "timePerOutputToken": "4s"}
    assert fields([TYPES["chat"]], policy_of("chat", STREAMED))["idle"].value == "30s"
    assert fields([TYPES["chat"]], policy_of("chat", slow))["idle"].value == "40s"
    assert "idle" not in fields([TYPES["chat"]], policy_of("chat", {**STREAMED, "streaming": False}))
    assert "idle" not in fields([TYPES["embeddings"]], policy_of("embeddings", ROUND_EMBEDDINGS))
    assert "idle" not in fields([TYPES["chat"]], policy_of())


def test_every_number_tells_where_it_comes_from() -> None:
    """The default, the policy's own field, or the sum with its terms and the place of the objectives."""
    found = fields([TYPES["chat"]], policy_of("chat", {**STREAMED, "headroom": 2}, types={"chat": {"attempts": 1}}))
    assert {key: (number.value, number.source) for key, number in found.items()} == {
        "timeout": (
            "840s",
            "(queue 5s + a stream's timeToFirstToken 5s + 8192 tokens x 50ms) x headroom 2; "
            "spec.endpoints.objectives.types.chat",
        ),
        "attempts": (1, "spec.endpoints.types.chat.attempts"),
        "perTryTimeout": (
            "120s",
            "(queue 5s + timeToFirstToken 5s + 1000 tokens x 50ms) x headroom 2; spec.endpoints.objectives.types.chat",
        ),
        "retryOn": ("5xx,reset", "the default of chat"),
        "idle": ("30s", "10 x timePerOutputToken 50ms, at least 30s; spec.endpoints.objectives.types.chat"),
    }
    both = fields([TYPES["chat"], TYPES["transfer"]], policy_of())
    assert both["timeout"].source == "the default of transfer"
    other = fields([TYPES["chat"], TYPES["embeddings"]], policy_of(types={"embeddings": {"timeout": "10m"}}))
    assert other["timeout"].source == "spec.endpoints.types.embeddings.timeout: embeddings is the slowest"


def test_a_field_of_the_policy_s_own_stands_before_objectives() -> None:
    """The number itself is the plainest word; null takes the field away, and what was computed beside it stays."""
    found = derived("chat", ROUND_CHAT, types={"chat": {"timeout": "600s", "retryOn": None}})
    assert found == {"timeout": "600s", "retries": {"attempts": 2, "perTryTimeout": "60s"}}
    assert derived("chat", ROUND_CHAT, types={"chat": {"timeout": "50s"}}) == chat("50s", 2)
    assert derived("chat", ROUND_CHAT, types={"chat": {"timeout": "0s"}})["retries"]["perTryTimeout"] == "60s"
    assert derived("chat", ROUND_CHAT, types={"chat": {"perTryTimeout": "10m"}}) == chat("120s", 2, "10m")
    assert derived("chat", {**ROUND_CHAT, "attempts": 3}, types={"chat": {"attempts": 1}}) == chat("60s", 1)
    assert derived("chat", {**ROUND_CHAT, "duplicates": "none"}, types={"chat": {"attempts": 2}}) == CHAT
    assert derived("chat", {**ROUND_CHAT, "duplicates": "safe"}, types={"chat": {"retryOn": "5xx"}}) == chat(
        "120s", 2, "60s", "5xx"
    )
    assert derived("chat", {**STREAMED, "streaming": True}, types={"chat": {"perTryTimeout": "9s"}}) == chat(
        "420s", 2, "9s"
    )
    assert derived("chat", ROUND_CHAT, types={"chat": {"attempts": None}}) == {"timeout": "120s"}


def test_a_timeout_of_the_policy_s_own_takes_the_default_try_away_where_it_is_not_longer() -> None:
    """Envoy ignores such a perTryTimeout, and MLM201 would refuse what nobody wrote; one that the policy sets stays."""
    assert derived("chat", {}, types={"chat": {"timeout": "60s"}}) == chat("60s", 2)
    assert derived("chat", {}, types={"chat": {"timeout": "61s"}}) == chat("61s", 2, "60s")
    assert derived("chat", {}, types={"chat": {"perTryTimeout": "300s"}}) == chat("120s", 2, "300s")
    assert derived("embeddings", {}, types={"embeddings": {"timeout": "8s"}}) == {
        "timeout": "8s",
        "retries": {"attempts": 3},
    }


def test_levels_lie_over_each_other() -> None:
    """The host's setting over the type's over the default, key by key; null takes a lower one away."""
    levels = {
        "default": {"queue": "5s", "outputTokens": 1000, "headroom": 2},
        "types": {"chat": {"headroom": None}},
        "hosts": {"slow": {"timeToFirstToken": "5s", "timePerOutputToken": "200ms"}},
    }
    chat_type = [TYPES["chat"]]
    known = policy_of(objectives=levels)
    assert block(chat_type, known, ["slow"]) == chat("420s", 2, "210s")
    assert block(chat_type, known, ["slow.ml.svc.cluster.local"], namespace="elsewhere") == chat("420s", 2, "210s")
    assert block(chat_type, known, ["slow"], namespace="elsewhere") == CHAT
    assert block(chat_type, known, ["other"]) == CHAT
    assert block([TYPES["embeddings"]], known, ["slow"]) == EMBEDDINGS
    assert block(chat_type, known, ["other", "slow"]) == chat("420s", 2, "210s")


def two_rules(kind: str = "VirtualService", name: str = "llm", namespace: str = "ml") -> str:
    """A route with two rules for chats, of which one has a name, to one host."""
    istio = kind == "VirtualService"
    if istio:
        send: dict[str, Any] = {"route": [{"destination": {"host": "llm"}}]}
        match: dict[str, Any] = {"match": [{"uri": {"exact": "/v1/chat/completions"}}]}
    else:
        send = {"backendRefs": [{"name": "llm", "port": 80}]}
        match = {"matches": [{"path": {"type": "Exact", "value": "/v1/chat/completions"}}]}
    rules = [{**match, **send}, {"name": "long", **match, **send}]
    return yaml.safe_dump(
        {
            "apiVersion": f"{'networking.istio.io' if istio else 'gateway.networking.k8s.io'}/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"hosts": ["llm"], "http": rules} if istio else {"parentRefs": [{"name": "gw"}], "rules": rules},
        }
    )


def timeouts_of(text: str, **objectives: Any) -> list[str]:
    """The timeout of each rule under these objectives."""
    (item,) = documents(rendered(text, policy(endpoints={"objectives": objectives}), namespace="ml"))
    rules = item["spec"]["http" if item["kind"] == "VirtualService" else "rules"]
    return [rule["timeout"] if "timeout" in rule else rule["timeouts"]["request"] for rule in rules]


@pytest.mark.parametrize("kind", ["VirtualService", "HTTPRoute"])
def test_a_route_has_objectives_of_its_own(kind: str) -> None:
    """Over those of its host, key by key; a rule's over its route's; by the short name in the release's namespace."""
    hosts = {"llm": ROUND_CHAT}
    text = two_rules(kind)
    assert timeouts_of(text, hosts=hosts) == ["120s", "120s"]
    assert timeouts_of(text, hosts=hosts, routes={"llm": {"headroom": 2}}) == ["240s", "240s"]
    assert timeouts_of(text, hosts=hosts, routes={"ml/llm#long": {"outputTokens": 3000}}) == ["120s", "320s"]
    both = {"llm#long": {"outputTokens": 3000}, "llm": {"headroom": 2, "outputTokens": 2000}}
    assert timeouts_of(text, hosts=hosts, routes=both) == ["440s", "640s"]
    assert timeouts_of(text, hosts=hosts, routes={"other": {"headroom": 2}}) == ["120s", "120s"]
    assert timeouts_of(text, hosts=hosts, routes={"elsewhere/llm": {"headroom": 2}}) == ["120s", "120s"]
    far = two_rules(kind, namespace="far")
    here = {"llm.far.svc.cluster.local": ROUND_CHAT}
    assert timeouts_of(far, hosts=here, routes={"llm": {"headroom": 2}}) == ["120s", "120s"]
    assert timeouts_of(far, hosts=here, routes={"far/llm": {"headroom": 2}}) == ["240s", "240s"]


def test_a_routes_timeout_is_judged_by_its_own_objectives() -> None:
    """MLM207 asks what the policy gives this rule, not what it gives another to the same host."""
    text = two_rules().replace("- match:", "- timeout: 200s\n    match:")
    for routes, told in (({}, 0), ({"llm#long": {"headroom": 2}}, 1), ({"llm": {"headroom": 2}}, 2)):
        asked = policy(endpoints={"objectives": {"hosts": {"llm": ROUND_CHAT}, "routes": routes}})
        found = [each.code for each in rendered(text, asked, namespace="ml").findings]
        assert found.count("MLM207") == told, routes


def test_grpc_adds_what_its_status_needs_to_the_default_alone() -> None:
    """A predict over gRPC is also repeated when the server says UNAVAILABLE; a retryOn of the policy's own is left."""
    predict = [TYPES["predict"]]
    assert block(predict, policy_of(), grpc=True)["retries"]["retryOn"] == "5xx,reset,connect-failure,unavailable"
    assert block(predict, policy_of())["retries"]["retryOn"] == "5xx,reset,connect-failure"
    own = policy_of(types={"predict": {"retryOn": "reset"}})
    assert block(predict, own, grpc=True)["retries"]["retryOn"] == "reset"


def test_objectives_go_through_the_post_renderer() -> None:
    """A policy file with objectives for the host that a VirtualService sends to; a second run changes nothing."""
    asked = policy(release={"namespace": "ml"}, endpoints={"objectives": {"hosts": {"llm": STREAMED}}})
    result = rendered(f"{asked}\n---\n{route()}")
    once = b"".join(result.output).decode()
    rule = documents(result)[1]["spec"]["http"][0]
    assert {key: rule[key] for key in ("timeout", "retries")} == chat("420s", 2, "60s")
    assert b"".join(rendered(once).output).decode() == once


def test_more_than_a_day_is_a_mistake_of_units() -> None:
    """A time per token that was meant for a whole answer."""
    with pytest.raises(InputError, match="these objectives ask for 33 hours: ") as caught:
        derived("chat", {**ROUND_CHAT, "timePerOutputToken": "1m"})
    assert "spec.endpoints.objectives.types.chat" in caught.value.place


def test_more_than_a_day_is_told_at_the_line_of_the_level() -> None:
    """The last layer that has it: a file, or the stream's own policy."""
    day = {"timeToFirstToken": "5s", "timePerOutputToken": "1m", "outputTokens": 2000}
    hosts = {"llm.ml.svc.cluster.local": day}
    asked = yaml.safe_dump(yaml.safe_load(policy(endpoints={"objectives": {"hosts": hosts}})))
    for stream, files, place in (
        (route(), [asked], "policy file policy-0.yaml, line 9, "),
        (f"{asked}---\n{route()}", [], "document 0 (MeshPolicy p), line 9, "),
    ):
        with pytest.raises(InputError) as caught:
            rendered(stream, *files)
        assert caught.value.place.startswith(f"{place}spec.endpoints.objectives.hosts.llm.ml.svc.cluster.local")


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"types": {"chat": {**ROUND_CHAT, "maxOutputTokens": 500}}},
        ["chat.outputTokens 1000 is above maxOutputTokens 500"],
    ),
    (
        {"default": {"maxOutputTokens": 500}, "types": {"chat": ROUND_CHAT}},
        ["types.chat.outputTokens 1000 is above maxOutputTokens 500 of spec.endpoints.objectives.default"],
    ),
    (
        {"types": {"chat": {"timeToFirstToken": "5s"}}},
        ["chat.timeToFirstToken tells nothing without timePerOutputToken and outputTokens"],
    ),
    (
        {"hosts": {"a": {"timePerOutputToken": "5ms"}}},
        ["hosts.a.timePerOutputToken", "timeToFirstToken", "outputTokens"],
    ),
    ({"default": {"inputTokens": 5}}, ["default.inputTokens", "without", "timePerOutputToken"]),
    ({"types": {"rerank": {"inputTokens": 5}}}, ["rerank.inputTokens tells nothing without prefillTokensPerSecond"]),
    ({"types": {"chat": {**ROUND_CHAT, "inputTokens": 9000, "timeToFirstToken": None}}}, ["prefillTokensPerSecond"]),
    ({"default": {"queue": "5s"}}, ["default.queue tells nothing"]),
    ({"types": {"chat": {"headroom": 2}}}, ["chat.headroom tells nothing without"]),
    ({"types": {"rerank": {"outputTokens": 5}}}, ["rerank.outputTokens says nothing of rerank"]),
    ({"types": {"chat": {**ROUND_CHAT, "streaming": True}}}, ["chat.streaming is true without maxOutputTokens"]),
    ({"types": {"stream": {**STREAMED, "streaming": False}}}, ["stream.streaming is false"]),
    ({"types": {"stream": ROUND_CHAT}}, ["without maxOutputTokens"]),
    (
        {"default": {"attempts": 2}, "types": {"chat": {"duplicates": "none"}}},
        ["chat.duplicates is none", "default.attempts asks for 2"],
    ),
    (
        {"types": {"chat": {**ROUND_CHAT, "inputTokens": 60_000, "prefillTokensPerSecond": 10_000}}},
        ["chat.timeToFirstToken 5s is below inputTokens / prefillTokensPerSecond, 6s"],
    ),
    ({"types": {"chat": {"headroom": 0.9}}}, ["chat.headroom: 0.9 is too small"]),
    ({"types": {"chat": {"headroom": "2"}}}, ["chat.headroom: a string", "without quotes"]),
    ({"types": {"chat": {"headroom": True}}}, ["chat.headroom: a boolean where a number"]),
    ({"types": {"chat": {"headroom": 1000}}}, ["chat.headroom: 1000 is too large"]),
    ({"types": {"rerank": {"prefillTokensPerSecond": 0}}}, ["prefillTokensPerSecond: 0 is too small"]),
    ({"types": {"rerank": {"prefillTokensPerSecond": -2.5}}}, ["prefillTokensPerSecond: -2.5 is too small"]),
    ({"types": {"rerank": {"inputTokens": 1.5}}}, ["inputTokens: a number where a whole number"]),
    ({"types": {"chat": {"outputTokens": -1}}}, ["outputTokens: -1 is too small"]),
    ({"types": {"chat": {"attempts": -1}}}, ["attempts: -1 is too small"]),
    ({"types": {"chat": {"timePerOutputToken": "0s"}}}, ["timePerOutputToken: '0s' is no time at all"]),
    ({"types": {"chat": {"timePerOutputToken": 50}}}, ["timePerOutputToken: a number where a string"]),
    ({"types": {"chat": {"timePerOutputToken": "50"}}}, ["timePerOutputToken: '50' is not a duration"]),
    ({"types": {"chat": {"queue": "-5s"}}}, ["queue: '-5s' is not a duration"]),
    ({"types": {"chat": {"coldStart": "5d"}}}, ["coldStart: '5d' is not a duration"]),
    ({"types": {"chat": {"duplicates": "yes"}}}, ["duplicates: 'yes' is not known", "any, safe, none"]),
    ({"types": {"chat": {"rule": "lesson"}}}, ["rule: 'lesson' is not known", "attempts, all-tries"]),
    ({"routes": {"a": {"headroom": 2}}}, ["routes.a.headroom tells nothing without"]),
    (
        {"routes": {"a": {**ROUND_CHAT, "maxOutputTokens": 2000}, "a#b": {"maxOutputTokens": 500}}},
        ["routes.a.outputTokens 1000 is above maxOutputTokens 500 of spec.endpoints.objectives.routes.a#b"],
    ),
    ({"types": {"image": {"queue": "5s"}}}, ["types.image: unknown key"]),
    ({"type": {}}, ["objectives.type: unknown key", "did you mean types?"]),
    ({"types": {"chat": {"ttft": "5s"}}}, ["chat.ttft: unknown key"]),
]


@pytest.mark.parametrize(("objectives", "expected"), REFUSED)
def test_objectives_that_cannot_be_are_refused(objectives: dict[str, Any], expected: list[str]) -> None:
    """What contradicts itself, has no unit, or could be used for nothing: told with every key and its place."""
    with pytest.raises(InputError) as caught:
        rendered("kind: X\napiVersion: v1\n", policy(endpoints={"objectives": objectives}))
    for part in expected:
        assert part in str(caught.value)
    assert "policy" in caught.value.place


@pytest.mark.parametrize(
    "objectives",
    [
        {
            "default": {"outputTokens": 500, "queue": "5s"},
            "hosts": {"a": {"timeToFirstToken": "1s", "timePerOutputToken": "9ms"}},
        },
        {"default": {"prefillTokensPerSecond": 9000}, "types": {"embeddings": {"inputTokens": 10}}},
        {"default": {"attempts": 0}, "types": {"chat": {"duplicates": "none"}}},
        {"default": {"duplicates": "none"}, "types": {"chat": {"duplicates": "any", "attempts": 2}}},
        {"types": {"chat": {**ROUND_CHAT, "maxOutputTokens": 1000}}},
        {"hosts": {}},
        {"hosts": {"a": ROUND_CHAT}, "routes": {"r": {"headroom": 2}}},
        {"default": {"duplicates": "none"}, "routes": {"r#x": {"duplicates": "any", "attempts": 2}}},
    ],
)
def test_objectives_that_complete_each_other_are_taken(objectives: dict[str, Any]) -> None:
    """A workload in the default, a server's speed by host: neither is enough alone, and both are fine together."""
    rendered("kind: X\napiVersion: v1\n", policy(endpoints={"objectives": objectives}))


@pytest.mark.parametrize(
    ("block_of", "expected"),
    [
        ({"attempts": 0, "retryOn": "5xx"}, "chat.attempts is 0, which turns retries off, beside retryOn"),
        ({"attempts": 0, "retryOn": "5xx", "perTryTimeout": "5s"}, "beside perTryTimeout and retryOn"),
        ({"retryOn": "5xx, reset"}, "Istio knows no ' reset'"),
        ({"retryOn": "5xx,teapot"}, "Istio knows no 'teapot'"),
        ({"retryOn": "5xx,"}, "Istio knows no '(nothing)'"),
        ({"retryOn": "600"}, "Istio knows no '600'"),
        ({"timeout": "100us"}, "'100us' is not in whole milliseconds"),
        ({"perTryTimeout": "1.5ms"}, "'1.5ms' is not in whole milliseconds"),
        ({"timeout": "300"}, "'300' is not a duration"),
        ({"timeout": 300}, "a number where a string"),
        ({"timeout": "-5s"}, "'-5s' is not a duration"),
        ({"attempts": -1}, "-1 is too small"),
    ],
)
def test_a_type_s_block_that_istio_would_refuse_is_refused(block_of: dict[str, Any], expected: str) -> None:
    """Told where the policy is read, not when the cluster turns every route away."""
    with pytest.raises(InputError) as caught:
        rendered("kind: X\napiVersion: v1\n", policy(endpoints={"types": {"chat": block_of}}))
    assert expected in str(caught.value)


def test_every_retry_condition_of_istio_is_taken() -> None:
    """The fixed list of its validation, and status codes."""
    known = """5xx gateway-error reset reset-before-request connect-failure retriable-4xx refused-stream
        retriable-status-codes retriable-headers envoy-ratelimited http3-post-connect-failure
        cancelled deadline-exceeded internal resource-exhausted unavailable 100 418 429 503 511"""
    conditions = ",".join(known.split())
    rendered("kind: X\napiVersion: v1\n", policy(endpoints={"types": {"chat": {"retryOn": conditions}}}))


def test_attempts_of_zero_in_one_layer_are_refused_beside_another_layer_s_retries() -> None:
    """The ConfigMap of this run would hold both, and the next run refuse it: so this one does. A null says it well."""
    lower = policy(endpoints={"types": {"chat": {"retryOn": "503,reset-before-request"}}})
    with pytest.raises(InputError, match="beside retryOn"):
        rendered(lower, policy(endpoints={"types": {"chat": {"attempts": 0}}}))
    rendered(lower, policy(endpoints={"types": {"chat": {"attempts": 0, "retryOn": None}}}))


def test_a_policy_s_text_is_read_as_go_reads_it() -> None:
    """Plain `any`, `none` and numbers need no quotes."""
    text = {
        "queue": "5s",
        "timeToFirstToken": "5s",
        "timePerOutputToken": "50ms",
        "outputTokens": 1000,
        "headroom": 1.5,
    }
    spec = {"endpoints": {"objectives": {"default": {**text, "duplicates": "none"}}}}
    written = yaml.safe_dump({"apiVersion": "mlmesh.dev/v1alpha1", "kind": "MeshPolicy", "spec": spec})
    rule = documents(rendered(route(), written))[0]["spec"]["http"][0]
    assert {key: rule[key] for key in ("timeout", "retries")} == {"timeout": "90s", "retries": {"attempts": 0}}


def test_settings_of_the_policy_itself_stay_as_they_are() -> None:
    """Deriving writes into nothing that other routes share."""
    shared = Policy({"endpoints": {"objectives": {"types": {"chat": ROUND_CHAT}}}}, None, "ml")
    first = block([TYPES["chat"]], shared)
    first["retries"]["attempts"] = 99
    assert block([TYPES["chat"]], shared) == CHAT
