"""`components.<name>.server`: what changes or stops that server is refused, and nothing else is."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.toolchain import ROOT
from mlmesh.endpoints.catalogue import TYPES
from mlmesh.endpoints.tails import spellings
from tests.chart.charts import Render, find, kinds

SERVERS: dict[str, list[dict[str, list[str]]]] = yaml.safe_load((ROOT / "chart/files/admin-paths.yaml").read_text())
POLICY = ("AuthorizationPolicy", "inference-service-admin")


def named(server: str, *more: str) -> tuple[str, str]:
    """The arguments that name the inference service's server."""
    return "--set", ",".join([f"components.inference-service.server={server}", *more])


def matches(path: str, pattern: str) -> bool:
    """Whether a path is one of Istio's paths: exact, `x*`, `*x`, or a template of whole elements.

    istio/istio pilot/pkg/security/authz/matcher/{string,template}.go
    """
    if "{" in pattern:
        return bool(re.fullmatch(re.escape(pattern).replace(re.escape("{*}"), "[^/]+"), path))
    if pattern.startswith("*"):
        return path.endswith(pattern[1:])
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def refuses(server: str, method: str, path: str) -> bool:
    """Whether an operation of the server's policy is such a request; one by port alone is never."""
    return any(
        "paths" in operation
        and (not method or method in operation.get("methods", [method]))
        and any(matches(path, pattern) for pattern in operation["paths"])
        for operation in SERVERS[server]
    )


def requests(tails: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """A method (empty: any) and a path for every spelling of some tails."""
    for tail in tails:
        methods, _, pattern = tail.rpartition(" ")
        for spelt in spellings(pattern):
            for method in methods.split("|"):
                yield method, spelt.replace("/**", "/a/b").replace("/*", "/m")


ADMIN = TYPES["admin"]


@pytest.mark.parametrize("path", ADMIN.grpc)
def test_every_admin_method_is_refused_for_some_server(path: str) -> None:
    """No gRPC method of the catalogue's type `admin` is forgotten."""
    assert any(refuses(server, "POST", path) for server in SERVERS)


@pytest.mark.parametrize("tail", ADMIN.tails)
def test_every_admin_path_is_refused_for_some_server(tail: str) -> None:
    """No path of the catalogue's type `admin` is forgotten, in any spelling; under /v1 too where it is one path."""
    for method, path in requests((tail,)):
        assert any(refuses(server, method, path) for server in SERVERS), path
        if "*" not in tail:
            assert any(refuses(server, method, f"/v1{path}") for server in SERVERS), f"/v1{path}"


@pytest.mark.parametrize("server", SERVERS)
def test_nothing_else_is_refused(server: str) -> None:
    """A path or method of any other type, which may be the server's service, passes."""
    for kind in TYPES.values():
        for method, path in (*requests(kind.tails), *(("POST", name) for name in kind.grpc)):
            if kind is not ADMIN:
                assert not refuses(server, method, path), f"{kind.name} {method} {path}"


@pytest.mark.parametrize("server", SERVERS)
def test_the_policy_of_a_server(render_once: Render, server: str) -> None:
    """Each server has a policy that denies its operations to everybody, for the component's pods."""
    spec = find(render_once(*named(server)), *POLICY)["spec"]
    assert spec == {
        "selector": {"matchLabels": {"app": "inference-service"}},
        "action": "DENY",
        "rules": [{"to": [{"operation": operation} for operation in SERVERS[server]]}],
    }


def test_admin_callers_pass(render: Render) -> None:
    """Who is named may call the paths; one that is switched off may not; who has no identity is nobody named."""
    caller = "components.inference-service.adminCallers"
    more = [f"{caller}.{name}.namespace=training,{caller}.{name}.serviceAccount={name}" for name in ("op", "off")]
    (rule,) = find(render(*named("vllm", *more, f"{caller}.off.enabled=false")), *POLICY)["spec"]["rules"]
    assert rule["from"] == [{"source": {"notPrincipals": ["cluster.local/ns/ml-training/sa/op"]}}]


def test_a_server_adds_its_policy_and_nothing_else(stream: Callable[..., str]) -> None:
    """Without a server the release is as it was; with one it is the same and one policy more."""
    before, after = (text.split("\n---\n") for text in (stream(), stream(*named("sglang"))))
    (added,) = [document for document in after if document not in before]
    assert "name: inference-service-admin" in added
    assert [document for document in after if document != added] == before


def test_a_component_that_is_off_has_no_policy(render_once: Render) -> None:
    """enabled: false takes the policy of a component with it."""
    assert kinds(render_once(*named("vllm", "components.inference-service.enabled=false")), "AuthorizationPolicy") == []


@pytest.mark.parametrize("server", SERVERS)
def test_istio_takes_the_paths(
    stream: Callable[..., str], tool: Callable[[str], Path], tmp_path: Path, server: str
) -> None:
    """Istio's own validation has nothing against the policy; against a bad template it does."""

    def validated(text: str) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "policy.yaml").write_text(text)
        command = [str(tool("istioctl")), "validate", "--filename", str(tmp_path / "policy.yaml")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    text = stream(*named(server), "--show-only", "templates/security/admin.yaml")
    done = validated(text)
    assert done.returncode == 0, done.stderr
    spoilt: dict[str, Any] = yaml.safe_load(text)
    spoilt["spec"]["rules"][0]["to"][0]["operation"]["paths"] = ["/models/{name}/load"]
    assert "{name}" in validated(yaml.safe_dump(spoilt)).stderr


def test_the_schema_names_the_servers(refusal: Callable[..., str]) -> None:
    """Each server of the list is a value of `server`, and no other is."""
    assert "server" in refusal(*named("nginx"))
    for server in SERVERS:
        assert refusal(*named(server)) == ""
