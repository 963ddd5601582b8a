"""The chart inside another chart, and in kustomize's output."""

from pathlib import Path

import pytest
import yaml

from dev.toolchain import ROOT
from tests.cluster.releases import Releases


def umbrella(folder: Path, *names: str) -> Path:
    """An umbrella chart that holds this chart once under each name, switched on by `<name>.enabled`."""
    chart = folder / "umbrella"
    (chart / "charts").mkdir(parents=True)
    (chart / "charts" / "ml-mesh").symlink_to(ROOT / "chart")
    dependencies = [
        {
            "name": "ml-mesh",
            "version": yaml.safe_load((ROOT / "chart" / "Chart.yaml").read_text())["version"],
            "repository": "",
            "condition": f"{name}.enabled",
            **({"alias": name} if name != "ml-mesh" else {}),
        }
        for name in names
    ]
    (chart / "Chart.yaml").write_text(
        yaml.safe_dump({"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": dependencies})
    )
    values = {"global": {"region": "eu", "nested": {"any": ["thing"]}}, **{name: {"enabled": True} for name in names}}
    (chart / "values.yaml").write_text(yaml.safe_dump(values))
    return chart


@pytest.mark.parametrize("name", ["ml-mesh", "mesh"])
@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_an_umbrella_chart_holds_it(releases: Releases, tmp_path: Path, helm: str, name: str) -> None:
    """As subchart, under its name or an alias, with globals and a condition: installed, guarded, switched off."""
    chart = umbrella(tmp_path, name)
    said = releases.refused(helm, f"install all {chart}")
    assert 'no matches for kind "MeshPolicy"' in said
    releases.ok(helm, f"install all {chart} --post-renderer mlmesh-post")
    item = releases.cluster.get("virtualservice.networking.istio.io", "llm-timeouts", "ml-serving")
    assert item is not None
    assert item["spec"]["http"][0]["timeout"] == "120s"
    assert releases.cluster.get("configmap", "all-mesh-policy") is not None
    releases.ok(helm, f"upgrade all {chart} --post-renderer mlmesh-post --set {name}.enabled=false")
    assert releases.cluster.get("configmap", "all-mesh-policy") is None


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_the_chart_twice_in_one_release_is_refused(releases: Releases, tmp_path: Path, helm: str) -> None:
    """Two policies in one stream: both are named, and nothing is created."""
    chart = umbrella(tmp_path, "one", "two")
    said = releases.refused(helm, f"install all {chart} --post-renderer mlmesh-post")
    assert "two policies in one stream" in said
    assert releases.names() == set()


def test_kustomize_that_skips_the_transformer_is_refused_by_a_server_side_dry_run(
    releases: Releases, tmp_path: Path, tool: object
) -> None:
    """The policy carries no annotation that kustomize would drop: what it emits unrendered, the API server refuses."""
    assert callable(tool)
    stream = releases.ok("helm3", "template ml-mesh chart/ --namespace ml-mesh")
    (tmp_path / "manifests.yaml").write_text(stream)
    (tmp_path / "transformer.yaml").write_text(
        "apiVersion: mlmesh.dev/v1alpha1\nkind: MeshPolicy\nmetadata:\n  name: t\n  annotations:\n"
        "    config.kubernetes.io/function: |\n      exec: {path: ./mlmesh-post}\nspec: {}\n"
    )
    (tmp_path / "kustomization.yaml").write_text("resources: [manifests.yaml]\ntransformers: [transformer.yaml]\n")
    import subprocess

    built = subprocess.run(
        [tool("kustomize"), "build", "--enable-alpha-plugins", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "kind: MeshPolicy" in built.stdout
    releases.cluster.kubectl("create", "namespace", "ml-mesh")
    done = releases.cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=built.stdout)
    assert done.returncode == 1
    assert 'no matches for kind "MeshPolicy"' in done.stderr
