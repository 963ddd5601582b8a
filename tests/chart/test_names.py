"""Names of the greatest length that the schema takes, and such as YAML reads as something else: they stay names."""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dev.helm import Helm
from tests.chart.charts import Render, documents

LONGEST = "a" + "b" * 61 + "c"
# istiod calls a gateway's Service by its name and its class, so it takes less.
GATEWAY = LONGEST[:57]
TEAM = ("--set", "scope=team")


def _values(longest: str = LONGEST, gateway: str = GATEWAY) -> dict[str, Any]:
    """One of everything that has a name of its own, with whatever is named after it."""
    server = {"restartPolicy": "Never", "containers": [{"name": "x", "image": "example.com/x:1"}]}
    component = {
        "role": "inference",
        "namespace": "serving",
        "selector": {"app": longest},
        "server": "vllm",
        "ports": {"http": {"port": 8080}},
        "accepts": {longest: {"callers": {"frontend": True}}},
        "refuses": {longest: {"callers": {"frontend": True}, "paths": ["/x"], "ports": ["http"]}},
        "mtls": {"http": "PERMISSIVE"},
        "calls": {"hosts": {f"{longest}.{longest}.example.com": {}, "*.example.com": {}}},
        "workload": {"kind": "Job", "spec": {"template": {"spec": server}}},
    }
    return {
        "components": {longest: component},
        "models": {
            longest: {
                "namespace": "serving",
                "versions": {longest: {"host": f"{longest[:-1]}d", "port": 80}},
                "affinity": {"useSourceIp": True},
            }
        },
        "llm": {
            longest: {
                "namespace": "training",
                "endpoints": {longest: {"prefix": "/v1/chat/completions"}},
                "affinity": {"useSourceIp": True},
                "stallGuard": {
                    "enabled": True,
                    "idle": "60s",
                    "endpoints": {longest: True},
                    "namespaces": {"serving": True},
                },
            }
        },
        "gateways": {
            gateway: {
                "namespace": "serving",
                "gatewayClassName": "istio",
                "listeners": {longest: {"port": 80, "protocol": "HTTP"}},
                "bodyRouting": {"enabled": True, "models": {longest: {"base": "x", "adapters": ["y"]}}},
            }
        },
        "routes": {
            f"{longest[:-1]}e": {
                "kind": "HTTPRoute",
                "namespace": "serving",
                "gateway": gateway,
                "hostnames": ["x.example.com"],
                "rules": {
                    longest: {
                        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                        "backends": {longest: {"port": 80}},
                    }
                },
                "stallGuard": {"enabled": True, "idle": "60s", "rules": {longest: True}},
            }
        },
        "pools": {longest: {"enabled": True, "component": longest, "targetPorts": [{"number": 8080}]}},
        "monitors": {"enabled": True},
        "scopes": {"enabled": True},
        "networkPolicies": {"enabled": True, "egress": {"enabled": True}},
        "authorization": {"defaultDeny": {"serving": True}},
    }


def test_long_names_are_cut(render: Render, written: Callable[..., tuple[str, str]]) -> None:
    """Of no object the name is longer than 63 characters, and no label's value; no two objects get one name.

    The ConfigMap of the policy is named after the release, and may be longer: Kubernetes takes 253.
    """
    objects = render(*written(_values()))
    names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names)) > 50
    assert [name for name in names if len(name[2]) > 63 and name[0] != "MeshPolicy"] == []
    values = [value for each in objects for value in each["metadata"].get("labels", {}).values()]
    assert max(map(len, values)) <= 63


def test_a_name_that_is_cut_at_a_dot_stays_one(render_once: Render, written: Callable[..., tuple[str, str]]) -> None:
    """Kubernetes takes no name in which a part between dots begins with a `-`."""
    host = f"{'a' * 53}.bucket.s3.eu-west-1.amazonaws.com"
    objects = render_once(*written({"components": {"training-jobs": {"calls": {"hosts": {host: {}}}}}}))
    (entry,) = [each["metadata"]["name"] for each in objects if each["kind"] == "ServiceEntry"]
    assert entry == f"{'a' * 53}-{hashlib.sha256(host.encode()).hexdigest()[:8]}"


