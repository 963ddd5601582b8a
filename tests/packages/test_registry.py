"""A release in an OCI registry: what is pushed, what Helm takes from there, and what it refuses."""

import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import mlmesh
from dev.progress import StepError
from dev.release.publish import PLUGIN, publish
from dev.toolchain import ROOT
from tests.packages.conftest import Keys, Newcomer, Released, program
from tests.support.clusters import TestCluster

VERSION = mlmesh.__version__
PAGE = (ROOT / "docs" / "install.md").read_text()
HELMS = ("helm3", "helm4")
ARTEFACTS = ("charts/ml-mesh", "plugins/mlmesh-post")


@pytest.fixture(scope="module")
def shelf(registry: str, released: Released) -> str:
    """The path of the registry under which the release was published."""
    program("oras")
    publish(released.folder, f"{registry}/team", plain_http=True)
    return f"{registry}/team"


def oras(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run oras."""
    return subprocess.run([program("oras"), *arguments], cwd=folder, capture_output=True, text=True, check=False)


def tampered(archive: Path, folder: Path) -> Path:
    """A copy with one file more, below `folder`, with the provenance of the original beside it."""
    copy = folder / archive.name
    with tarfile.open(archive) as old, tarfile.open(copy, "w:gz") as new:
        for member in old:
            new.addfile(member, old.extractfile(member))
        added = tarfile.TarInfo(f"{archive.name.rsplit('-', 1)[0]}/templates/more.yaml")
        added.size = 2
        new.addfile(added, io.BytesIO(b"{}"))
    shutil.copy(archive.with_name(f"{archive.name}.prov"), folder)
    return copy


@pytest.mark.parametrize("helm", HELMS)
def test_the_chart_comes_verified(
    shelf: str, released: Released, newcomer: Callable[[str], Newcomer], new_keys: Callable[[str], Keys], helm: str
) -> None:
    """`helm pull --verify` takes chart and provenance, the bytes of the release, by the release's key alone."""
    someone = newcomer(helm)
    chart = ["pull", f"oci://{shelf}/charts/ml-mesh", "--version", VERSION, "--plain-http"]
    stranger = new_keys(f"stranger to {helm}")
    done = someone.run("helm", *chart, "--verify", "--keyring", str(stranger.public))
    assert done.returncode == 1
    assert "openpgp: signature made by unknown entity" in done.stderr
    told = someone.ok("helm", *chart, "--verify", "--keyring", str(released.folder / "mlmesh-signing-key.gpg"))
    assert released.keys.name in told
    pulled = someone.home / f"ml-mesh-{VERSION}.tgz"
    assert pulled.read_bytes() == released.one("ml-mesh-*.tgz").read_bytes()
    assert pulled.with_name(f"{pulled.name}.prov").read_bytes() == released.one("ml-mesh-*.prov").read_bytes()


@pytest.mark.parametrize("helm", HELMS)
def test_another_chart_is_refused(
    registry: str, released: Released, newcomer: Callable[[str], Newcomer], tmp_path: Path, helm: str
) -> None:
    """A chart that somebody changed, under the provenance of the release, renders nothing with --verify."""
    someone = newcomer(helm)
    changed = tampered(released.one("ml-mesh-*.tgz"), tmp_path)
    someone.ok("helm", "push", str(changed), f"oci://{registry}/changed-{helm}", "--plain-http")
    chart = ["template", "x", f"oci://{registry}/changed-{helm}/ml-mesh", "--version", VERSION, "--plain-http"]
    assert "kind:" in someone.ok("helm", *chart)
    done = someone.run("helm", *chart, "--verify", "--keyring", str(released.keys.public))
    assert (done.returncode, done.stdout) == (1, "")
    assert "sha256" in done.stderr


@pytest.mark.parametrize("helm", ["helm4", "helm4-min"])
def test_the_plugin_comes_verified(
    shelf: str, released: Released, newcomer: Callable[[str], Newcomer], new_keys: Callable[[str], Keys], helm: str
) -> None:
    """`helm plugin install oci://` verifies by the release's key; another key is refused, and installs nothing."""
    someone = newcomer(helm)
    plugin = ["plugin", "install", f"oci://{shelf}/plugins/mlmesh-post:{VERSION}", "--plain-http"]
    done = someone.run("helm", *plugin, "--keyring", str(new_keys(f"stranger to {helm}'s plugins").public))
    assert done.returncode == 1
    assert "mlmesh-post" not in someone.ok("helm", "plugin", "list")
    told = someone.ok("helm", *plugin, "--keyring", str(released.folder / "mlmesh-signing-key.gpg"))
    assert released.keys.name in told
    assert f"mlmesh-post\t{VERSION}" in someone.ok("helm", "plugin", "list").replace(" ", "")


def test_another_plugin_is_refused(
    registry: str, released: Released, newcomer: Callable[[str], Newcomer], tmp_path: Path
) -> None:
    """A plugin that somebody changed, under the provenance of the release, is not installed."""
    someone = newcomer("helm4")
    changed = tampered(released.one("mlmesh-post-*.tgz"), tmp_path)
    reference = f"{registry}/changed/mlmesh-post:{VERSION}"
    files = [changed.name, f"{changed.name}.prov"]
    pushed = oras("push", reference, "--plain-http", "--artifact-type", PLUGIN, *files, folder=tmp_path)
    assert pushed.returncode == 0, pushed.stderr
    key = ["--keyring", str(released.keys.public)]
    done = someone.run("helm", "plugin", "install", f"oci://{reference}", "--plain-http", *key)
    assert done.returncode == 1
    assert "sha256" in done.stderr
    assert "mlmesh-post" not in someone.ok("helm", "plugin", "list")


@pytest.mark.parametrize("helm", HELMS)
def test_a_release_installs_as_the_page_says(
    shelf: str, released: Released, newcomer: Callable[[str], Newcomer], cluster: TestCluster, helm: str
) -> None:
    """A newcomer who has the files runs the commands of docs/install.md in their order; then the release is there."""
    someone = newcomer(helm)
    shutil.copytree(released.folder, someone.home / "download")
    someone.ok(str(Path(sys.executable).resolve()), "-m", "venv", "--without-pip", "own")
    # Two things are not as the newcomer has them: where Python has no pip, ours is used; our registry speaks HTTP.
    own = someone.home / "own" / "bin"
    shims = {
        "pip": f'exec {sys.executable} -m pip --python {own}/python "$@"',
        "helm": f'case "$*" in *oci://*) set -- "$@" --plain-http;; esac; exec {program(helm)} "$@"',
    }
    for name, line in shims.items():
        (someone.home / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (someone.home / "bin" / name).chmod(0o755)
    blocks = re.findall(r"^```sh ?(helm4)?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    script = "cd download\n" + "".join(text for only, text in blocks if only in ("", helm))
    assert script.count("ghcr.io/OWNER") == 1
    path = f"{own}:{someone.environment['PATH']}"
    try:
        told = someone.ok(
            "bash", "-euo", "pipefail", "-c", script.replace("ghcr.io/OWNER", shelf),
            PATH=path, KUBECONFIG=str(cluster.kubeconfig),
        )  # fmt: skip
        assert "Good signature" in told
        assert cluster.get("configmap", "ml-mesh-mesh-policy", "ml-mesh")
        route = cluster.get("virtualservices.networking.istio.io", "llm-timeouts", "ml-serving")
        assert route
        assert route["metadata"]["annotations"]["mlmesh.dev/rendered-by"] == VERSION
    finally:
        cluster.empty()


def test_a_version_is_published_once(
    shelf: str, released: Released, new_keys: Callable[[str], Keys], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same release again changes nothing; other bytes under its version, and what is not signed, are refused."""
    digests = [oras("resolve", "--plain-http", f"{shelf}/{name}:{VERSION}").stdout for name in ARTEFACTS]
    publish(released.folder, shelf, plain_http=True)
    assert capsys.readouterr().err.count("is there already") == 2
    for name in ("ml-mesh", "mlmesh-post"):
        tampered(released.one(f"{name}-*.tgz"), tmp_path)
    with pytest.raises(StepError, match="other bytes"):
        publish(tmp_path, shelf, plain_http=True)
    for file in tmp_path.glob("*.prov"):
        file.unlink()
    with pytest.raises(StepError, match="no provenance"):
        publish(tmp_path, shelf, plain_http=True)
    assert [oras("resolve", "--plain-http", f"{shelf}/{name}:{VERSION}").stdout for name in ARTEFACTS] == digests
    assert all(digests)


def test_artifact_hub_finds_its_file(shelf: str) -> None:
    """Beside the chart, under the tag that Artifact Hub reads, there is artifacthub-repo.yml by its media types."""
    told = oras("manifest", "fetch", "--plain-http", f"{shelf}/charts/ml-mesh:artifacthub.io")
    assert told.returncode == 0, told.stderr
    assert '"mediaType":"application/vnd.cncf.artifacthub.config.v1+yaml"' in told.stdout.replace(" ", "")
    assert "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml" in told.stdout
    assert "artifacthub-repo.yml" in told.stdout


def test_a_registry_that_does_not_answer_is_told(released: Released) -> None:
    """Publishing to where nothing listens fails with the address."""
    program("oras")
    with pytest.raises(StepError, match=r"127\.0\.0\.1:9/team"):
        publish(released.folder, "127.0.0.1:9/team", plain_http=True)
