"""The Dockerfile: its instructions are executed, and its image runs as its users run it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import mlmesh
from dev.helm import Helm
from dev.recipes import PROGRAMS, GoProgram
from dev.toolchain import ROOT
from tests.packages.conftest import Released
from tests.packages.dockerfile import Machine, Stage, instructions
from tests.support.rule_cases import CASES
from tests.support.running import no_root, not_run

DOCKERFILE = (ROOT / "Dockerfile").read_text()


class Image(NamedTuple):
    """The image that was built, and the folder that it sees at /work: it has the chart and values."""

    machine: Machine
    stage: Stage
    share: Path

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the image with the arguments."""
        return self.machine.run(self.stage, *arguments, share=self.share, **options)


@pytest.fixture(scope="module")
def image(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The Dockerfile's last stage, built from a release by its own instructions."""
    if os.geteuid() != 0:
        no_root("to change the root, and to mount, takes root")
    context, share = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("share")
    everything, *excepted = (ROOT / ".dockerignore").read_text().split()
    assert (everything, excepted) == ("*", ["!dist"])
    shutil.copytree(released.folder, context / "dist")
    shutil.copytree(ROOT / "chart", share / "chart")
    shutil.copytree(ROOT / "values", share / "values")
    share.chmod(0o755)
    try:
        machine = Machine(context)
    except OSError as error:
        not_run(f"no mount namespace: {error}")
    try:
        yield Image(machine, machine.build(DOCKERFILE), share)
    finally:
        machine.close()


def test_render_gives_what_helm_and_the_post_renderer_give(image: Image, helm: Callable[[str], Helm]) -> None:
    """`render CHART` with values prints the post-rendered release, the same as this machine's programs do."""
    arguments = ["chart/", "--values", "values/prod.yaml", "--namespace", "ml-mesh"]
    done = image.run("render", *arguments)
    assert done.returncode == 0, done.stderr
    kinds = {each["kind"] for each in yaml.safe_load_all(done.stdout) if each}
    assert {"VirtualService", "Gateway", "ConfigMap"} <= kinds
    assert "MeshPolicy" not in kinds
    here = subprocess.run(
        [str(Path(sys.executable).parent / "mlmesh"), "render", *arguments],
        cwd=ROOT, env=helm("helm4").environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == here.stdout


def test_render_prints_nothing_of_a_release_that_is_refused(image: Image) -> None:
    """A broken invariant, and values that the chart refuses: not 0, no manifest, and the reason on standard error."""
    (image.share / "broken.yaml").write_text("callers: {frontend: {namespace: serving}}\n")
    done = image.run("render", "chart/", "--values", "broken.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert "MLM" in done.stderr
    done = image.run("render", "chart/", "--set", "nonsense=1")
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert "nonsense" in done.stderr


def test_check_reads_files_and_standard_input(image: Image) -> None:
    """`check` ends with 0 for a good release and with 1 and the finding for a bad one, by file and by stream."""
    good, bad = ((CASES / "MLM701" / f"{name}.yaml").read_text() for name in ("good", "bad"))
    (image.share / "bad.yaml").write_text(bad)
    assert image.run("check", "-", stdin=good).returncode == 0
    for done in (image.run("check", "-", stdin=bad), image.run("check", "bad.yaml")):
        assert done.returncode == 1
        assert "MLM701" in done.stdout


def test_helm_finds_the_plugin(image: Image) -> None:
    """Helm in the image post-renders by name, for hosts that call it themselves; it needs a folder for its cache."""
    post = ("template", "x", "chart/", "--post-renderer", "mlmesh-post")
    assert image.run(*post, entrypoint="helm").returncode == 1
    done = image.run(*post, entrypoint="helm", tmpfs=True)
    assert done.returncode == 0, done.stderr
    assert "kind: MeshPolicy" not in done.stdout
    assert "mlmesh.dev/rendered-by" in done.stdout
    (recipe,) = [each for name, each in PROGRAMS.items() if name == "helm4"]
    assert isinstance(recipe, GoProgram)
    assert image.run("version", "--short", entrypoint="helm").stdout.startswith(recipe.version)


def test_it_runs_without_rights(image: Image) -> None:
    """Its user is nobody's, by number; it cannot write, and it does what it does with nothing to write to."""
    done = image.run("-c", "id -u; id -g; touch /opt/x /usr/x", entrypoint="sh")
    assert done.stdout.split() == ["65532", "65532"]
    assert done.returncode != 0
    assert image.run().stdout.startswith("Usage: mlmesh")
    done = image.run("--version", entrypoint="mlmesh-post")
    assert done.stdout == f"mlmesh-post {mlmesh.__version__}\n"


def test_no_file_of_it_can_be_changed_by_its_user(image: Image) -> None:
    """What was copied belongs to root, and only root may write it."""
    places = "/opt/mlmesh /opt/helm /usr/local/bin/helm"
    done = image.run("-c", f"find {places} -not -type l \\( -not -user 0 -o -perm -o+w \\)", entrypoint="sh")
    assert (done.stdout, done.returncode) == ("", 0)


def test_helm_is_the_one_that_is_tested() -> None:
    """The Dockerfile builds the version of Helm that the tests run, with the Go that it needs; bases are arguments."""
    recipe = PROGRAMS["helm4"]
    assert isinstance(recipe, GoProgram)
    assert f"ARG HELM_VERSION={recipe.version}\n" in DOCKERFILE
    froms = [rest for name, rest in instructions(DOCKERFILE) if name == "FROM"]
    assert all(re.match(r"\$\{\w+_IMAGE\}", each) for each in froms)


def test_hadolint_has_nothing_to_say(tmp_path: Path) -> None:
    """The linter of Dockerfiles passes it, and does not pass one with a fault."""
    hadolint = str(Path(sys.executable).parent / "hadolint")

    def found(text: str) -> str:
        file = tmp_path / "Dockerfile"
        file.write_text(text)
        done = subprocess.run([hadolint, "--no-color", str(file)], capture_output=True, text=True, check=False)
        return done.stdout

    assert found(DOCKERFILE) == ""
    assert "DL3002" in found(DOCKERFILE.replace("USER 65532:65532", "USER root"))
