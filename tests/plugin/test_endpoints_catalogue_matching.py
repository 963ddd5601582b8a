"""What a match tells beyond its own path: what comes along, what tells nothing, and what only looks like a path."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from mlmesh.endpoints.match import types_of, types_of_rule
from mlmesh.endpoints.regex import expand
from mlmesh.endpoints.tails import ANY, REST
from mlmesh.graph.routes import istio_match
from mlmesh.model.errors import InputError
from tests.support.graphs import item
from tests.support.streams import rendered, run


def names(**match: Any) -> list[str]:
    """The types of one HTTPMatchRequest."""
    return [kind.name for kind in types_of(istio_match(match))[0]]


@pytest.mark.parametrize(
    ("prefix", "types", "along"),
    [
        ("/v1/chat/completions", ["chat", "tokenize"], ["tokenize"]),
        ("/v1/chat/completions/", ["chat", "tokenize"], ["tokenize"]),
        ("/v1/embeddings", ["embeddings"], []),
        ("/v1/messages", ["chat", "tokenize", "job", "object"], ["tokenize", "job", "object"]),
        ("/v1/messages/batches", ["job", "object"], []),
        ("/generate", ["completion", "stream"], ["stream"]),
        ("/v1/videos", ["job", "object", "transfer"], ["transfer"]),
        ("/v1/realtime", ["realtime", "object"], ["object"]),
        ("/api/2.0/mlflow", ["registry-read", "registry-write", "transfer"], ["transfer"]),
        ("/api/2.0/mlflow/", ["registry-read", "registry-write"], []),
        ("/predictions", ["predict"], []),
        ("/predictions/resnet", ["predict"], []),
        ("/v2/repository", ["admin"], []),
        ("/inference.GRPCInferenceService/", ["stream", "predict", "metadata", "health"], ["admin"]),
        ("/inference.GRPCInferenceService/Model", ["stream", "predict", "metadata", "health"], []),
        ("/embed", ["embeddings"], []),
        ("/v1/embed", ["embeddings", "job", "object"], ["job", "object"]),
    ],
)
def test_a_prefix_takes_the_types_that_go_on_from_it(prefix: str, types: list[str], along: list[str]) -> None:
    """A rule's block binds them too, so they are among its types, its own first; admin is only named."""
    found, reason, mix = types_of(istio_match({"uri": {"prefix": prefix}}))
    assert [kind.name for kind in found] == types
    assert list(mix) == along
    assert all(name in reason for name in along)


def test_matches_of_one_rule_are_taken_together() -> None:
    """All their types, without admin beside others; none as soon as one of them, or no match, tells nothing."""
    paths = ("/v1/embeddings", "/v1/load_lora_adapter", "/v1/chat/completions")
    asked = [istio_match({"uri": {"prefix": path}}) for path in paths]
    types, reason, mix = types_of_rule(asked)
    assert [kind.name for kind in types] == ["embeddings", "chat", "tokenize"]
    assert list(mix) == ["tokenize", "admin"]
    assert all(path in reason for path in paths)
    assert [kind.name for kind in types_of_rule(asked[1:2])[0]] == ["admin"]
    assert types_of_rule([*asked, istio_match({"uri": {"prefix": "/"}})])[0] == ()
    assert types_of_rule([])[:2] == ((), "no match")


def test_a_method_that_re2_cannot_compile_is_refused_too() -> None:
    """A method can be asked for by a regular expression."""
    with pytest.raises(ValueError, match="G\\(, which RE2 cannot compile"):
        names(uri={"exact": "/v1/batches"}, method={"regex": "G("})


def test_a_path_prefix_goes_by_whole_elements() -> None:
    """`/generate` is not above `/generate_stream` there, nor `/v1/models/foo` above `/v1/models/foo:predict`."""
    release_match = istio_match({})
    paths: tuple[tuple[str, list[str]], ...] = (
        ("/generate", ["completion"]),
        ("/v1/models/foo/versions/1", ["metadata"]),
        ("/inference.GRPCInferenceService/Model", []),
    )
    for path, types in paths:
        release_match.form, release_match.path = "path-prefix", path
        assert [kind.name for kind in types_of(release_match)[0]] == types
    assert names(uri={"prefix": "/v1/models/foo/versions/1"}) == []


