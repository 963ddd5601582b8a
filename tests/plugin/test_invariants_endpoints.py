"""The invariants of endpoints: bad releases get their golden lines, good twins and false beliefs get nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlmesh.graph.authorization import is_path
from mlmesh.graph.exposure import RAY, SGLANG, TORCHSERVE, VLLM_DEV, VLLM_LORA, servers
from tests.support.streams import policy, rendered

FILE = Path(__file__).parent / "invariants_endpoints.yaml"
CASES: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(FILE.read_text())
CODES = ("MLM207", "MLM214", "MLM215", "MLM405")


def said(items: list[dict[str, Any]], settings: str = "") -> list[str]:
    """What the invariants of this file say of a release."""
    text = "---\n".join(yaml.safe_dump(item, sort_keys=False) for item in items)
    result = rendered(text, *([settings] if settings else []))
    return [
        f"{found.severity} {found.code} {found.kind} {found.name} {found.pointer}: {found.message} -> {found.remedy}"
        for found in result.findings
        if found.code in CODES
    ]


def cases() -> Iterator[Any]:
    """Every case of the file, by its name."""
    for code in CODES:
        for name, case in CASES[code].items():
            yield pytest.param(case, id=f"{code}-{name}")


@pytest.mark.parametrize("case", list(cases()))
def test_a_bad_release_is_told_and_its_good_twins_are_not(case: dict[str, Any]) -> None:
    """The golden lines, no more and no less; of the nearest releases that are right, nothing."""
    assert said(case["bad"]) == case["golden"]
    for good in case["good"]:
        assert said(good) == []


@pytest.mark.parametrize("code", CODES)
def test_a_finding_is_excused_by_its_annotation(code: str) -> None:
    """The annotation with a reason on the route silences it; one without a reason does not."""
    case = next(iter(CASES[code].values()))
    for reason, expected in (("", case["golden"]), ("measured", [])):
        items = yaml.safe_load(yaml.safe_dump(case["bad"]))
        for item in items:
            if item["kind"] in ("VirtualService", "HTTPRoute"):
                item["metadata"].setdefault("annotations", {})[f"allow.mlmesh.dev/{code}"] = reason
        assert said(items) == expected


def chat(timeout: str) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "vs", "namespace": "ml"},
            "spec": {
                "hosts": ["llm"],
                "http": [
                    {
                        "match": [{"uri": {"prefix": "/v1/chat/completions"}}],
                        "timeout": timeout,
                        "route": [{"destination": {"host": "llm"}}],
                    }
                ],
            },
        }
    ]


def test_207_asks_the_policy_what_a_generation_may_take() -> None:
    """With objectives of ten minutes 300s is too short; with a block of 10s even 15s is long."""
    speed = {"timeToFirstToken": "5s", "timePerOutputToken": "100ms", "maxOutputTokens": 6000, "streaming": True}
    objectives = {"types": {"chat": speed}}
    assert said(chat("300s")) == []
    (line,) = said(chat("300s"), policy(endpoints={"objectives": objectives}))
    assert line.startswith("warning MLM207 VirtualService vs /spec/http/0: the rule serves chat, and ends every answer")
    assert said(chat("15s"), policy(endpoints={"types": {"chat": {"timeout": "10s", "perTryTimeout": "5s"}}})) == []


def test_207_is_silent_of_what_was_derived() -> None:
    """A rule without a timeout gets the policy's own, of which nothing is said, in a second run neither."""
    (item,) = chat("1s")
    del item["spec"]["http"][0]["timeout"]
    once = b"".join(rendered(yaml.safe_dump(item)).output).decode()
    assert 'timeout: "120s"' in once
    assert not [finding for finding in rendered(once).findings if finding.code == "MLM207"]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"action": "DENY", "rules": [{}]}, False),
        ({"action": "DENY", "rules": [{"to": [{"operation": {"notPaths": ["/v1/*"]}}]}]}, False),
        ({"action": "DENY", "rules": [{"to": [{"operation": {"notPaths": ["/sl*", "/reset*"]}}]}]}, True),
        ({"action": "DENY", "rules": [{"to": [{"operation": {"methods": ["POST"]}}]}]}, False),
        ({"action": "DENY", "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]}, True),
        ({"action": "DENY", "rules": [{"to": [{"operation": {"notMethods": ["POST"]}}]}]}, True),
        ({"action": "DENY", "rules": [{"from": [{"source": {"notPrincipals": ["*/sa/admin"]}}]}]}, False),
        ({"action": "DENY", "rules": [{"from": [{"source": {"serviceAccounts": ["ml/gw-istio"]}}]}]}, False),
        ({"action": "DENY", "rules": [{"from": [{"source": {"serviceAccounts": ["ml/other"]}}]}]}, True),
        ({"action": "CUSTOM", "provider": {"name": "opa"}, "rules": [{}]}, False),
        ({"action": "AUDIT", "rules": [{}]}, True),
        ({"rules": [{}]}, True),
        ({}, False),
        ({"rules": [{"when": [{"key": "request.headers[x-admin]", "values": ["1"]}]}]}, False),
        ({"rules": [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]}, False),
        ({"rules": [{"from": [{"source": {"principals": ["cluster.local/ns/ml/sa/gw-istio"]}}]}]}, True),
        ({"rules": [{"from": [{"source": {"namespaces": ["ml"]}}]}]}, True),
    ],
)
def test_405_reads_a_policy_of_the_pods_as_istio_does(spec: dict[str, Any], told: bool) -> None:
    """Whatever refuses the gateway those paths is enough; what does not, or lets it through, is not."""
    bad = yaml.safe_load(yaml.safe_dump(CASES["MLM405"]["vllm-in-dev-mode"]["bad"]))
    metadata = {"name": "policy", "namespace": "ml"}
    chosen = {"selector": {"matchLabels": {"app": "llm"}}, **spec}
    item = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": chosen}
    assert bool(said([*bad, item])) == told


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([{"matches": [{"method": "GET"}]}], False),
        ([{"matches": [{"method": "POST"}]}], True),
        ([{"matches": [{"path": {"type": "Exact", "value": "/sleep"}}]}], True),
        ([{"matches": [{"path": {"type": "RegularExpression", "value": "/(sleep|x)"}}]}], True),
        ([{"matches": [{"path": {"type": "RegularExpression", "value": "/slee"}}]}], False),
        ([{"matches": [{"path": {"value": "/slee"}}]}], False),
        (
            [{"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "llm"}}}], "to": "x"}],
            False,
        ),
        ([{"filters": [{"urlRewrite": {"path": {"replaceFullPath": "/v1/models"}}}]}], False),
        (
            [
                {
                    "matches": [{"path": {"value": "/a"}}],
                    "filters": [{"urlRewrite": {"path": {"replaceFullPath": "/"}}}],
                }
            ],
            False,
        ),
        (
            [
                {
                    "matches": [{"path": {"type": "Exact", "value": "/night"}}],
                    "filters": [{"urlRewrite": {"path": {"replaceFullPath": "/sleep"}}}],
                }
            ],
            True,
        ),
        (
            [
                {
                    "matches": [{"path": {"value": "/sleep"}}],
                    "filters": [{"urlRewrite": {"path": {"replacePrefixMatch": "/v1"}}}],
                }
            ],
            False,
        ),
    ],
)
def test_405_follows_a_path_through_the_rules(rules: list[dict[str, Any]], told: bool) -> None:
    """What a rule matches, and what it rewrites, decides what the server gets; a copy for a mirror is no answer."""
    bad = yaml.safe_load(yaml.safe_dump(CASES["MLM405"]["vllm-in-dev-mode"]["bad"]))
    bad[-1]["spec"]["rules"] = [
        {**rule, "backendRefs": [{"name": rule.get("to", "llm"), "port": 8000}]} for rule in rules
    ]
    assert bool([line for line in said(bad) if "vLLM" in line]) == told


