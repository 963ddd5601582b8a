"""What is derived into each kind of route, and what is told of a kind that cannot say it."""

import json
from typing import Any

import pytest
import yaml

from mlmesh.endpoints.write import codes_of, gateway_duration
from mlmesh.model.units import duration_ms
from tests.support.streams import codes, documents, policy, rendered

EXPERIMENTAL = policy(mesh={"gatewayApiChannel": "experimental"})


def path(value: str, kind: str = "Exact") -> dict[str, Any]:
    """A match of an HTTPRoute."""
    return {"matches": [{"path": {"type": kind, "value": value}}]}


def http_route(*rules: dict[str, Any], kind: str = "HTTPRoute", parent: str = "Gateway", **annotations: str) -> str:
    """An HTTPRoute or GRPCRoute with these rules, each to a Service unless it says otherwise."""
    metadata = {"name": "llm", "namespace": "ml", **({"annotations": annotations} if annotations else {})}
    ref = {"name": "gw"} if parent == "Gateway" else {"group": "", "kind": parent, "name": "llm", "port": 80}
    spec = {
        "parentRefs": [ref],
        "rules": [{"backendRefs": [{"name": "llm", "port": 80}], **rule} for rule in rules],
    }
    return yaml.safe_dump(
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec},
        sort_keys=False,
    )


def blocks(text: str, *policies: str) -> list[dict[str, Any]]:
    """The timeouts and retry of each rule after post-rendering."""
    item = next(item for item in documents(rendered(text, *policies)) if item["kind"] == "HTTPRoute")
    return [{key: rule[key] for key in ("timeouts", "retry") if key in rule} for rule in item["spec"]["rules"]]


def messages(text: str, code: str, *policies: str) -> list[str]:
    """What findings of a code say, remedy included."""
    return [f"{f.message} | {f.remedy}" for f in rendered(text, *policies).findings if f.code == code]


def test_an_http_route_gets_the_timeout_of_what_it_serves() -> None:
    """The standard channel has timeouts alone; a path that tells nothing gets nothing."""
    text = http_route(path("/v1/chat/completions"), path("/v1/embeddings"), path("/cart"), {})
    assert blocks(text) == [{"timeouts": {"request": "120s"}}, {"timeouts": {"request": "30s"}}, {}, {}]


def test_the_experimental_channel_says_retries_too() -> None:
    """Conditions become codes; a type without a condition that has codes keeps Istio's own."""
    text = http_route(path("/v1/chat/completions"), path("/v1/embeddings"), path("/v1/rerank"))
    assert blocks(text, EXPERIMENTAL) == [
        {"timeouts": {"request": "120s"}, "retry": {"attempts": 2, "codes": [500, 502, 503, 504]}},
        {"timeouts": {"request": "30s"}, "retry": {"attempts": 3}},
        {"timeouts": {"request": "30s"}, "retry": {"attempts": 3, "codes": [502, 503, 504]}},
    ]


def test_a_realtime_route_has_no_timeout_and_says_so() -> None:
    """A WebSocket lasts: 0s on an HTTPRoute, where a VirtualService has no timeout and no retries."""
    assert blocks(http_route(path("/v1/realtime"))) == [{"timeouts": {"request": "0s"}}]


@pytest.mark.parametrize("own", [{"timeouts": {"request": "5s"}}, {"timeouts": {}}, {"retry": {"attempts": 1}}])
def test_a_rule_of_the_users_own_is_left_byte_for_byte(own: dict[str, Any]) -> None:
    """One field of its own makes the whole block the user's, and nothing is said of it."""
    text = http_route({**path("/v1/chat/completions"), **own})
    result = rendered(text, EXPERIMENTAL)
    assert b"".join(result.output) == text.encode()
    assert "MLM217" not in dict(codes(result))


def test_a_redirect_gets_nothing() -> None:
    """No request goes on that a timeout could end."""
    assert blocks(http_route({**path("/v1/chat/completions"), "backendRefs": []})) == [{}]


REWRITES = [
    # match, replaced by what, what is served (None: nothing that is known)
    (("Exact", "/ask"), {"replaceFullPath": "/v1/chat/completions"}, "chat"),
    (("PathPrefix", "/v1/embeddings"), {"replacePrefixMatch": "/v1/chat/completions"}, "chat+tokenize"),
    (("PathPrefix", "/ranker"), {"replacePrefixMatch": "/v1/rerank"}, "rerank"),
    (("PathPrefix", "/ranker"), {"replacePrefixMatch": "/"}, None),
    (("PathPrefix", "/llama/v1/chat/completions"), {"replacePrefixMatch": "/mine"}, "chat+tokenize"),
    (("PathPrefix", "/ask"), {}, None),
]


@pytest.mark.parametrize(("match", "written", "served"), REWRITES)
def test_a_rewritten_path_tells_what_is_served(match: tuple[str, str], written: Any, served: str | None) -> None:
    """The server gets what is rewritten; where that tells nothing, what clients ask for does."""
    filters = [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "X", **written}}}]
    (kind, value) = match
    patches = rendered(http_route({**path(value, kind), "filters": filters})).patches
    assert [each.reason.split(" (")[0] for each in patches] == ([f"rule 0 serves {served}"] if served else [])