@pytest.mark.parametrize(
    "match",
    [
        {},
        {"headers": {"x-model": {"exact": "m"}}},
        *({"uri": {"prefix": prefix}} for prefix in ("", "/", "/v1", "/v1/", "/v2", "/openai", "/api", "/inference")),
        *({"uri": {"prefix": prefix}} for prefix in ("/v1/mess", "/chat", "/v1/audio", "/config", "/key", "/vllm")),
        *({"uri": {"exact": path}} for path in ("/", "", "/v1", "/v1%2Fchat%2Fcompletions", "/v1/chat/completionsx")),
        *({"uri": {"exact": path}} for path in ("/v1/reembed", "/v1/Embeddings", "/predictions", "/v1/models/a/b/c")),
        *({"uri": {"regex": regex}} for regex in (".*", "/.*", "/v1/.*", "/v1(/.*)?", "/(chat|text)", "[^?]*")),
        *({"uri": {"regex": regex}} for regex in ("/v1/models/[^/]+", "/v1/(embeddings|[a-z]+)", "/v1/embeddings|/x")),
        {"uri": {"exact": "/proxy?to=/v1/chat/completions"}},
        {"uri": {"prefix": "/v1/chat/completions?stream=true"}},
        {"uri": {"regex": "/proxy\\?to=/v1/embeddings"}},
        {"uri": {"exact": "/v1/models"}, "method": {"exact": "POST"}},
        {"uri": {"exact": "/v1/responses"}, "method": {"exact": "GET"}},
        {"uri": {"prefix": "/v1/responses"}, "method": {"exact": "GET"}},
        {"uri": {"exact": "/inference.GRPCInferenceService/ModelInfer"}, "method": {"exact": "GET"}},
        {"uri": {"exact": "/predictions//"}},
        {"uri": {"regex": "/V1/EMBEDDINGS"}, "ignoreUriCase": True},
        {"uri": {"exact": "/v1/batches"}, "method": {"exact": "OPTIONS"}},
    ],
)
def test_what_is_not_plainly_known_has_no_type(match: dict[str, Any]) -> None:
    """A guess could cut a generation or run it three times: nothing known is said to be so."""
    found, reason, mix = types_of(istio_match(match))
    assert (found, mix) == ((), ())
    assert reason


@pytest.mark.parametrize(
    ("path", "types"),
    [
        ("/v1/threads/T/messages", ["object"]),
        ("/v1/messages", ["chat"]),
        ("/v1/models/embeddings/embeddings", ["embeddings"]),
        ("/openai/deployments/gpt/chat/completions", ["chat"]),
        ("/files/v1/chat/completions", ["chat"]),
        ("/nodes/a/embeddings", ["embeddings"]),
        ("/v1/models/llama3:8b", ["metadata"]),
        ("/v1/models/llama3:8b:predict", ["predict"]),
        ("/ajax-api/2.0/mlflow-artifacts/artifacts", ["transfer"]),
        ("/api/2.0/mlflow/model-versions/search", ["registry-read"]),
        ("/vllm/v1/chat/completions", ["chat"]),
        ("/v1/batches", ["job", "object"]),
        ("/threads/messages", ["chat"]),
        ("/files/embed", ["embeddings", "transfer"]),
    ],
)
def test_the_longest_tail_decides(path: str, types: list[str]) -> None:
    """Letters count, not an id's: a name in front that looks like another type does not matter."""
    assert names(uri={"exact": path}) == types


@pytest.mark.parametrize(
    ("method", "types"),
    [
        ({"exact": "POST"}, ["job"]),
        ({"exact": "GET"}, ["object"]),
        ({"exact": "HEAD"}, ["object"]),
        ({"prefix": "P"}, ["job"]),
        ({"regex": "GET|PUT"}, ["object"]),
        ({"regex": "GET|POST"}, ["job", "object"]),
        ({"regex": ".*"}, ["job", "object"]),
    ],
)
def test_the_method_parts_making_a_job_from_reading_one(method: dict[str, str], types: list[str]) -> None:
    """Each of a match's ways to ask for a method is followed."""
    assert names(uri={"exact": "/v1/batches"}, method=method) == types


@pytest.mark.parametrize(
    ("regex", "types"),
    [
        ("/v1/(chat/completions|embeddings)", ["chat", "embeddings"]),
        ("/v1/(?:chat/)?completions", ["completion", "chat"]),
        ("/v1/completions/?", ["completion"]),
        (".*/completions", ["completion", "chat"]),
        ("/v1/[^/]+/completions", ["completion", "chat"]),
        ("/v1/[^/]+x/completions", ["completion"]),
        ("/v1/x[^/]*/completions", ["completion"]),
        ("/v1/c[^/]*/completions", ["completion", "chat"]),
        ("/v1/models/[^/:]+:predict", ["predict"]),
        ("/v1/models/.*:(predict|explain)", ["predict", "explain"]),
        ("/v2/models/[\\w-]+(/versions/\\d+)?/infer", ["predict"]),
        ("/v1/embeddings.*", ["embeddings"]),
        ("^/v1/embeddings(/.*)?$", ["embeddings"]),
        ("(?i)/V1/Embeddings", ["embeddings"]),
        ("/v1/[Ee]mbeddings", []),
        ("/api/2\\.0/mlflow/.*", ["registry-read", "registry-write"]),
        ("/api/2.0/mlflow/.*", ["registry-read", "registry-write"]),
        ("/\\Qv1/embeddings\\E", ["embeddings"]),
        ("/v\\d/embeddings", ["embeddings"]),
        ("/v1/embeddings{1}", ["embeddings"]),
        ("/v1/embeddings(\\?.*)?", ["embeddings"]),
        ("/predictions/[^/]+", ["predict"]),
        ("/v1/(threads|evals)/[^/]+", ["object"]),
        ("/[^/]+/ModelInfer", ["predict"]),
        ("/inference\\.GRPCInferenceService/(ModelInfer|ServerLive)", ["predict", "health"]),
        ("/v1/(load_lora_adapter|chat/completions)", ["chat"]),
    ],
)
def test_a_regular_expression_is_the_paths_that_it_stands_for(regex: str, types: list[str]) -> None:
    """Each must be known; what a wildcard in front can spell comes along."""
    assert names(uri={"regex": regex}) == types


