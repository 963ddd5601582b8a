"""`mlmesh routes`: each rule's types, its numbers and where they are from, and the worst case in plain words."""

import json
from typing import Any

import pytest
import yaml

from tests.plugin.test_endpoints_serves import POOL, pool, server, service
from tests.plugin.test_endpoints_serves import route as pooled
from tests.plugin.test_endpoints_write import INFER, STREAM, grpc, http_route, path
from tests.support.streams import policy, route, run


def told(stream: str, *arguments: str) -> list[dict[str, Any]]:
    """The entries of the JSON form."""
    done = run("routes", "--format", "json", *arguments, stdin=stream, command="mlmesh")
    assert (done.returncode, done.stderr) == (0, b"")
    shape = json.loads(done.stdout)
    assert shape["version"] == 1
    found: list[dict[str, Any]] = shape["routes"]
    return found


def service_with(**own: Any) -> str:
    """A VirtualService whose one rule has these fields of its own."""
    item = yaml.safe_load(route())
    item["spec"]["http"][0].update(own)
    return yaml.safe_dump(item)


def test_each_number_tells_where_it_is_from(tmp_path: Any) -> None:
    """A default, the policy's field, or an objective with its formula."""
    (entry,) = told(route())
    assert entry["fields"]["timeout"] == {"value": "120s", "source": "the default of chat"}
    assert (entry["kind"], entry["pointer"], entry["hosts"]) == (
        "VirtualService",
        "/spec/http/0",
        ["llm.ml.svc.cluster.local"],
    )
    assert entry["types"] == ["chat", "tokenize"]
    assert entry["matches"] == ["prefix /v1/chat/completions"]
    asked = {
        "types": {"chat": {"attempts": 3}},
        "objectives": {
            "types": {"chat": {"timeToFirstToken": "5s", "timePerOutputToken": "50ms", "outputTokens": 700}}
        },
    }
    (tmp_path / "policy.yaml").write_text(policy(endpoints=asked))
    (entry,) = told(route(), "--policy", str(tmp_path / "policy.yaml"))
    assert entry["fields"]["retries.attempts"]["source"] == "spec.endpoints.types.chat.attempts"
    assert "700 tokens x 50ms" in entry["fields"]["retries.perTryTimeout"]["source"]


def test_a_users_own_number_is_told_as_such() -> None:
    """The worst case is that of what is there, whoever wrote it."""
    own = http_route({**path("/v1/chat/completions"), "timeouts": {"request": "300s", "backendRequest": "60s"}})
    (entry,) = told(own)
    assert entry["fields"]["timeouts.request"] == {"value": "300s", "source": "written in the route"}
    assert entry["worstCases"][0]["answer"] == 60  # without retry backendRequest takes request's place


def test_the_worst_case_counts_an_sdks_tries_and_every_proxy() -> None:
    """Three tries of the route are nine with an SDK; a caller with a sidecar passes it before the gateway."""
    (entry,) = told(route())
    (case,) = entry["worstCases"]
    assert (case["through"], case["runs"], case["clientRuns"], case["answer"], case["cut"]) == (
        ["sidecar"],
        3,
        9,
        120,
        120,
    )
    assert "a generation can run 3 times, 9 times with an SDK that tries 3 times" in case["sentence"]
    assert case["sentence"].endswith(" A request of more than 1 MiB is not repeated.")
    (entry,) = told(http_route(grpc(STREAM), kind="GRPCRoute"))
    assert [(case["through"], case["runs"], case["clientTries"]) for case in entry["worstCases"]] == [
        (["gateway"], 3, 1),
        (["sidecar", "gateway"], 9, 1),
    ]


def test_a_route_of_sidecars_passes_no_gateway() -> None:
    """An HTTPRoute with a Service as parent is followed by its callers' sidecars."""
    (entry,) = told(http_route(path("/v1/embeddings"), parent="Service"))
    assert [case["through"] for case in entry["worstCases"]] == [["sidecar"]]


def test_what_a_route_cannot_say_is_listed() -> None:
    """The block of its types is there beside the fields that it has."""
    (entry,) = told(http_route(path("/v1/chat/completions")))
    assert entry["unsaid"] == ["attempts 2", "perTryTimeout 60s", "retryOn 5xx,reset"]
    assert entry["fields"] == {"timeouts.request": {"value": "120s", "source": "the default of chat"}}
    assert entry["block"]["perTryTimeout"]["value"] == "60s"
    (entry,) = told(http_route(grpc(INFER), kind="GRPCRoute"))
    assert entry["unsaid"][0] == "timeout 30s"
    assert entry["fields"] == {}


def test_a_retry_of_an_http_route_is_counted_as_envoy_does_it() -> None:
    """Codes repeat what was answered; a try that backendRequest ended is not repeated."""
    retry = {"attempts": 2, "codes": [503]}
    own = {**path("/v1/chat/completions"), "timeouts": {"request": "300s", "backendRequest": "60s"}, "retry": retry}
    (entry,) = told(http_route(own))
    case = entry["worstCases"][0]
    assert (case["runs"], case["patience"], case["tries"], case["unanswered"]) == (3, 60, 1, 60)


