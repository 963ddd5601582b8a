"""Timeouts and retries of LLM routes follow from what a path serves, and a user's own block is never touched."""

from typing import Any

import pytest
import yaml

from mlmesh.endpoints.match import types_of
from mlmesh.graph.routes import istio_match
from mlmesh.model.errors import InputError
from tests.support.streams import documents, policy, rendered

CHAT = {"timeout": "120s", "retries": {"attempts": 2, "perTryTimeout": "60s", "retryOn": "5xx,reset"}}
EMBEDDINGS = {"timeout": "30s", "retries": {"attempts": 3, "perTryTimeout": "10s"}}


def service(*rules: dict[str, Any], **annotations: str) -> str:
    """A VirtualService with these rules, each with a destination unless it says otherwise."""
    routed = [{"route": [{"destination": {"host": "llm"}}], **rule} for rule in rules]
    return yaml.safe_dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "llm", "namespace": "ml", "annotations": annotations},
            "spec": {"hosts": ["llm"], "http": routed},
        },
        sort_keys=False,
    )


def blocks(text: str, *policies: str) -> list[dict[str, Any]]:
    """The timeout and retries of each rule after post-rendering."""
    (item,) = documents(rendered(text, *policies))
    return [{key: rule[key] for key in ("timeout", "retries") if key in rule} for rule in item["spec"]["http"]]


def match(**uri: str) -> dict[str, Any]:
    return {"match": [{"uri": uri}]}


def test_the_blocks_of_the_reference_design_come_out_to_the_letter() -> None:
    """Chat gets 120s, 2 x 60s on 5xx,reset; embeddings 30s, 3 x 10s and no retryOn; all other paths nothing."""
    text = service(match(prefix="/v1/chat/completions"), match(prefix="/v1/embeddings"), {})
    assert blocks(text) == [CHAT, EMBEDDINGS, {}]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ({"exact": "/v1/chat/completions"}, "chat"),
        ({"exact": "/v1/chat/completions/"}, "chat"),
        ({"prefix": "/openai/v1/chat/completions"}, "chat"),
        ({"prefix": "/ns/name/chat/completions"}, "chat"),
        ({"prefix": "/api/chat"}, "chat"),
        ({"exact": "/openai/deployments/gpt/embeddings"}, "embeddings"),
        ({"exact": "/v1/embed"}, "embeddings"),
        ({"prefix": "/api/embeddings"}, "embeddings"),
        ({"regex": "/v1/embeddings"}, "embeddings"),
        ({"regex": "^.*/chat/completions$"}, "chat"),
        ({"regex": "/v1/chat/completions(/.*)?"}, "chat"),
        ({"regex": "/v1/chat.completions"}, ""),
        ({"prefix": "/v1/"}, ""),
        ({"prefix": "/"}, ""),
        ({"prefix": "/v1/models"}, ""),
        ({"exact": "/v1/Embeddings"}, ""),
        ({"exact": "/v1/chat/completions/x"}, ""),
        ({"prefix": "/mychat/completionsx"}, ""),
        ({"exact": "/v1/reembed"}, ""),
    ],
)
def test_a_path_tells_its_type_by_its_tail_or_not_at_all(uri: dict[str, str], expected: str) -> None:
    """Bases in front do not count; what is not plainly a known path has no type: a guess could cut a generation."""
    types, _, _ = types_of(istio_match({"uri": uri}))
    assert (types[0].name if types else "") == expected


def test_case_is_ignored_where_the_match_says_so() -> None:
    """`ignoreUriCase` makes Envoy take any case, so any case tells the type."""
    types, _, _ = types_of(istio_match({"uri": {"exact": "/V1/Chat/Completions"}, "ignoreUriCase": True}))
    assert [kind.name for kind in types] == ["chat"]


@pytest.mark.parametrize("own", [{"timeout": "5s"}, {"retries": {"attempts": 0}}, {"timeout": "5s", "retries": {}}])
def test_a_rule_with_a_block_of_its_own_is_left_byte_for_byte(own: dict[str, Any]) -> None:
    """One field of its own makes the whole block the user's, even an empty one."""
    text = service({**match(prefix="/v1/chat/completions"), **own})
    assert b"".join(rendered(text).output) == text.encode()