@pytest.mark.parametrize(
    "regex",
    [
        "(", ")", "[", "a**", "*a", "a{2,1}", "a{1001}", "\\", "(?=a)", "(?!a)", "(?<=a)", "(?>a)", "a++", "\\1", "\\Z",
        "[z-a]", "[[:foo:]]", "(?P<n>a)(?P<n>b)", "(?P<>a)", "(?x)a", "\\x{110000}", "\\x4", "[a-\\d]", "[\\b]", "\\pQ",
        "a{2}{3}", "\\k<n>", "(?P=n)", "(?i-)a", "{2}", "(" * 1500 + ")" * 1500,
    ],
)  # fmt: skip
def test_what_re2_cannot_compile_is_refused_at_its_place(regex: str) -> None:
    """istiod would refuse the VirtualService, or Envoy the route: the match is named, with what is wrong."""
    rule = {"match": [{"uri": {"prefix": "/x"}}], "route": [{"destination": {"host": "a"}}]}
    wrong = {**rule, "match": [{"uri": {"prefix": "/v1/embeddings"}}, {"uri": {"regex": regex}}]}
    text = item("networking.istio.io/v1", "VirtualService", "v", {"hosts": ["a"], "http": [rule, wrong]})
    with pytest.raises(InputError, match="RE2 cannot compile") as caught:
        rendered(text)
    assert regex[:200] in caught.value.what
    assert caught.value.place.endswith("/spec/http/1")
    assert caught.value.remedy


@pytest.mark.parametrize(
    "regex",
    [
        "a{,3}", "a{", "a}", "]", "[]a]", "[^]a]", "[a-]", "[--a]", "(?:a|)", "a??", "a*?", "(?i)a", "(?s-i:a)", "\\_",
        "\\-", "\\pL", "\\p{Greek}", "[[:alpha:]-]", "\\Qa*", "\\x41", "\\x{41}", "\\012", "(?<n>a)", "a{0}", "a{1000}",
        "", "|", "()", "^$", "\\A\\b\\z", "é+", "[é-ü]",
    ],
)  # fmt: skip
def test_what_re2_compiles_is_read(regex: str) -> None:
    """Nobody's valid route is refused."""
    assert expand(regex)[0]


@pytest.mark.parametrize(
    "regex", ["(a|b)" * 700, "(" * 99 + "a" + ")" * 99, "((a{1000}){1000}){1000}", "a{1000}" * 500]
)
def test_a_hostile_expression_costs_little(regex: str) -> None:
    """Spellings, their length and the depth of groups are bounded."""
    spelt, _ = expand(regex)
    assert sum(map(len, spelt)) < 1_000_000


@pytest.mark.parametrize(
    ("regex", "spelt"),
    [
        ("[^/]+", [ANY]),
        ("[^a]+", [REST]),
        ("[a-z]+", [ANY]),
        ("[a-z/]+", [REST]),
        ("[!-z]", [REST]),
        ("\\w+\\S", [ANY + REST]),
        (".", ["."]),
        (".?", [REST]),
        ("[ab]", ["a", "b"]),
        ("(ab)+", ["ab", "ab" + REST]),
        ("(ab)*", ["", "ab", "ab" + REST]),
        ("(ab){2}", ["abab"]),
        ("(ab){2,3}", ["abab", "abab" + REST]),
        ("(a|b){2}", ["a" + REST, "b" + REST]),
        ("a{2,3}", ["aa"]),
        ("a{0}", [""]),
        ("(ab)?", ["", "ab"]),
        ("/+", ["/"]),
        ("a" * 5000, [REST]),
    ],
)
def test_what_can_be_any_text_stands_as_such(regex: str, spelt: list[str]) -> None:
    """ANY where no slash can be in it, else REST; a repeated part is read once, and as any text."""
    assert expand(regex)[0] == spelt


