"""Wrong numbers, durations, conditions, expressions and annotations: each ends at its line, with what to write."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.test_endpoints_write import http_route, path
from tests.support.streams import codes, documents, rendered, route, run

POLICY = """\
apiVersion: mlmesh.dev/v1alpha1
kind: MeshPolicy
metadata: {name: p}
spec:
  release: {namespace: ml}
  endpoints:
"""
TYPES = f"{POLICY}    types:\n      embeddings: {{attempts: 2}}\n      chat:\n        %s\n"
OBJECTIVES = f"{POLICY}    objectives:\n      default: {{queue: 5s}}\n      types:\n        chat: {{%s}}\n"
HOSTS = f"{POLICY}    objectives:\n      hosts:\n        llm.ml.svc.cluster.local: {{%s}}\n"
BUDGET = f"{POLICY}    retryBudget:\n      %s\n"
TOKENS = "timeToFirstToken: 5s, timePerOutputToken: 50ms"
TYPES_LINE, OBJECTIVES_LINE, HOSTS_LINE, BUDGET_LINE = 10, 10, 9, 8

# The policy, the line of what is wrong, and what is said of it.
POLICIES = [
    (TYPES % "timeout: 5d", TYPES_LINE, "chat.timeout: '5d' is not a duration: write a number and a unit"),
    (TYPES % 'timeout: "300"', TYPES_LINE, "chat.timeout: '300' is not a duration"),
    (TYPES % "timeout: 300", TYPES_LINE, "chat.timeout: a number where a string or null is needed (quote a string"),
    (TYPES % "timeout: -5s", TYPES_LINE, "chat.timeout: '-5s' is not a duration"),
    (TYPES % "timeout: 100us", TYPES_LINE, "chat.timeout: '100us' is not in whole milliseconds"),
    (TYPES % "perTryTimeout: 1.5ms", TYPES_LINE, "chat.perTryTimeout: '1.5ms' is not in whole milliseconds"),
    (TYPES % "attempts: -1", TYPES_LINE, "chat.attempts: -1 is too small (the lowest value is 0)"),
    (TYPES % 'attempts: "2"', TYPES_LINE, "chat.attempts: a string where a whole number"),
    (TYPES % "retryOn: 5xx, reset", TYPES_LINE, "chat.retryOn: '5xx, reset' is not a list of retry conditions"),
    (TYPES % "{attempts: 0, retryOn: 5xx}", TYPES_LINE, "chat.attempts is 0, which turns retries off, beside retryOn"),
    (OBJECTIVES % "timePerOutputToken: 0s", OBJECTIVES_LINE, "chat.timePerOutputToken: '0s' is no time at all"),
    (OBJECTIVES % "coldStart: 5d", OBJECTIVES_LINE, "chat.coldStart: '5d' is not a duration"),
    (
        OBJECTIVES % f"{TOKENS}, outputTokens: 9, maxOutputTokens: 5",
        OBJECTIVES_LINE,
        "chat.outputTokens 9 is above maxOutputTokens 5",
    ),
    (
        OBJECTIVES % f"{TOKENS}, outputTokens: 9, duplicates: none, attempts: 2",
        OBJECTIVES_LINE,
        "chat.duplicates is none, and",
    ),
    (HOSTS % "timePerOutputToken: 5ms", HOSTS_LINE, "cluster.local.timePerOutputToken tells nothing without"),
    (BUDGET % "percent: 101", BUDGET_LINE, "retryBudget.percent: 101 is too large"),
]


@pytest.mark.parametrize(("policy", "line", "said"), POLICIES)
def test_a_wrong_policy_ends_at_its_line(tmp_path: Path, policy: str, line: int, said: str) -> None:
    """In a file and in the stream; nothing is passed on, and the remedy says where a policy is corrected."""
    file = tmp_path / "policy.yaml"
    file.write_text(policy)
    for done, place in (
        (run("--policy", str(file), stdin=route()), f"policy.yaml, line {line}"),
        (run(stdin=f"{route()}---\n{policy}"), f"document 1 (MeshPolicy p), line {line + route().count(chr(10)) + 1}"),
    ):
        assert (done.returncode, done.stdout) == (2, b"")
        first, where, remedy, *_ = done.stderr.decode().splitlines()
        assert said in first
        assert where.startswith("  where:  ")
        assert where.endswith(place)
        assert remedy.startswith("  remedy: correct the policy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("words\n", "is no object"),
        ("replicas: 2\n", "has no kind"),
        ("a: b: c\n", "not valid YAML"),
        ("\0", "not UTF-8 text"),
        ("apiVersion: mlmesh.dev/v1alpha1\nkind: MeshPolicy\n", "spec: null where a map is needed"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: hunter2}\n", "an object of kind Secret"),
        ("", "not one policy but 0 objects"),
    ],
)
def test_a_file_that_is_no_policy_is_named(tmp_path: Path, text: str, said: str) -> None:
    """Who reads of a document must not look for it in the stream."""
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    done = run("--policy", str(file), stdin=route())
    assert (done.returncode, done.stdout) == (2, b"")
    first, where, remedy, *_ = done.stderr.decode().splitlines()
    assert said in first
    assert f"policy file {file}" in where
    assert remedy.startswith("  remedy: ")
    assert "template" not in remedy
    assert b"hunter2" not in done.stderr


def test_what_contradicts_another_layer_ends_in_the_last_that_says_it(tmp_path: Path) -> None:
    """The stream's policy and a file have the field: the file's stands over it."""
    file = tmp_path / "policy.yaml"
    file.write_text(TYPES % "attempts: 0")
    lower = TYPES % "{attempts: 2, retryOn: 5xx}"
    done = run("--policy", str(file), stdin=f"{route()}---\n{lower}")
    assert b"chat.attempts is 0, which turns retries off, beside retryOn" in done.stderr
    assert f"policy.yaml, line {TYPES_LINE}".encode() in done.stderr


def ours(match: str = "prefix: /v1/chat/completions", *, annotation: str = "", **fields: Any) -> str:
    """A VirtualService with this match and these fields in its rule, each on a line of its own."""
    text = route().replace("prefix: /v1/chat/completions", match)
    text = text.replace("namespace: ml}", f"namespace: ml{annotation}}}")
    return text + "".join(f"    {key}: {json.dumps(value)}\n" for key, value in fields.items())


@pytest.mark.parametrize(
    ("stream", "line", "said", "remedy"),
    [
        (ours('regex: "/v1/(chat"'), 7, "/v1/(chat, which RE2 cannot compile: an opening parenthesis", "RE2's syntax"),
        (ours('regex: "/v1/(?=chat)"'), 7, "which RE2 cannot compile", "RE2's syntax"),
        (ours(annotation=", annotations: {mlmesh.dev/endpoint: chta}"), 3, "type 'chta' is not known", "one of chat"),
        (
            ours(annotation=', annotations: {mlmesh.dev/endpoint: "chat, chta"}'),
            3,
            "type 'chta' is not known",
            "one of chat",
        ),
        (
            http_route({"matches": [{"path": {"type": "RegularExpression", "value": "["}}]}),
            10,
            "RE2 cannot compile",
            "RE2's syntax",
        ),
    ],
)
def test_what_cannot_be_read_ends_at_its_line(stream: str, line: int, said: str, remedy: str) -> None:
    """An expression and an annotation: nothing of the route can be judged, so nothing is passed on."""
    done = run(stdin=stream)
    assert (done.returncode, done.stdout) == (2, b"")
    first, where, third, *_ = done.stderr.decode().splitlines()
    assert said in first
    assert f"line {line}," in where
    assert remedy in third


# What an API takes and what it does not: fields of a rule, and what is said of it ("": nothing).
ISTIO: list[tuple[dict[str, Any], str]] = [
    ({"timeout": "5d"}, "MLM219 timeout '5d' is no duration"),
    ({"timeout": "300"}, "MLM219 timeout '300' is no duration"),
    ({"timeout": 300}, "MLM219 timeout 300 is no string"),
    ({"timeout": "-5s"}, "MLM219 timeout '-5s' is no duration"),
    ({"timeout": "0s"}, "MLM219 timeout '0s' is below 1ms"),
    ({"timeout": "100us"}, "MLM219 timeout '100us' is below 1ms"),
    ({"retries": {"attempts": 1, "perTryTimeout": "0s"}}, "MLM219 retries.perTryTimeout '0s' is below 1ms"),
    ({"retries": {"attempts": -1}}, "MLM205 istiod refuses attempts -1"),
    ({"retries": {"attempts": "2"}}, "MLM205 attempts '2' is no whole number"),
    ({"retries": {"attempts": 1.5}}, "MLM205 attempts 1.5 is no whole number"),
    ({"retries": {"attempts": True}}, "MLM205 attempts True is no whole number"),
    ({"retries": {"attempts": 2**31}}, "MLM205 attempts 2147483648 is no whole number"),
    ({"retries": {"attempts": 1, "retryOn": ["5xx"]}}, "MLM205 retryOn ['5xx'] is no string"),
    ({"retries": {"attempts": 1, "retryOn": 503}}, "MLM205 retryOn 503 is no string"),
    ({"retries": 3}, "MLM205 retries 3 is no map"),
    ({"retries": {"attempts": 1, "retryOn": "5xx, reset"}}, "MLM205 istiod does not know ' reset' in retryOn"),
    ({"retries": {"attempts": 0, "retryOn": "5xx"}}, "MLM205 attempts 0 means no retries"),
    ({"timeout": "1h30m"}, ""),
    ({"timeout": "1.5s"}, ""),
    ({"timeout": "1ms"}, ""),
    ({"retries": {"attempts": 0}}, ""),
]
# What the API server takes, and istiod's webhook does not.
WEBHOOK: list[tuple[dict[str, Any], str]] = [
    ({"timeout": "1.5ms"}, "MLM219 timeout '1.5ms' is not in whole milliseconds"),
]
GATEWAY: list[tuple[dict[str, str], str]] = [
    ({"request": "5d"}, "MLM219 timeouts.request '5d' is no duration of Gateway API"),
    ({"request": "1.5s"}, "MLM219 timeouts.request '1.5s' is no duration of Gateway API"),
    ({"request": "100us"}, "MLM219 timeouts.request '100us' is no duration of Gateway API"),
    ({"request": "100000s"}, "MLM219 timeouts.request '100000s' is no duration of Gateway API"),
    ({"request": "1h1m1s1ms1ms"}, "MLM219 timeouts.request '1h1m1s1ms1ms' is no duration of Gateway API"),
    ({"request": ""}, "MLM219 timeouts.request '' is no duration of Gateway API"),
    ({"request": "60s", "backendRequest": "61s"}, "MLM219 timeouts.backendRequest '61s' is above request '60s'"),
    ({"request": "0s", "backendRequest": "61s"}, ""),
    ({"request": "1h30m5s10ms"}, ""),
    ({"request": "0s"}, ""),
]


def refusals(text: str) -> list[str]:
    """What MLM205 and MLM219 say of a stream, each with its code."""
    found = rendered(text).findings
    return [f"{each.code} {each.message}" for each in found if each.code in ("MLM205", "MLM219")]


@pytest.mark.parametrize(("fields", "said"), [*ISTIO, *WEBHOOK])
def test_a_block_that_would_be_refused_is_an_error_at_its_line(fields: dict[str, Any], said: str) -> None:
    """The install would fail in the middle: the stream is not passed on. What is taken is left as it is."""
    stream = ours(**fields)
    done = run(stdin=stream)
    if not said:
        assert (done.returncode, refusals(stream)) == (0, [])
        assert {key: documents(rendered(stream))[0]["spec"]["http"][0][key] for key in fields} == fields
        return
    assert (done.returncode, done.stdout) == (1, b"")
    code, what = said.split(" ", 1)
    assert f"ERROR {code} ".encode() in done.stderr
    assert what.encode() in done.stderr
    assert b"VirtualService ml/llm, line 9 of the stream" in done.stderr


@pytest.mark.parametrize(("timeouts", "said"), GATEWAY)
def test_a_duration_that_gateway_api_refuses_is_an_error(timeouts: dict[str, str], said: str) -> None:
    """Whole numbers, four units, five digits, four pairs; no try above the whole."""
    found = refusals(http_route({**path("/v1/embeddings"), "timeouts": timeouts}))
    assert [each.startswith(said) for each in found] == ([True] if said else [])


@pytest.mark.parametrize("form", ["prefix", "exact"])
@pytest.mark.parametrize("tail", ["/foo?x=/v1/chat/completions", "/foo?/v1/chat/completions", "/?/v1/embeddings"])
def test_a_path_in_a_query_is_no_endpoint(form: str, tail: str) -> None:
    """Proxies match the path alone, so nothing is derived for it; the command refuses the question."""
    (item,) = documents(rendered(ours(f'{form}: "{tail}"')))
    assert item["spec"]["http"][0].keys() == {"match", "route"}
    http = http_route({"matches": [{"path": {"type": "Exact" if form == "exact" else "PathPrefix", "value": tail}}]})
    assert "timeouts" not in documents(rendered(http))[0]["spec"]["rules"][0]
    done = run("endpoints", "--match", tail, command="mlmesh")
    assert done.returncode == 2
    assert b"has a query" in done.stderr


def test_an_inference_services_timeout_with_a_unit_is_an_error() -> None:
    """It is a number of seconds; and Knative, where it is known to run it, takes 600 unless it is told."""
    item = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llm, namespace: ml, annotations: {serving.kserve.io/deploymentMode: MODE}}
spec:
  predictor:
    timeout: VALUE
    model: {modelFormat: {name: vllm}}
"""
    for value in ("60s", '"60"', "-1", "true", "1.5"):
        assert ("MLM219", "error") in codes(rendered(item.replace("VALUE", value))), value
    for mode, expected in (("Knative", "warning"), ("Standard", None), ("anything", None)):
        found = dict(codes(rendered(item.replace("VALUE", "700").replace("MODE", mode))))
        assert found.get("MLM219") == expected, mode
