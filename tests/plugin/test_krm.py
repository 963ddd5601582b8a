"""kustomize calls the post-renderer as a KRM function: a ResourceList in, a ResourceList out."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.streams import BIN, documents, pod, policy, rendered, route, run

BROKEN = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: ml}
spec:
  gatewayClassName: istio
  listeners: [{name: grpc, port: 8081, protocol: GRPC}]
"""


def resource_list(*items: str, **more: Any) -> str:
    """A ResourceList as kustomize sends it."""
    shape = {
        "apiVersion": "config.kubernetes.io/v1",
        "kind": "ResourceList",
        "items": [yaml.safe_load(item) for item in items],
    }
    return yaml.safe_dump({**shape, **more}, sort_keys=False)


def test_items_are_patched_and_the_configuration_is_a_policy() -> None:
    """`functionConfig` is a MeshPolicy: its sizes reach the items, bookkeeping annotations stay."""
    item = pod(**{"config.kubernetes.io/index": "0"})
    text = resource_list(item, functionConfig=yaml.safe_load(policy(sidecars={"inference": {"proxyCPU": "750m"}})))
    (out,) = documents(rendered(text))
    assert (out["kind"], len(out["items"])) == ("ResourceList", 1)
    annotations = out["items"][0]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["sidecar.istio.io/proxyCPU"] == "750m"
    assert annotations["config.kubernetes.io/index"] == "0"
    assert "results" not in out


def test_a_policy_among_the_items_becomes_a_configmap_under_the_configuration() -> None:
    """The chart's MeshPolicy in the items is settings too; the configuration lies over it and travels with it."""
    text = resource_list(policy(release={"name": "rel"}, owns=["a"]), functionConfig=yaml.safe_load(policy(owns=["b"])))
    (out,) = documents(rendered(text))
    assert out["items"][0]["kind"] == "ConfigMap"
    assert '"owns":["b"]' in out["items"][0]["data"]["policy.json"]


def test_warnings_leave_in_results_behind_those_of_others() -> None:
    """Each finding has message, severity, object and field, as the specification of KRM functions has them."""
    earlier = [{"message": "from another function", "severity": "info"}]
    (out,) = documents(rendered(resource_list(route(), results=earlier)))
    assert out["results"][0] == earlier[0]
    result = out["results"][1]
    assert result["severity"] == "warning"
    assert result["message"].startswith("MLM202 tries-exceed-timeout: ")
    assert result["resourceRef"] == {
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "name": "llm", "namespace": "ml",
    }  # fmt: skip
    assert result["field"] == {"path": "spec.http[0].retries"}
    assert result["tags"] == {"code": "MLM202"}


def test_a_large_list_is_read_once() -> None:
    """The results go into what was read already: a list near the limits is not refused for a second reading."""
    filler = ["apiVersion: v1\nkind: ConfigMap\ndata: {" + ", ".join(f"k{n}: v" for n in range(28_000)) + "}\n"]
    (out,) = documents(rendered(resource_list(*filler, route())))
    assert [result["tags"]["code"] for result in out["results"]] == ["MLM202", "MLM203", "MLM102"]


def test_a_document_behind_the_list_keeps_its_own_changes() -> None:
    """Joined streams are odd, but each document gets its own operations and no other's."""
    listed, behind = documents(rendered(f"{resource_list(route())}---\n{pod()}"))
    assert [result["tags"]["code"] for result in listed["results"]] == ["MLM202", "MLM203", "MLM102"]
    assert behind["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/proxyCPU"] == "500m"


def test_a_broken_invariant_fails_the_function() -> None:
    """kustomize drops `results` and believes the exit code alone: non-zero, with the finding on standard error."""
    done = run(stdin=resource_list(BROKEN))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"MLM701" in done.stderr


def test_a_configuration_that_is_no_policy_is_refused() -> None:
    """A configuration that would be ignored is a mistake that would be ignored."""
    done = run(stdin=resource_list(functionConfig={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}))
    assert done.returncode == 2
    assert b"functionConfig" in done.stderr


@pytest.fixture
def kustomization(tmp_path: Path, tool: Callable[[str], str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`kustomization(*flags, resources=...)`: `kustomize build` with the post-renderer as transformer."""
    (tmp_path / "mlmesh-post").symlink_to(BIN / "mlmesh-post")
    transformer = yaml.safe_load(policy(sidecars={"inference": {"proxyCPU": "750m"}}))
    transformer["metadata"]["annotations"] = {"config.kubernetes.io/function": "exec: {path: ./mlmesh-post}\n"}
    (tmp_path / "transformer.yaml").write_text(yaml.safe_dump(transformer))
    (tmp_path / "kustomization.yaml").write_text("resources: [all.yaml]\ntransformers: [transformer.yaml]\n")
    program = tool("kustomize")

    def build(*flags: str, resources: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "all.yaml").write_text(resources)
        return subprocess.run(
            [program, "build", *flags, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
        )

    return build


FLAGS = ("--enable-alpha-plugins", "--enable-exec")


def test_kustomize_build_runs_it(kustomization: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """The real kustomize: sizes and LLM blocks are in what it emits, its bookkeeping is not."""
    done = kustomization(*FLAGS, resources=f"{pod()}---\n{route()}---\n{policy(release={'name': 'rel'})}")
    assert done.returncode == 0, done.stderr
    by_kind = {item["kind"]: item for item in yaml.safe_load_all(done.stdout)}
    template = by_kind["Deployment"]["spec"]["template"]
    assert template["metadata"]["annotations"]["sidecar.istio.io/proxyCPU"] == "750m"
    assert by_kind["VirtualService"]["spec"]["http"][0]["timeout"] == "120s"
    assert by_kind["ConfigMap"]["metadata"]["name"] == "rel-mesh-policy"
    assert "config.kubernetes.io" not in done.stdout


def test_kustomize_build_fails_loudly_on_a_broken_invariant(
    kustomization: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """No manifest, a non-zero exit code, and the finding in what kustomize prints."""
    done = kustomization(*FLAGS, resources=f"{pod()}---\n{BROKEN}")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "ERROR MLM701 listener-protocol-unknown" in done.stderr


def test_kustomize_without_enable_exec_leaves_it_out(
    kustomization: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """kustomize's own trap, which the docs tell of: exit code 0 and nothing done, but the policy stays as a guard."""
    done = kustomization("--enable-alpha-plugins", resources=f"{pod()}---\n{policy(release={'name': 'rel'})}")
    assert done.returncode == 0
    assert "kind: MeshPolicy" in done.stdout
    assert "proxyCPU" not in done.stdout.replace("proxyCPU: 750m", "")