def test_what_the_backend_tells_is_a_reason(tmp_path: Any) -> None:
    """The pods' release may be another: --context."""
    (tmp_path / "context.yaml").write_text(f"{pool()}---\n{server()}")
    (entry,) = told(pooled(POOL), "--context", str(tmp_path / "context.yaml"), "--namespace", "ml")
    assert entry["types"] == ["chat", "completion", "responses"]
    assert "runs vLLM" in entry["reason"]
    assert entry["backends"] == ["InferencePool ml/pool"]


def test_the_text_reads_from_top_to_bottom() -> None:
    """Rule, match, target, types and why, numbers, worst case."""
    done = run("routes", stdin=f"{route()}---\n{pooled()}---\n{service()}", command="mlmesh")
    first, second = done.stdout.decode().strip().split("\n\n")
    assert first.splitlines() == [
        "VirtualService ml/llm, rule /spec/http/0",
        "  prefix /v1/chat/completions of llm.ml.svc.cluster.local",
        "  to llm.ml.svc.cluster.local",
        "  serves chat and tokenize: prefix /v1/chat/completions, which takes tokenize too",
        "  timeout 120s: the default of chat",
        "  retries.attempts 2: the default of chat",
        "  retries.perTryTimeout 60s: the default of chat",
        "  retries.retryOn 5xx,reset: the default of chat",
        "  from a pod with a sidecar: The client has an answer after 120 s at most; a generation can run 3 times, "
        "9 times with an SDK that tries 3 times and gives up after 361.5 s. A server that needs more than 60 s is "
        "asked 2 times, and the client has an error after 120 s. A stream is cut after 120 s. A request of more than "
        "1 MiB is not repeated.",
    ]
    assert "  serves nothing that is known: PathPrefix / is of no known type" in second.splitlines()
    assert "  no timeout, and Istio's own 2 retries" in second.splitlines()


def test_a_stream_without_routes_says_so() -> None:
    """Nothing printed would look like a failure."""
    assert run("routes", stdin=service(), command="mlmesh").stdout == b"no route that has requests\n"
    assert told(service()) == []


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (pooled(**{"mlmesh.dev/endpoint": "chta"}), b"endpoint type 'chta' is not known"),
        (
            http_route({**path("/v1/embeddings"), "timeouts": {"request": "5d"}}),
            b"timeout is '5d', which is no duration",
        ),
        (http_route({**path("/v1/embeddings"), "timeouts": {"request": 300}}), b"timeout is 300"),
        (service_with(timeout="-5s"), b"timeout is '-5s'"),
        (service_with(retries={"attempts": -1}), b"attempts is -1"),
        (service_with(retries={"attempts": "3"}), b"attempts is '3'"),
        (service_with(retries=[]), b"retries is no map"),
        (service_with(retries={"attempts": 1, "retryOn": ["5xx"]}), b"retryOn is no string"),
        (http_route({"matches": [{"path": {"type": "RegularExpression", "value": "("}}]}), b"RE2 cannot compile"),
    ],
)
def test_bad_input_ends_with_place_and_remedy(stream: str, message: bytes) -> None:
    """Exit code 2 and nothing on standard output."""
    done = run("routes", stdin=stream, command="mlmesh")
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr
    assert b"where:" in done.stderr
    assert b"remedy:" in done.stderr


def test_help_teaches_the_command_by_example() -> None:
    """What it shows, how it is fed, and what tells a type."""
    text = run("routes", "--help", command="mlmesh").stdout.decode()
    for part in ("helm template ml-mesh chart/ | mlmesh routes", "--context", "mlmesh.dev/endpoint", "worst case"):
        assert part in text


@pytest.mark.parametrize(
    ("pool", "answer"),
    [
        ({"http": {"idleTimeout": "1h"}}, 60.075),  # three tries of 10 s, and 10 s for each connection
        ({"tcp": {"connectTimeout": "1s"}}, 33.075),
        ({"tcp": {"maxConnections": 100}}, None),  # a request waits for one that is free
    ],
)
def test_a_connection_takes_what_a_destination_rule_says(pool: dict[str, Any], answer: float | None) -> None:
    """Only a limit has a request wait for a connection without an end."""
    spec = {
        "hosts": ["llm"],
        "http": [
            {
                "retries": {"attempts": 2, "perTryTimeout": "10s", "retryOn": "5xx"},
                "route": [{"destination": {"host": "llm"}}],
            }
        ],
    }
    rule = {"host": "llm", "trafficPolicy": {"connectionPool": pool}}
    items = [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": kind,
            "metadata": {"name": "llm", "namespace": "ml"},
            "spec": of,
        }
        for kind, of in (("VirtualService", spec), ("DestinationRule", rule))
    ]
    (found,) = told(yaml.safe_dump_all(items))
    assert found["worstCases"][0]["answer"] == answer
