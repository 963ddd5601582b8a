"""docs/hosts/helm3.md and helm4.md: their commands, by both Helms, against a real API server."""

import json
import os
from pathlib import Path

import pytest

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.cluster.releases import Releases
from tests.support.pages import block, blocks, shell

BROKEN = "helm upgrade ml-mesh chart/ -n ml-mesh -f values/demo.yaml --set callers.frontend.namespace=serving"
FLAG = "--post-renderer mlmesh-post"


def page_of(name: str) -> str:
    """The page of a Helm."""
    return f"docs/hosts/{name.partition('-')[0]}.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the reader of the page has: the checkout's folders."""
    for name in ("chart", "plugin", "values"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def environment_of(name: str, releases: Releases, folder: Path) -> dict[str, str]:
    """A shell of the page's reader: homes of its own in which no plugin is installed, and the cluster."""
    helm = Helm(name, releases.cluster.kubeconfig.parent / name)
    return {
        **helm.environment,
        "KUBECONFIG": str(releases.cluster.kubeconfig),
        "HOME": str(folder),
        "HELM_DATA_HOME": str(folder / "data"),
    }


@pytest.mark.parametrize("name", ["helm3", "helm3-min", "helm4", "helm4-min"])
def test_the_commands_of_the_page_work_in_their_order(releases: Releases, folder: Path, name: str) -> None:
    """Install, upgrades, the reports, the look at what is stored, rollback, uninstall: each exits with 0."""
    environment = environment_of(name, releases, folder)
    install, options, look, end, *again = blocks(page_of(name), "sh", name.partition("-")[0])
    for commands in (install, options):
        done = shell(commands, folder, environment)
        assert done.returncode == 0, f"{commands}\n{done.stderr}"
    assert "MLM" in (folder / "findings.txt").read_text()
    assert json.loads((folder / "findings.json").read_text())["summary"]["errors"] == 0
    deployment = releases.cluster.get("deployment", "inference-v1", "ml-serving")
    assert deployment is not None
    assert "sidecar.istio.io/proxyCPU" in deployment["spec"]["template"]["metadata"]["annotations"]
    done = shell(look, folder, environment)
    assert done.returncode == 0, done.stderr
    assert "mlmesh.dev/rendered-by" in done.stdout
    assert releases.revisions(namespace="ml-mesh")[-1] == (4, "deployed")
    done = shell(end, folder, environment)
    assert done.returncode == 0, done.stderr
    assert releases.revisions(namespace="ml-mesh") == []
    for commands in again:
        done = shell(commands, folder, environment)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_what_helm_says_is_what_the_page_says(releases: Releases, folder: Path, name: str) -> None:
    """A refusal, a program or plugin that is not there, and a forgotten flag come out in the page's words."""
    page = (ROOT / page_of(name)).read_text()
    environment = environment_of(name, releases, folder)
    missing = shell(f"helm template x chart/ {FLAG}", folder, {**environment, "PATH": _without_mlmesh(environment)})
    words = "unable to find binary at mlmesh-post" if name == "helm3" else 'invalid argument "mlmesh-post" for'
    assert words in missing.stderr
    assert words in page
    install = blocks(page_of(name), "sh", name)[0]
    assert shell(install, folder, environment).returncode == 0

    before = releases.revisions(namespace="ml-mesh")
    refused = shell(f"{BROKEN} {FLAG}", folder, environment)
    frame, finding, *_ = block(page_of(name), "text").splitlines()
    begin, _, end = frame.partition("/usr/local/bin/mlmesh-post")
    assert refused.returncode == 1
    assert refused.stderr.startswith(begin), refused.stderr
    assert end in refused.stderr.splitlines()[0]
    assert finding.removesuffix("...") in refused.stderr
    forgotten = shell(BROKEN, folder, environment)
    assert forgotten.returncode == 1
    assert 'no matches for kind "MeshPolicy"' in forgotten.stderr
    assert 'no matches for kind "MeshPolicy"' in page
    assert releases.revisions(namespace="ml-mesh") == before


def test_a_plugin_without_its_program_is_told_apart(releases: Releases, folder: Path) -> None:
    """Helm 4 says which of the two is missing, in the page's words."""
    environment = environment_of("helm4", releases, folder)
    command = (
        f"helm plugin install plugin/mlmesh-post\nPATH='{_without_mlmesh(environment)}'\nhelm template x chart/ {FLAG}"
    )
    done = shell(command, folder, environment)
    assert done.returncode != 0
    words = 'exec: "mlmesh-post": executable file not found in $PATH'
    assert words in done.stderr
    assert words in (ROOT / "docs/hosts/helm4.md").read_text()


def test_both_on_one_machine(releases: Releases, folder: Path) -> None:
    """The page's commands, with both programs on PATH: Helm 3 upgrades Helm 4's release, and keeps its plugins."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    environment = environment_of("helm4", releases, folder)
    for name in ("helm3", "helm4"):
        (bin_folder / name).symlink_to(Helm(name, folder / f"home-{name}").program)
    environment["PATH"] = f"{bin_folder}:{environment['PATH']}"
    environment = {key: value for key, value in environment.items() if not key.startswith(("HELM_", "XDG_"))}
    (commands,) = blocks("docs/hosts/helm4.md", "sh")
    done = shell(commands, folder, environment)
    assert done.returncode == 0, done.stderr
    assert "failed to load plugins" not in done.stderr
    assert releases.revisions(namespace="ml-mesh")[-1] == (2, "deployed")
    (folder / ".local/share/helm").mkdir(parents=True, exist_ok=True)
    (folder / ".local/share/helm/plugins").symlink_to(folder / ".local/share/helm4/plugins")
    shared = shell("helm3 plugin list", folder, environment)
    assert 'unknown field "apiVersion"' in shared.stdout + shared.stderr
    assert "failed to load plugins" in shared.stdout + shared.stderr
    remedy = 'rm "$(helm env HELM_PLUGINS)/mlmesh-post"'
    assert remedy in (ROOT / page_of("helm3")).read_text()
    shell(remedy.replace("helm env", "helm3 env"), folder, environment)
    assert "failed to load plugins" not in shell("helm3 plugin list", folder, environment).stderr


def _without_mlmesh(environment: dict[str, str]) -> str:
    folders = environment["PATH"].split(os.pathsep)
    return os.pathsep.join(each for each in folders if not Path(each, "mlmesh-post").exists())