@pytest.mark.parametrize("scope", ["platform", "team"])
@pytest.mark.parametrize("kind", ["CronJob", "StatefulSet", "Deployment"])
def test_what_kubernetes_lengthens_is_cut_further(
    stream: Callable[..., str], written: Callable[..., tuple[str, str]], kind: str, scope: str
) -> None:
    """Of a CronJob it takes 52 characters; a StatefulSet's pods need a label of its name and eleven more."""
    template = {"spec": {"containers": [{"name": "x", "image": "x"}]}}
    spec = {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}, "template": template}
    spec = {key: spec[key] for key in (("schedule", "jobTemplate") if kind == "CronJob" else ("template",))}
    component = {"role": "pipeline", "namespace": "serving", "selector": {"app": "x"}}
    values = {"components": {LONGEST: {**component, "workload": {"kind": kind, "spec": spec}}}, "scope": scope}
    text = stream(*written(values))
    (name,) = [each["metadata"]["name"] for each in documents(text) if each["kind"] == kind]
    assert len(name) == (63 if kind == "Deployment" else 52)
    # What `helm test` asks for is called so, too.
    assert re.search(f"stamped {kind.lower()}s[.][a-z]+ {name} ", text)


@pytest.mark.parametrize("more", ["", "-2"])
def test_two_names_that_begin_alike_stay_two(
    render_once: Render, written: Callable[..., tuple[str, str]], more: str
) -> None:
    """What is cut off is told by a hash."""
    other = LONGEST[: 63 - len(more)] + more
    fields = {"role": "inference", "namespace": "serving", "accepts": {"x": {"callers": {"frontend": True}}}}
    components = {name: {**fields, "selector": {"app": name}} for name in {LONGEST, other}}
    found = [
        each["metadata"]["name"]
        for each in render_once(*written({"components": components}))
        if each["kind"] == "AuthorizationPolicy" and each["metadata"]["name"].startswith("abb")
    ]
    assert len(set(found)) == len(components)


@pytest.mark.parametrize("which", ["helm3", "helm4"])
@pytest.mark.parametrize("scope", ["platform", "team"])
def test_names_that_yaml_reads_as_something_else_stay_names(
    helm: Callable[[str], Helm], written: Callable[..., tuple[str, str]], which: str, scope: str
) -> None:
    """Kubernetes takes `12345`, `0x1f` and `null` for names, and no object holds the number or the null of them."""
    namespaces = {"serving": {"name": "12345"}, "training": {"name": "null"}, "frontend": {"name": "0x1f"}}
    values = {**_values("null", "0x1f"), "namespaces": namespaces, "scope": scope}
    values["llm"] = {"12345": {**values["llm"]["null"], "namespace": "serving"}}
    values["models"]["null"]["versions"] = {"12345": {"host": "0x1f", "port": 80, "pinned": {}, "weight": 100}}
    values["routes"] = {"0x1f": next(iter(values["routes"].values()))}
    done = helm(which).run("template", "12345", "chart", "--namespace", "12345", *written(values))
    assert done.returncode == 0, done.stderr
    wrong = [
        (each["kind"], path)
        for each in documents(done.stdout)
        for path, leaf in _leaves(each)
        if leaf is None or leaf in (12345, 31)
    ]
    assert wrong == []


def test_a_team_has_a_release_name_with_a_dot(helm: Callable[[str], Helm]) -> None:
    """What is checked are the names of the values, not those with the release's name in front."""
    team = ("--namespace", "team-a", "--set", "scope=team")
    assert helm("helm4").run("template", "a.b", "chart", *team).returncode == 0
    rules = '"rules": {"all": {"backends": {"x": {"port": 80}}}}'
    route = f'routes.x_y={{"kind": "HTTPRoute", "namespace": "serving", "gateway": "ml-gateway", {rules}}}'
    wrong = helm("helm4").run("template", "a.b", "chart", *team, "--set-json", route)
    assert "ERROR: routes.x_y: a name is of lower-case letters" in wrong.stderr


def _leaves(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{path}/{key}")
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _leaves(value, f"{path}/{place}")
    else:
        yield path, node
