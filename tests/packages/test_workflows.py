"""The workflows: valid, safe by a linter's rules, and what they run works."""

import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import mlmesh
from dev.recipes import GO_NEEDED
from dev.toolchain import ROOT
from tests.packages.conftest import Released

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BIN = Path(sys.executable).parent
# Without the variables of the make that may have started the tests.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "ARGS"}


def loaded(name: str) -> dict[str, Any]:
    """A workflow, by its name."""
    # The key `on` stays a word.
    found: dict[str, Any] = yaml.load((ROOT / ".github" / "workflows" / name).read_text(), yaml.BaseLoader)  # noqa: S506
    return found


def linted(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a linter of this environment."""
    return subprocess.run([str(BIN / tool), *arguments], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_it_is_valid(workflow: Path, tmp_path: Path) -> None:
    """GitHub's schema of workflows takes it, and does not take it with a key that there is not."""
    schema = ["--builtin-schema", "vendor.github-workflows"]
    done = linted("check-jsonschema", *schema, str(workflow))
    assert done.returncode == 0, done.stdout
    (tmp_path / "wrong.yml").write_text(workflow.read_text().replace("runs-on:", "run-on:"))
    assert linted("check-jsonschema", *schema, str(tmp_path / "wrong.yml")).returncode == 1


def test_the_linter_has_nothing_to_say(tmp_path: Path) -> None:
    """zizmor finds no way in: no expression in a script, no credential left, no permission too many."""
    options = ["--offline", "--no-progress", "--config", str(ROOT / ".github" / "zizmor.yml")]
    done = linted("zizmor", *options, *map(str, WORKFLOWS))
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / ".github" / "workflows" / "wrong.yml"
    wrong.parent.mkdir(parents=True)
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    wrong.write_text(text.replace("- run: sudo", "- run: echo ${{ github.event.pull_request.title }} && sudo"))
    done = linted("zizmor", *options, str(wrong))
    assert "template-injection" in done.stdout
    assert done.returncode != 0


def test_actions_are_pinned_and_nobody_may_more_than_needed() -> None:
    """Each action of others has a version; a workflow grants nothing, and the job that signs may only read."""
    for workflow in WORKFLOWS:
        content = loaded(workflow.name)
        assert content["permissions"] == {}
        for job in content["jobs"].values():
            assert job["permissions"]
            for step in job.get("steps", []):
                assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])
    jobs = loaded("release.yml")["jobs"]
    assert jobs["make"]["permissions"] == {"contents": "read"}
    assert [name for name, job in jobs.items() if "SIGNING" in str(job)] == ["make"]
    assert jobs["publish"]["needs"] == "make"
    assert jobs["make"]["needs"] == "test"


def test_the_workflows_name_the_go_that_is_needed() -> None:
    """The Go of the workflows, and of the image, is the one of the programs."""
    needed = f"{GO_NEEDED[0]}.{GO_NEEDED[1]}"
    for workflow in WORKFLOWS:
        assert set(re.findall(r'go-version: "(.*)"', workflow.read_text())) == {needed}
    assert f"/golang:{needed}-" in (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which `make` takes this environment as made."""
    folder = tmp_path_factory.mktemp("checkout") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True, timeout=120)
    (folder / ".venv").symlink_to(BIN.parent)
    for name in ("requirements.lock", "pyproject.toml", "dev/bootstrap.py"):
        os.utime(folder / name, (0, 0))
    return folder


def step(checkout: Path, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the job that signs, by its name, as GitHub does: with bash -e and its variables."""
    (found,) = [each for each in loaded("release.yml")["jobs"]["make"]["steps"] if each.get("name") == name]
    assert set(found.get("env", {})) <= set(environment)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", found["run"]],
        cwd=checkout, env=CLEAN | environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_a_tag_that_is_not_the_version_is_refused(checkout: Path) -> None:
    """The step passes for the tag of the version alone, and tells both."""
    name = "the tag is the version"
    assert step(checkout, name, GITHUB_REF_NAME=f"v{mlmesh.__version__}").returncode == 0
    done = step(checkout, name, GITHUB_REF_NAME="v9.9.9")
    assert done.returncode == 1
    assert f"v9.9.9 is not v{mlmesh.__version__}" in done.stdout


def test_the_signing_step_signs_and_leaves_no_key(checkout: Path, released: Released, tmp_path: Path) -> None:
    """With the secrets that docs/releasing.md stores it makes a release; key and passphrase are gone after it."""
    keys = released.keys
    variables = {
        "SIGNING_KEYRING": base64.b64encode(keys.secret.read_bytes()).decode(),
        "SIGNING_PASSPHRASE": keys.passphrase.read_text(),
        "MLMESH_SIGNING_KEY": keys.name,
        "MLMESH_SIGNING_KEYRING": str(tmp_path / "secret.gpg"),
        "MLMESH_SIGNING_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
    }
    done = step(checkout, "make dist", **variables)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    made = checkout / "dist"
    assert {path.name for path in made.iterdir()} == {path.name for path in released.folder.iterdir()}
    shutil.rmtree(made)
    done = step(checkout, "make dist", **{**variables, "SIGNING_PASSPHRASE": "wrong"})
    assert done.returncode != 0
    assert not made.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_notes_are_the_section_of_the_version(checkout: Path) -> None:
    """`make notes` prints what CHANGELOG.md says of the version, or of what is unreleased, without its heading."""
    done = subprocess.run(
        ["make", "--silent", "notes"], cwd=checkout, env=CLEAN, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("### Added\n")
    assert "## [" not in done.stdout


def test_the_page_of_releasing_makes_a_signed_release(
    checkout: Path, released: Released, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The commands of docs/releasing.md make a key and, with it, a release; and one without signatures."""
    page = (ROOT / "docs" / "releasing.md").read_text()
    plain, signed, key = re.findall(r"^```sh(?: signed| key)?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    # Nobody is there whom gpg could ask for a passphrase.
    shim = tmp_path_factory.mktemp("bin") / "gpg"
    shim.write_text(f'#!/bin/sh\nexec {shutil.which("gpg")} --batch --pinentry-mode loopback --passphrase "" "$@"\n')
    shim.chmod(0o755)
    environment = {**CLEAN, "GNUPGHOME": str(home), "PATH": f"{shim.parent}:{os.environ['PATH']}"}
    (checkout / "passphrase").touch()
    files = {path.name for path in released.folder.iterdir()}
    without = {name for name in files if not name.endswith((".prov", ".asc", ".gpg"))}
    try:
        for block, expected in ((key, None), (plain, without), (signed, files)):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            if expected:
                assert {path.name for path in (checkout / "dist").iterdir()} == expected
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True, check=False)
    assert base64.b64decode((checkout / "secret.base64").read_text()) == (checkout / "secret.gpg").read_bytes()
