"""A component that a user adds in five lines has everything that the platform's own have."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chart.charts import Render, documents, find, key
from tests.support.streams import rendered

COMPONENT = """\
components:
  reranker:
    role: inference
    namespace: serving
    selector: {app: reranker}
    ports: {http: {port: 8080}}
    accepts: {rerank: {components: {inference-service: true}, paths: [/v1/rerank]}}
"""
SWITCHES = """\
scopes: {enabled: true}
networkPolicies: {enabled: true, egress: {enabled: true}}
monitors: {enabled: true}
"""
MORE = """\
    metrics: {port: http, direct: true}
    calls: {components: {feature-store: true}, hosts: {hub.example.com: {}}}
"""
HOST = "ml-serving/reranker.ml-serving.svc.cluster.local"


@pytest.fixture
def values(tmp_path: Path) -> Callable[[str], tuple[str, str]]:
    """`values(text)`: the arguments that give Helm these values."""

    def write(text: str) -> tuple[str, str]:
        file = tmp_path / f"{len(text)}.yaml"
        file.write_text(text)
        return "-f", str(file)

    return write


def test_five_lines_are_a_service_and_a_policy(render: Render, values: Callable[[str], tuple[str, str]]) -> None:
    """By default: its Service, who may call it, and what the post-renderer must know; all else is as it was."""
    assert COMPONENT.partition("reranker:\n")[2].count("\n") == 5
    objects, before = render(*values(COMPONENT)), render()
    added = [each for each in objects if key(each) not in set(map(key, before))]
    assert {each["kind"] for each in added} == {"Service", "AuthorizationPolicy"}
    assert find(objects, "Service", "reranker")["spec"]["selector"] == {"app": "reranker"}
    assert find(objects, "AuthorizationPolicy", "reranker-access")["spec"]["rules"] == [
        {
            "from": [{"source": {"principals": ["cluster.local/ns/ml-serving/sa/inference-service"]}}],
            "to": [{"operation": {"paths": ["/v1/rerank"]}}],
        }
    ]
    policy = find(objects, "MeshPolicy", "ml-mesh-mesh-policy", "ml-mesh")
    assert policy["spec"]["components"]["reranker"] == {
        "role": "inference",
        "namespace": "ml-serving",
        "selector": {"app": "reranker"},
    }
    others = [each for each in objects if each not in added and each != policy]
    assert others == [each for each in before if each["kind"] != "MeshPolicy"]


def test_with_the_switches_it_has_what_the_others_have(
    render: Render, values: Callable[[str], tuple[str, str]]
) -> None:
    """Scope, NetworkPolicy and PodMonitor come with the platform's switches; its caller's scope knows it now."""
    objects = render(*values(COMPONENT + SWITCHES))
    own = {each["kind"] for each in objects if key(each)[2] in ("reranker", "reranker-access")}
    assert own == {"Service", "AuthorizationPolicy", "Sidecar", "NetworkPolicy", "PodMonitor"}
    assert HOST in find(objects, "Sidecar", "inference-service")["spec"]["egress"][0]["hosts"]
    reached = find(objects, "NetworkPolicy", "inference-service")["spec"]["egress"]
    assert any("reranker" in str(rule) for rule in reached)


def test_two_lines_more_are_all_that_there_is(render: Render, values: Callable[[str], tuple[str, str]]) -> None:
    """Its metrics except a port, and its calls name a component and a host outside: seven objects, in all."""
    objects = render(*values(COMPONENT + MORE + SWITCHES))
    plain = {key(each) for each in render(*values(SWITCHES))}
    assert {key(each)[::2] for each in objects} - {name[::2] for name in plain} == {
        ("Service", "reranker"),
        ("AuthorizationPolicy", "reranker-access"),
        ("PeerAuthentication", "reranker-ports"),
        ("Sidecar", "reranker"),
        ("ServiceEntry", "hub.example.com"),
        ("NetworkPolicy", "reranker"),
        ("PodMonitor", "reranker"),
    }
    assert find(objects, "Sidecar", "reranker")["spec"]["egress"][0]["hosts"] == [
        "*/hub.example.com",
        "istio-system/*",
        "ml-serving/feature-store.ml-serving.svc.cluster.local",
        "observability/*",
    ]


def test_the_post_renderer_has_nothing_against_it(
    stream: Callable[..., str], values: Callable[[str], tuple[str, str]]
) -> None:
    """With all of it there is no error, and no warning that the default values do not have."""

    def told(text: str) -> set[tuple[str, str, str]]:
        return {(each.code, each.severity, each.name) for each in rendered(text).findings if each.severity != "info"}

    text = stream(*values(COMPONENT + MORE + SWITCHES))
    assert len(documents(text)) > 30
    assert told(text) == told(stream())