@pytest.mark.parametrize(
    "regex",
    [
        "/v1/(chat/)?completions/?",
        "/(a|b|)c",
        "/v[12]/x",
        "a{2}b?",
        "/\\Q.*\\E",
        "\\x41\\101",
        "[[:word:]]?x",
    ],
)
def test_a_spelling_is_one_that_the_expression_matches(regex: str) -> None:
    """Each path that an expression is read as is one that it takes."""
    python = regex.replace("\\Q.*\\E", "\\.\\*").replace("[[:word:]]", "\\w")
    for text in expand(regex)[0]:
        assert re.fullmatch(python, text.replace(ANY, "w").replace(REST, "w/w")), text


def test_the_catalogue_is_loaded_with_the_first_rule_of_a_route() -> None:
    """A release without routes does not pay for it."""
    code = "import sys; from mlmesh import post_main; post_main.run([]); print(*sys.modules, file=sys.stderr)"
    without = item("v1", "ConfigMap", "c")
    rule = {"match": [{"uri": {"prefix": "/v1/embeddings"}}], "route": [{"destination": {"host": "a"}}]}
    service = item("v1", "Service", "a", {"ports": [{"port": 80}]})
    route = item("networking.istio.io/v1", "VirtualService", "v", {"hosts": ["a"], "http": [rule]})
    for text, loaded in ((without, False), (f"{service}\n---\n{route}", True)):
        done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
        assert ("mlmesh.endpoints.catalogue" in done.stderr.split()) == loaded


def asked(*arguments: str) -> Any:
    done = run("endpoints", "--format", "json", *arguments, command="mlmesh")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_command_lists_all_types() -> None:
    """25 of them, with the block, what a retry costs, tails and methods of each, in JSON and in words."""
    answer = asked()
    assert answer["version"] == 1
    assert len(answer["types"]) == 25
    chat = next(kind for kind in answer["types"] if kind["name"] == "chat")
    assert {**chat, "tails": chat["tails"][:1]} == {
        "name": "chat",
        "timeout": "120s",
        "attempts": 2,
        "perTryTimeout": "60s",
        "retryOn": "5xx,reset",
        "streaming": "s",
        "retrySafety": "generation",
        "tails": ["/chat/completions"],
        "grpcMethods": [],
    }
    words = run("endpoints", command="mlmesh").stdout.decode()
    assert all(f"{kind['name']}: " in words for kind in answer["types"])


def test_the_command_tells_the_types_of_a_path() -> None:
    """The most specific first; none is no error."""
    assert asked("--match", "/v1/chat/completions") == {
        "version": 1,
        "path": "/v1/chat/completions",
        "types": ["chat"],
    }
    assert asked("--match", "/v1/batches")["types"] == ["job", "object"]
    assert asked("--match", "/v1/batches", "--method", "get")["types"] == ["object"]
    assert asked("--match", "/nothing")["types"] == []
    assert asked("--match", "/v1%2Fembeddings")["types"] == []
    assert asked("--match", "/", "--method", "POST")["types"] == []
    for path in ("tei.v1.Embed/Embed", "/tei.v1.Embed/Embed", "tei.v1.Embed", "/tei.v1.Embed/"):
        assert asked("--grpc", "--match", path)["types"] == ["embeddings"]
    assert asked("--grpc", "--match", "tei.v1.Embed/Nothing")["types"] == []
    assert asked("--grpc", "--match", "/v1/embeddings")["types"] == []
    words = run("endpoints", "--match", "/invocations", command="mlmesh").stdout.decode()
    assert "predict: timeout 30s, 3 retries of 10s each" in words
    assert "may be MLflow's prediction" in words


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--match", "/v1/models/m:generateContent?key=s3cret"), "this has a query"),
        (("--match", "/v1/x#y"), "this has a fragment"),
        (("--match", "v1/x"), "a path begins with /"),
        (("--match", "https://h/v1/x"), "a path begins with /"),
        (("--match", ""), "a path begins with /"),
        (("--match", "/v1/x", "--method", "FETCH"), "no HTTP method: FETCH"),
        (("--grpc", "--match", "a/b/c"), "no gRPC method"),
        (("--grpc", "--match", "a.B/C", "--method", "GET"), "gRPC is always POST"),
        (("--grpc",), "name the path with --match"),
        (("--method", "GET"), "name the path with --match"),
    ],
)
def test_the_command_refuses_what_is_no_path(arguments: tuple[str, ...], expected: str) -> None:
    """Exit code 2, what is wrong and what to write; what stood behind the question mark is not repeated."""
    done = run("endpoints", *arguments, command="mlmesh")
    assert done.returncode == 2
    assert done.stdout == b""
    assert expected in done.stderr.decode()
    assert b"s3cret" not in done.stderr