def test_405_takes_the_first_rule_of_a_virtual_service() -> None:
    """What stands above takes the paths, though what is below fits better."""
    bad = yaml.safe_load(yaml.safe_dump(CASES["MLM405"]["behind-a-rewrite"]["bad"]))
    elsewhere = {"route": [{"destination": {"host": "other"}}]}
    (rule,) = bad[-1]["spec"]["http"]
    bad[-1]["spec"]["http"] = [elsewhere, rule]
    assert said(bad) == []
    bad[-1]["spec"]["http"] = [rule, elsewhere]
    assert len(said(bad)) == 1


def test_207_is_silent_where_a_path_may_be_another_servers() -> None:
    """`/generate` is a language model's or a diffusion model's: nothing is said of how long it may take."""
    (item,) = chat("15s")
    item["spec"]["http"][0]["match"] = [{"uri": {"exact": "/generate"}}]
    assert said([item]) == []


@pytest.mark.parametrize("hostile", [None, 1, "x", [], {}, [None], [{"uri": 1}], [{"uri": {"regex": "/v[12]/.*"}}]])
def test_405_stands_whatever_a_match_is(hostile: Any) -> None:
    """Matches and filters that are no maps, or of forms that no path tells, end in no exception."""
    items = yaml.safe_load(yaml.safe_dump(CASES["MLM405"]["behind-a-rewrite"]["bad"]))
    items[-1]["spec"]["http"][0]["match"] = hostile
    said(items)
    route = yaml.safe_load(yaml.safe_dump(CASES["MLM405"]["vllm-in-dev-mode"]["bad"]))
    route[-1]["spec"]["rules"][0]["filters"] = hostile
    said(route)


