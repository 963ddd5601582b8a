"""`mtls` and `metrics` of the components: ports with a mode of their own, and how Prometheus gets at metrics."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.charts import Render, find, key, kinds
from tests.support.streams import rendered

Written = Callable[[dict[str, Any]], tuple[str, str]]
DIRECT = {"metrics": {"port": 9000, "path": "/stats", "direct": True}}
MERGED = {
    "port": "http-envoy-prom",
    "path": "/stats/prometheus",
    "relabelings": [
        {
            "sourceLabels": ["__address__"],
            "regex": "(.+):15090",
            "replacement": "$1:15020",
            "targetLabel": "__address__",
        }
    ],
}
CONTAINER = {"name": "a", "image": "a", "ports": [{"name": "web", "containerPort": 8081}]}
TEMPLATE = {"spec": {"containers": [CONTAINER]}}


def registry(**fields: Any) -> dict[str, Any]:
    """Values with these fields of the model registry."""
    return {"components": {"model-registry": fields}}


def test_all_exceptions_of_a_pod_are_one_rule(render: Render, written: Written) -> None:
    """Container ports, by key, by number and of metrics, of all components that find the pods; no mode for the rest."""
    version = {"role": "model-registry", "namespace": "serving", "selector": {"app": "model-registry", "v": "1"}}
    values = registry(ports={"http": {"port": 80, "targetPort": 8080}}, mtls={"http": "PERMISSIVE"}, **DIRECT)
    values["components"]["registry-v1"] = {**version, "mtls": {"9400": "DISABLE"}}
    (rule,) = [each for each in kinds(render(*written(values)), "PeerAuthentication") if "selector" in each["spec"]]
    assert key(rule)[1:] == ("ml-serving", "model-registry-ports")
    assert rule["spec"] == {
        "selector": {"matchLabels": {"app": "model-registry"}},
        "portLevelMtls": {"8080": {"mode": "PERMISSIVE"}, "9000": {"mode": "PERMISSIVE"}, "9400": {"mode": "DISABLE"}},
    }


@pytest.mark.parametrize(
    "workload",
    [
        {"kind": "Deployment", "spec": {"template": TEMPLATE}},
        {"kind": "CronJob", "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": TEMPLATE}}}},
    ],
)
def test_a_port_by_name_is_that_of_the_container(
    render_once: Render, written: Written, workload: dict[str, Any]
) -> None:
    """A targetPort that is a name is looked up in the workload's pod template, a CronJob's too."""
    values = registry(ports={"http": {"port": 80, "targetPort": "web"}}, mtls={"http": "DISABLE"}, workload=workload)
    rule = find(render_once(*written(values)), "PeerAuthentication", "model-registry-ports")
    assert rule["spec"]["portLevelMtls"] == {"8081": {"mode": "DISABLE"}}


def test_metrics_asked_directly_pass_the_policy(render: Render, written: Written) -> None:
    """A component with rules lets everybody GET its metrics; one without rules needs no policy."""
    rules = {"all": {"gateways": {"ml-gateway": True}}}
    policy = find(render(*written(registry(accepts=rules, **DIRECT))), "AuthorizationPolicy", "model-registry-access")
    assert policy["spec"]["rules"][1:] == [
        {"to": [{"operation": {"methods": ["GET"], "paths": ["/stats"], "ports": ["9000"]}}]}
    ]


def test_no_policy_for_metrics_alone(render: Render, written: Written) -> None:
    """A policy that lets only metrics through would shut everybody else out."""
    names = {key(each)[2] for each in kinds(render(*written(registry(**DIRECT))), "AuthorizationPolicy")}
    assert names == {"inference-access"}


@pytest.mark.parametrize(
    ("metrics", "annotations"),
    [
        ({}, {"own": "x", "prometheus.io/path": "/theirs"}),
        ({"port": 8081, "direct": True}, {"own": "x", "prometheus.io/path": "/theirs"}),
        (
            {"port": 8081, "path": "/stats"},
            {
                "own": "x",
                "prometheus.io/scrape": "true",
                "prometheus.io/port": "8081",
                "prometheus.io/path": "/theirs",
            },
        ),
    ],
)
def test_the_agent_is_told_of_metrics(
    render: Render, written: Written, metrics: dict[str, Any], annotations: dict[str, str]
) -> None:
    """Pods get annotations for what the agent merges, and keep what the user wrote."""
    template = {**TEMPLATE, "metadata": {"annotations": {"own": "x", "prometheus.io/path": "/theirs"}}}
    values = registry(metrics=metrics, workload={"kind": "Deployment", "spec": {"template": template}})
    deployment = find(render(*written(values)), "Deployment", "model-registry")
    assert deployment["spec"]["template"]["metadata"]["annotations"] == annotations


def test_no_monitors_unless_asked_for(render: Render, written: Written) -> None:
    """The kind is not in every cluster."""
    assert kinds(render(*written(registry(**DIRECT))), "PodMonitor") == []


def test_monitors(render: Render, written: Written) -> None:
    """One for the pods of each component, for the sidecars' port, and for the port that is asked directly."""
    on = {"monitors": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "30s"}}
    objects = render(*written({**on, **registry(**DIRECT)}))
    assert {key(each)[1:] for each in kinds(objects, "PodMonitor")} == {
        ("ml-serving", "feature-store"),
        ("ml-serving", "inference-service"),
        ("ml-serving", "model-registry"),
        ("ml-serving", "monitoring-stack"),
        ("ml-training", "pipeline-controller"),
        ("ml-training", "training-jobs"),
    }
    monitor = find(objects, "PodMonitor", "model-registry")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"] == {
        "selector": {"matchLabels": {"app": "model-registry"}},
        "podMetricsEndpoints": [
            {**MERGED, "interval": "30s"},
            {"portNumber": 9000, "path": "/stats", "interval": "30s"},
        ],
    }
    version = {"role": "model-registry", "namespace": "serving", "selector": {"app": "model-registry", "v": "1"}}
    twice = {**registry(**DIRECT)["components"], "registry-v1": {**version, **DIRECT}}
    assert (
        find(render(*written({**on, "components": twice})), "PodMonitor", "model-registry")["spec"] == monitor["spec"]
    )
    plain = find(objects, "PodMonitor", "feature-store")["spec"]["podMetricsEndpoints"]
    assert plain == [{**MERGED, "interval": "30s"}]


def test_what_monitors_ask_is_let_in(stream: Callable[..., str], written: Written) -> None:
    """No finding says that a scrape of the demo is refused; without the exception MLM302 does."""
    registry_direct = {"metrics": {"port": "http", "direct": True}}
    values = {"monitors": {"enabled": True}, "components": {"model-registry": registry_direct}}
    text = stream("-f", "values/demo.yaml", *written(values))
    assert [each.code for each in rendered(text).findings if each.severity == "error"] == []
    refused = text.replace('"5000": {mode: PERMISSIVE}', '"5001": {mode: PERMISSIVE}')
    assert "MLM302" in {each.code for each in rendered(refused).findings}