@pytest.mark.parametrize(
    ("uri", "served"), [({"exact": "/ask"}, "chat"), ({"prefix": "/ask"}, "chat+tokenize"), (None, "chat+tokenize")]
)
def test_a_virtual_service_rewrites_too(uri: dict[str, str] | None, served: str) -> None:
    """A prefix is replaced, with the rest of the path behind it; without a match it is the `/` that all begin with."""
    rule = {"rewrite": {"uri": "/v1/chat/completions"}, "route": [{"destination": {"host": "llm"}}]}
    item = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "v", "namespace": "ml"},
        "spec": {"hosts": ["llm"], "http": [{**rule, **({"match": [{"uri": uri}]} if uri else {})}]},
    }
    (patch,) = rendered(yaml.safe_dump(item)).patches
    assert patch.reason.startswith(f"rule 0 serves {served} (")
    assert "to which it rewrites" in patch.reason


def test_a_second_run_changes_nothing_and_another_channel_moves_what_was_derived() -> None:
    """What is derived is stamped, so it is taken away again where the channel has no such field."""
    text = http_route(path("/v1/chat/completions"))
    once = b"".join(rendered(text, EXPERIMENTAL).output).decode()
    assert b"".join(rendered(once, EXPERIMENTAL).output).decode() == once
    assert blocks(once) == [{"timeouts": {"request": "120s"}}]


def test_what_an_http_route_cannot_say_is_told() -> None:
    """Silence would leave a user to believe that the block is whole."""
    chat = http_route(path("/v1/chat/completions"))
    (said,) = messages(chat, "MLM217")
    assert "attempts 2, perTryTimeout 60s, retryOn 5xx,reset" in said
    assert "mesh.gatewayApiChannel: experimental" in said
    (said,) = messages(chat, "MLM217", EXPERIMENTAL)
    assert "perTryTimeout 60s, retryOn reset" in said
    (said,) = messages(http_route(path("/v1/realtime")), "MLM217", EXPERIMENTAL)
    assert "attempts 0" in said
    assert "Istio repeats 2 times" in said
    assert messages(http_route(path("/v1/rerank")), "MLM217", EXPERIMENTAL) == [
        said for said in messages(http_route(path("/v1/rerank")), "MLM217", EXPERIMENTAL) if "perTryTimeout 10s" in said
    ]


def grpc(*methods: dict[str, str], **more: Any) -> dict[str, Any]:
    """A rule of a GRPCRoute."""
    return {"matches": [{"method": method} for method in methods], **more}


INFER = {"service": "inference.GRPCInferenceService", "method": "ModelInfer"}
STREAM = {"service": "inference.GRPCInferenceService", "method": "ModelStreamInfer"}


def test_a_grpc_route_is_told_with_what_to_put_in_its_place() -> None:
    """It has neither field: at a gateway an HTTPRoute of the same methods has a timeout."""
    (said,) = messages(http_route(grpc(STREAM), grpc({"service": "a.B"}), kind="GRPCRoute"), "MLM204")
    route = json.loads(said.partition("in its place: ")[2])
    assert (route["kind"], route["spec"]["parentRefs"]) == ("HTTPRoute", [{"name": "gw"}])
    first, second = route["spec"]["rules"]
    assert first["matches"][0]["path"] == {
        "type": "Exact",
        "value": "/inference.GRPCInferenceService/ModelStreamInfer",
    }
    assert (first["timeouts"], first["backendRefs"]) == ({"request": "600s"}, [{"name": "llm", "port": 80}])
    assert second["matches"][0]["path"] == {"type": "PathPrefix", "value": "/a.B"}
    assert "timeouts" not in second


def test_a_grpc_route_of_sidecars_is_told_with_a_virtual_service() -> None:
    """Callers' sidecars follow one, and it can say retries."""
    text = http_route(grpc(INFER), kind="GRPCRoute", parent="Service")
    (said,) = messages(text, "MLM204")
    service = json.loads(said.partition("in its place: ")[2])
    (rule,) = service["spec"]["http"]
    assert service["spec"]["hosts"] == ["llm.ml.svc.cluster.local"]
    assert rule["match"] == [{"uri": {"exact": "/inference.GRPCInferenceService/ModelInfer"}}]
    assert (rule["timeout"], rule["retries"]["attempts"]) == ("30s", 3)
    assert rule["retries"]["retryOn"].endswith("unavailable")
    assert rule["route"] == [{"destination": {"host": "llm.ml.svc.cluster.local", "port": {"number": 80}}}]