def container(*words: str, **env: str) -> dict[str, Any]:
    return {"containers": [{"args": list(words), "env": [{"name": key, "value": env[key]} for key in env]}]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (container("python", "-m", "sglang.launch_server"), (SGLANG,)),
        (container("sh", "-c", "exec sglang serve --model m"), (SGLANG,)),
        (container("sglang.launch_server", "--admin-api-key=x"), ()),
        (container("sglang_router.launch_server"), ()),
        (container("sglang.bench_serving"), ()),
        (container(VLLM_SERVER_DEV_MODE="1"), (VLLM_DEV,)),
        (container(VLLM_SERVER_DEV_MODE="0"), ()),
        (container("sh", "-c", "VLLM_SERVER_DEV_MODE=1 vllm serve m"), (VLLM_DEV,)),
        (container(VLLM_ALLOW_RUNTIME_LORA_UPDATING="True"), (VLLM_LORA,)),
        (container(VLLM_ALLOW_RUNTIME_LORA_UPDATING="false"), ()),
        (container("--api-key", "x", VLLM_ALLOW_RUNTIME_LORA_UPDATING="1"), ()),
        (container("--api-key", "x", VLLM_SERVER_DEV_MODE="1"), (VLLM_DEV,)),
        (container("torchserve", "--start"), (TORCHSERVE,)),
        ({"containers": [{"image": "rayproject/ray:2.50.0-gpu"}]}, (RAY,)),
        (container("vllm", "serve", "m"), ()),
        ({"containers": [None, 1, {"args": "x", "env": {"a": 1}}, {"env": [1, {"name": None}]}]}, ()),
        ({"containers": {}}, ()),
        ({}, ()),
    ],
)
def test_405_knows_the_servers_by_their_settings(spec: dict[str, Any], expected: tuple[str, ...]) -> None:
    """Only what a PodSpec says is open counts; a key closes what it guards."""
    assert servers(spec) == expected


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("/sleep", "/sleep", True),
        ("/v1/sleep", "/sleep", False),
        ("/v1/sleep", "*/sleep", True),
        ("/v1/sleep", "/v1/*", True),
        ("/v1", "/v1/*", False),
        ("/any", "*", True),
        ("/models/m/load", "/models/{*}/load", True),
        ("/models/a/b/load", "/models/{*}/load", False),
        ("/models/a/b/load", "/models/{**}", True),
        ("/models.load", "/models/{*}load", False),
    ],
)
def test_paths_are_read_as_istio_reads_them(path: str, pattern: str, expected: bool) -> None:
    """Exact, a prefix, a suffix, anything, or a template."""
    assert is_path(path, pattern) == expected
