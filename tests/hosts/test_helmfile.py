"""docs/hosts/helmfile.md: its file and its commands, by the real helmfile and both Helms."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.cluster.releases import Releases
from tests.support.kustomizations import by_key, typed
from tests.support.pages import block, shell

PAGE = "docs/hosts/helmfile.md"
FILE = "helmfile.yaml.gotmpl"
OVERLAYS = {"dev": ("dev",), "staging": ("staging",), "prod": ("prod", "recommended")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's file, beside the chart."""
    for name in ("chart", "values"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / FILE).write_text(block(PAGE, "yaml", FILE))
    return tmp_path


def environment_of(helm: Helm, tool: Callable[[str], str]) -> dict[str, str]:
    """The environment of a shell that has helmfile."""
    return {**helm.environment, "PATH": f"{Path(tool('helmfile')).parent}:{helm.environment['PATH']}"}


@pytest.mark.parametrize("name", ["helm3", "helm4"])
@pytest.mark.parametrize("environment", OVERLAYS)
def test_each_environment_is_its_overlays_post_rendered(
    folder: Path, helm: Callable[[str], Helm], tool: Callable[[str], str], name: str, environment: str
) -> None:
    """`helmfile template` prints what `helm template` with the same files and the post-renderer prints."""
    shell_of = environment_of(helm(name), tool)
    done = shell(f"helmfile --quiet --environment {environment} template", folder, shell_of)
    assert done.returncode == 0, done.stderr
    files = " ".join(f"--values values/{overlay}.yaml" for overlay in OVERLAYS[environment])
    command = f"helm template ml-mesh chart --namespace ml-mesh {files} --post-renderer mlmesh-post"
    ours = shell(command, folder, shell_of)
    assert ours.returncode == 0, ours.stderr
    assert typed(by_key(done.stdout)) == typed(by_key(ours.stdout))
    assert "mlmesh.dev/rendered-by" in done.stdout


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_the_commands_of_the_page_install(
    releases: Releases, folder: Path, tool: Callable[[str], str], name: str
) -> None:
    """They run as they stand there; a refused release is shown with its findings, and leaves what was there."""
    helm = Helm(name, releases.cluster.kubeconfig.parent / name)
    environment = {**environment_of(helm, tool), "KUBECONFIG": str(releases.cluster.kubeconfig)}
    done = shell(block(PAGE, "sh"), folder, environment)
    assert done.returncode == 0, done.stderr
    assert releases.revisions(namespace="ml-mesh") == [(1, "deployed")]
    assert releases.cluster.get("configmap", "ml-mesh-mesh-policy", "ml-mesh") is not None
    broken = "helmfile --environment dev sync --set callers.frontend.namespace=serving"
    (folder / FILE).write_text(
        block(PAGE, "yaml", FILE).replace("      {{- range", "      - values/demo.yaml\n      {{- range")
    )
    done = shell(broken, folder, environment)
    assert done.returncode != 0
    assert "MLM401" in done.stdout + done.stderr
    assert releases.revisions(namespace="ml-mesh") == [(1, "deployed")]