@pytest.mark.parametrize("parent", ["Gateway", "Service"])
def test_what_goes_in_a_grpc_routes_place_keeps_the_names_of_its_rules(parent: str) -> None:
    """Annotations speak of rules by name, and so do policies that are attached to one."""
    (said,) = messages(http_route({"name": "stream", **grpc(STREAM)}, kind="GRPCRoute", parent=parent), "MLM204")
    better = json.loads(said.partition("put in its place: ")[2])
    (rule,) = better["spec"]["rules" if parent == "Gateway" else "http"]
    assert rule["name"] == "stream"


def test_what_goes_in_a_grpc_routes_place_is_left_alone_and_causes_no_finding_of_the_kind() -> None:
    """The manifest has what would be derived into it: put there, it is complete."""
    (said,) = messages(http_route(grpc(STREAM), kind="GRPCRoute"), "MLM204")
    result = rendered(said.partition("in its place: ")[2])
    assert result.patches == []
    assert "MLM204" not in dict(codes(result))


@pytest.mark.parametrize(
    ("methods", "severity"), [([STREAM], "warning"), ([INFER], "info"), ([{"service": "a.B"}], "")]
)
def test_a_grpc_routes_silent_retries_weigh_by_what_they_cost(methods: list[dict[str, str]], severity: str) -> None:
    """A generation that runs three times is worth a warning, a prediction an info, what is unknown nothing."""
    found = dict(codes(rendered(http_route(grpc(*methods), kind="GRPCRoute"))))
    assert found.get("MLM204", "") == severity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120s", "120s"),
        ("2m", "120s"),
        ("1.5s", "1s500ms"),
        ("250ms", "250ms"),
        ("0s", "0s"),
        ("99999s", "99999s"),
        ("100000s", "27h46m40s"),
        ("240h0.5s", "240h500ms"),
    ],
)
def test_durations_are_written_as_gateway_api_takes_them(text: str, expected: str) -> None:
    """No fractions, at most five digits and four parts, and the same time."""
    import re

    assert gateway_duration(text) == expected
    assert re.fullmatch(r"([0-9]{1,5}(h|m|s|ms)){1,4}", expected)
    assert duration_ms(expected) == duration_ms(text)


@pytest.mark.parametrize(
    ("retry_on", "codes"),
    [
        ("5xx,reset", [500, 502, 503, 504]),
        ("gateway-error,429", [429, 502, 503, 504]),
        ("304,503", [503]),
        ("connect-failure,refused-stream,reset-before-request", []),
        ("retriable-4xx", [409]),
        ("", []),
    ],
)
def test_conditions_become_codes(retry_on: str, codes: list[int]) -> None:
    """5xx and gateway-error are those that Envoy means; what concerns connections has none."""
    assert codes_of(retry_on) == codes


@pytest.mark.parametrize(("namespace", "request_"), [("ml", "420s"), ("", "420s"), ("elsewhere", "120s")])
@pytest.mark.parametrize("level", ["hosts", "routes"])
def test_objectives_by_the_host_of_a_service_reach_its_http_route(level: str, namespace: str, request_: str) -> None:
    """A route's numbers follow from what its own server can do. A short name is of the release's namespace; where
    nothing names that, of the route's."""
    slow = {"llm": {"timeToFirstToken": "10s", "timePerOutputToken": "200ms", "outputTokens": 1000}}
    asked = policy(release={"namespace": namespace} if namespace else {}, endpoints={"objectives": {level: slow}})
    assert blocks(http_route(path("/v1/chat/completions")), asked) == [{"timeouts": {"request": request_}}]


def test_a_null_is_no_field_of_the_users_own() -> None:
    """A chart that writes its value whether there is one or not: the API server drops it, and it is derived."""
    text = http_route({**path("/v1/chat/completions"), "timeouts": None, "retry": None})
    assert blocks(text) == [{"timeouts": {"request": "120s"}, "retry": None}]
    served = {"match": [{"uri": {"exact": "/v1/embeddings"}}], "route": [{"destination": {"host": "llm"}}]}
    spec = {"hosts": ["llm"], "http": [{**served, "timeout": None, "retries": None}]}
    item = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "r"}, "spec": spec}
    (written,) = documents(rendered(yaml.safe_dump(item)))
    assert written["spec"]["http"] == [{**served, "timeout": "30s", "retries": {"attempts": 3, "perTryTimeout": "10s"}}]
    cart = {**item, "spec": {"hosts": ["a"], "http": [{"timeout": None, "route": [{"destination": {"host": "a"}}]}]}}
    assert b"".join(rendered(yaml.safe_dump(cart)).output) == yaml.safe_dump(cart).encode()


def test_an_annotation_that_names_admin_besides_gets_the_block_of_the_others() -> None:
    """Whoever lists all that a server has names what is to be denied, too: it has no block to choose."""
    rule = {"backendRefs": [{"name": "llm", "port": 80}]}
    named = http_route(rule, **{"mlmesh.dev/endpoint": "admin, chat"})
    assert blocks(named) == blocks(http_route(rule, **{"mlmesh.dev/endpoint": "chat"})) != [{}]
    assert blocks(http_route(rule, **{"mlmesh.dev/endpoint": "admin"})) == [{}]
