"""The hooks of .pre-commit-hooks.yaml, by the real pre-commit in a repository with docs/hosts/pre-commit.md's file."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.support.rule_cases import CASES

PAGE = (ROOT / "docs" / "hosts" / "pre-commit.md").read_text()
BAD = (CASES / "MLM701" / "bad.yaml").read_text()
GOOD = (CASES / "MLM701" / "good.yaml").read_text()
PRE_COMMIT = str(Path(sys.executable).parent / "pre-commit")


class Repository:
    """A git repository with hooks."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in it; a failure is the caller's to judge."""
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=600
        )

    def commit(self, **files: str) -> subprocess.CompletedProcess[str]:
        """Write files, by their names with `__` for `/` and without `.yaml`, and commit all."""
        for name, text in files.items():
            path = self.folder / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.run("git", "add", "--all")
        return self.run("git", "commit", "--message", "change")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, helm: Callable[[str], Helm]) -> Repository:
    """The page's configuration, with a clone of this checkout for the hooks' repository, and the chart."""
    home = tmp_path_factory.mktemp("pre-commit")
    found = helm("helm3")
    git = {"GIT_CONFIG_GLOBAL": str(home / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
    base = {name: value for name, value in found.environment.items() if not name.startswith("GIT_")}
    path = f"{found.program.parent}:{os.environ['PATH']}"
    environment = {**base, **git, "PRE_COMMIT_HOME": str(home / "cache"), "PATH": path}
    (home / "gitconfig").write_text("[user]\nname = A\nemail = a@example.com\n[safe]\ndirectory = *\n")
    folder = home / "repository"
    folder.mkdir()
    made = Repository(folder, environment)
    clone = made.run("git", "clone", "--quiet", "--no-local", str(ROOT), str(home / "hooks"))
    assert clone.returncode == 0, clone.stderr
    revision = made.run("git", "-C", str(home / "hooks"), "rev-parse", "HEAD").stdout.strip()
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    config = yaml.safe_load(text)
    config["repos"][0] |= {"repo": str(home / "hooks"), "rev": revision}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (folder / "environments").mkdir()
    shutil.copy(ROOT / "values" / "prod.yaml", folder / "environments")
    shutil.copytree(ROOT / "chart", folder / "charts" / "ml-mesh")
    for command in (("git", "init", "--quiet"), (PRE_COMMIT, "install", "--install-hooks")):
        done = made.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_the_hooks_are_hooks() -> None:
    """By pre-commit's own reading."""
    done = subprocess.run(
        [PRE_COMMIT, "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {hook["id"] for hook in hooks} == set(re.findall(r"- id: (\S+)", PAGE))


def test_a_good_commit_is_made_and_a_bad_one_is_not(repository: Repository) -> None:
    """What is wrong is said, with the file; a file that no hook is for is nobody's."""
    done = repository.commit(manifests__gateway=GOOD, other="a: 1\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^mlmesh check\.+Passed$", done.stderr, re.MULTILINE)
    assert re.search(r"^mlmesh render\.+Passed$", done.stderr, re.MULTILINE)
    before = repository.run("git", "rev-parse", "HEAD").stdout
    done = repository.commit(manifests__gateway=BAD)
    assert done.returncode == 1
    assert "ERROR MLM701" in done.stderr
    assert "manifests/gateway.yaml:" in done.stderr
    assert repository.run("git", "rev-parse", "HEAD").stdout == before
    assert repository.commit(manifests__gateway=GOOD + "# mended\n").returncode == 0


def test_all_manifests_are_one_release(repository: Repository) -> None:
    """A change is judged with the files that the commit leaves alone."""
    note = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: note, namespace: ml}\n"
    assert repository.commit(manifests__gateway=GOOD, manifests__note=note).returncode == 0
    (repository.folder / "manifests" / "gateway.yaml").write_text(BAD)
    repository.run("git", "commit", "--all", "--no-verify", "--message", "past the hooks")
    done = repository.commit(manifests__note=note + "# changed\n")
    assert done.returncode == 1
    assert "manifests/gateway.yaml:" in done.stderr
    assert repository.commit(manifests__gateway=GOOD).returncode == 0


def test_a_chart_that_breaks_an_invariant_is_not_committed(repository: Repository) -> None:
    """The hook renders it with the environment's values; no manifests are printed into the terminal."""
    done = repository.commit(**{"charts__ml-mesh__templates__x": BAD})
    assert done.returncode == 1
    assert re.search(r"^mlmesh render\.+Failed$", done.stderr, re.MULTILINE)
    assert "ERROR MLM701" in done.stderr
    assert "\nkind: VirtualService" not in done.stderr
    (repository.folder / "charts" / "ml-mesh" / "templates" / "x.yaml").unlink()
    assert repository.commit(environments__prod="mtsl: {}\n").returncode == 1
