"""docs/hosts/kustomize.md, run with the real kustomize and both Helms."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.support.kustomizations import by_key, typed
from tests.support.pages import block, shell
from tests.support.streams import pod, run

PAGE = "docs/hosts/kustomize.md"


@pytest.fixture(params=["helm3", "helm4"])
def reader(request: pytest.FixtureRequest, helm: Callable[[str], Helm], tool: Callable[[str], str]) -> dict[str, str]:
    """The environment of the page's reader: kustomize, Helm and mlmesh on PATH."""
    environment = helm(request.param).environment
    return {**environment, "PATH": f"{Path(tool('kustomize')).parent}:{environment['PATH']}"}


def proxy_cpu(stream: str, name: str, namespace: str) -> str:
    """What the sidecar of a Deployment requests."""
    found = by_key(stream)["apps/v1", "Deployment", namespace, name]
    asked: str = found["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/proxyCPU"]
    return asked


def test_the_function_runs_and_its_policy_counts(reader: dict[str, str], tmp_path: Path) -> None:
    """The page's two files and its commands, on somebody's manifests."""
    (tmp_path / "manifests.yaml").write_text(pod())
    (tmp_path / "transformer.yaml").write_text(block(PAGE, "yaml", "transformer.yaml"))
    (tmp_path / "kustomization.yaml").write_text(block(PAGE, "yaml", "resources"))
    done = shell(block(PAGE, "sh"), tmp_path, reader)
    assert done.returncode == 0, done.stderr
    assert proxy_cpu((tmp_path / "post-rendered.yaml").read_text(), "llm", "ml") == "750m"
    (tmp_path / "mlmesh-post").unlink()
    build = block(PAGE, "sh").splitlines()[1]
    done = shell(build, tmp_path, reader)
    assert done.returncode != 0
    assert "no such file or directory" in done.stderr
    done = shell(build.replace("--enable-exec", ""), tmp_path, reader)
    assert done.returncode == 0
    assert "sidecar.istio.io" not in (tmp_path / "post-rendered.yaml").read_text()


def test_the_chart_is_inflated_and_post_rendered(reader: dict[str, str], tmp_path: Path) -> None:
    """kustomize renders the chart, the function has the chart's policy under its own, and nothing else is lost."""
    shutil.copytree(ROOT / "chart", tmp_path / "charts" / "ml-mesh")
    shutil.copy(ROOT / "values" / "demo.yaml", tmp_path / "values.yaml")
    (tmp_path / "transformer.yaml").write_text(block(PAGE, "yaml", "transformer.yaml"))
    (tmp_path / "kustomization.yaml").write_text(block(PAGE, "yaml", "chart"))
    link = block(PAGE, "sh").splitlines()[0]
    done = shell(f"{link}\n{block(PAGE, 'sh', 'chart')}", tmp_path, reader)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "post-rendered.yaml").read_text()
    assert proxy_cpu(text, "inference-v1", "ml-serving") == "750m"
    keys = by_key(text).keys()
    assert ("v1", "ConfigMap", "ml-mesh", "ml-mesh-mesh-policy") in keys
    assert not [key for key in keys if key[1] == "MeshPolicy"]
    rendered = shell("helm template ml-mesh charts/ml-mesh -n ml-mesh -f values.yaml", tmp_path, reader)
    assert len(keys) == len(by_key(rendered.stdout))


def test_the_patches_give_what_the_post_renderer_gives(reader: dict[str, str], tmp_path: Path) -> None:
    """The page's commands in their order; the file that comes out is, object by object, the post-renderer's."""
    for name in ("chart", "values"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = shell(block(PAGE, "sh", "patches"), tmp_path, reader)
    assert done.returncode == 0, done.stderr
    ours = run("--namespace", "ml-mesh", stdin=(tmp_path / "manifests.yaml").read_bytes())
    assert ours.returncode == 0
    assert typed(by_key((tmp_path / "post-rendered.yaml").read_bytes())) == typed(by_key(ours.stdout))
