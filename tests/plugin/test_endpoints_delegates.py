"""VirtualServices that delegate: what is derived into them and their delegates, and what is told of both."""

from typing import Any

import yaml

from mlmesh.endpoints.account import accounts
from mlmesh.reports.routes import routes_text
from tests.support.streams import codes, documents, rendered

CHAT = {"timeout": "120s", "retries": {"attempts": 2, "perTryTimeout": "60s", "retryOn": "5xx,reset"}}


def virtual_service(name: str, *rules: dict[str, Any], hosts: tuple[str, ...] = ()) -> str:
    """A VirtualService with these rules; without hosts it is a delegate."""
    spec = {**({"hosts": [*hosts]} if hosts else {}), "http": [*rules]}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}
    return yaml.safe_dump({**kind, "metadata": {"name": name, "namespace": "ml"}, "spec": spec})


def rule(path: str = "", **more: Any) -> dict[str, Any]:
    """A rule for a path's prefix, to a Service unless it delegates."""
    to = {} if "delegate" in more else {"route": [{"destination": {"host": "llm"}}]}
    return {**({"match": [{"uri": {"prefix": path}}]} if path else {}), **to, **more}


def root(path: str, **more: Any) -> dict[str, Any]:
    """A rule that delegates."""
    return rule(path, delegate={"name": "team"}, **more)


def blocks(text: str) -> list[dict[str, Any]]:
    """Timeout and retries of each VirtualService's first rule, after post-rendering."""
    rules = (item["spec"]["http"][0] for item in documents(rendered(text)))
    return [{key: each[key] for key in ("timeout", "retries") if key in each} for each in rules]


def release(above: dict[str, Any], below: dict[str, Any]) -> str:
    """A root that delegates to a VirtualService behind it in the stream."""
    return virtual_service("root", above, hosts=("ai.example.com",)) + "---\n" + virtual_service("team", below)


def test_a_rule_that_delegates_gets_the_block_of_its_path() -> None:
    """Its delegate's rules have it from there, as Istio merges them; a second run changes nothing."""
    text = release(root("/v1/chat/completions"), rule())
    assert blocks(text) == [CHAT, {}]
    once = b"".join(rendered(text).output).decode()
    assert b"".join(rendered(once).output).decode() == once


def test_a_delegate_s_own_path_tells_more() -> None:
    """What is derived into a root does not keep a delegate's rule from the block of what it serves."""
    embeddings = {"timeout": "30s", "retries": {"attempts": 3, "perTryTimeout": "10s"}}
    for text in (release(root("/v1"), rule("/v1/embeddings")), release(root("/v1/embeddings"), rule("/v1/embeddings"))):
        assert blocks(text)[1] == embeddings


def test_what_a_user_wrote_into_the_root_is_not_overridden() -> None:
    """A timeout of the root's holds for its delegate: nothing is derived there, and nobody says that there is none."""
    text = release(root("/v1/chat/completions", timeout="200s"), rule("/v1/chat/completions"))
    assert blocks(text) == [{"timeout": "200s"}, {}]
    assert "MLM208" not in dict(codes(rendered(text)))


def test_the_routes_of_both_are_told() -> None:
    """A rule that delegates sends its requests on; its delegate's shows where a number is from."""
    result = rendered(release(root("/v1/chat/completions"), rule()))
    told = routes_text(accounts(result.graph, result.patches))
    assert "sends nothing on" not in told
    assert "by the rules of VirtualService team, to which it delegates" in told
    assert "timeout 120s: of VirtualService ml/root, which delegates to it" in told
    assert told.count("The client has an answer after 120 s at most") == 2