def test_a_rule_without_route_gets_nothing() -> None:
    """A redirect or direct response has no upstream request to bound."""
    text = service({**match(prefix="/v1/chat/completions"), "route": None, "redirect": {"uri": "/x"}})
    assert blocks(text) == [{}]


def test_one_unknown_match_among_known_ones_leaves_the_rule_alone() -> None:
    """The block would bind the unknown path too."""
    text = service({"match": [{"uri": {"prefix": "/v1/chat/completions"}}, {"uri": {"prefix": "/upload"}}]})
    assert blocks(text) == [{}]


def test_a_rule_of_two_types_follows_the_costlier_with_the_longest_timeout() -> None:
    """Repeating a generation costs more than repeating embeddings: chat's retries, the longer of the two timeouts."""
    text = service({"match": [{"uri": {"prefix": "/v1/embeddings"}}, {"uri": {"prefix": "/v1/chat/completions"}}]})
    assert blocks(text) == [CHAT]
    longer = policy(endpoints={"types": {"embeddings": {"timeout": "300s"}}})
    assert blocks(text, longer) == [{**CHAT, "timeout": "300s"}]


def test_an_annotation_names_the_type_of_a_rule_or_of_all() -> None:
    """`endpoint.mlmesh.dev/RULE` speaks for one rule, `mlmesh.dev/endpoint` for the rest."""
    text = service(
        {"name": "special", **match(prefix="/")},
        match(prefix="/x"),
        **{"mlmesh.dev/endpoint": "embeddings", "endpoint.mlmesh.dev/special": "chat"},
    )
    assert blocks(text) == [CHAT, EMBEDDINGS]


def test_an_unknown_type_in_an_annotation_is_an_error() -> None:
    """A misspelt type must not leave the route without its block."""
    with pytest.raises(InputError, match="endpoint type 'chta' is not known") as caught:
        rendered(service({}, **{"mlmesh.dev/endpoint": "chta"}))
    assert "chat" in caught.value.remedy


@pytest.mark.parametrize("nothing", [None, "0s"])
def test_null_and_zero_leave_a_field_out(nothing: str | None) -> None:
    """Istio has no zero timeout: both mean that the field is not written."""
    chat = {"timeout": nothing, "perTryTimeout": nothing, "retryOn": None}
    assert blocks(service(match(prefix="/v1/chat/completions")), policy(endpoints={"types": {"chat": chat}})) == [
        {"retries": {"attempts": 2}}
    ]


def test_no_attempts_turn_retries_off_alone() -> None:
    """istiod refuses `attempts: 0` beside perTryTimeout or retryOn."""
    chat = policy(endpoints={"types": {"chat": {"attempts": 0}}})
    assert blocks(service(match(prefix="/v1/chat/completions")), chat) == [
        {"timeout": "120s", "retries": {"attempts": 0}}
    ]


def test_a_second_run_with_another_policy_moves_what_was_derived() -> None:
    """Derived blocks follow the policy of the run; a user's block beside them does not."""
    text = service(match(prefix="/v1/chat/completions"), {**match(prefix="/v1/embeddings"), "timeout": "7s"})
    once = b"".join(rendered(text).output).decode()
    assert b"".join(rendered(once).output).decode() == once
    assert blocks(once, policy(endpoints={"types": {"chat": {"timeout": "300s", "attempts": None}}})) == [
        {"timeout": "300s"},
        {"timeout": "7s"},
    ]


def test_the_longest_timeout_is_the_longest_in_time() -> None:
    """`5m` is longer than `120s`, though it is the shorter text."""
    text = service({"match": [{"uri": {"prefix": "/v1/embeddings"}}, {"uri": {"prefix": "/v1/chat/completions"}}]})
    assert blocks(text, policy(endpoints={"types": {"embeddings": {"timeout": "5m"}}}))[0]["timeout"] == "5m"


def test_what_is_derived_no_more_is_no_longer_claimed() -> None:
    """A policy that takes a block away takes the fields and the stamp that names them; the route is as it was."""
    text = service(match(prefix="/v1/chat/completions"))
    once = b"".join(rendered(text).output).decode()
    nothing = policy(endpoints={"types": {"chat": {"timeout": None, "attempts": None}}})
    (item,) = documents(rendered(once, nothing))
    assert "timeout" not in item["spec"]["http"][0]
    assert "retries" not in item["spec"]["http"][0]
    assert "mlmesh.dev/derived" not in item["metadata"]["annotations"]
