"""What tests/hosts begin with: a cluster, a repository with a chart, and the wheel that pipelines install."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.cluster.releases import Releases
from tests.support.clusters import TestCluster
from tests.support.rule_cases import CASES


@pytest.fixture
def releases(cluster: TestCluster) -> Iterator[Releases]:
    """Releases of the chart in a cluster that holds none yet; whatever a test installs is gone when it ends."""
    own = Releases(cluster)
    own.clean()
    yield own
    own.clean()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository as deploy/github and deploy/gitlab have it: the chart, and values for two environments."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "chart", folder / "charts" / "ml-mesh")
    (folder / "environments").mkdir()
    for name in ("staging", "prod"):
        shutil.copy(ROOT / "values" / f"{name}.yaml", folder / "environments")
    return folder


@pytest.fixture
def bad_change(checkout: Path) -> Path:
    """A template more, that breaks an invariant."""
    file = checkout / "charts" / "ml-mesh" / "templates" / "more.yaml"
    file.write_text((CASES / "MLM701" / "bad.yaml").read_text())
    return file


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory, helm: Callable[[str], Helm]) -> Callable[[str], dict[str, str]]:
    """`machine(name)`: the environment of a runner with Python, the Helm called `name`, and no mlmesh yet."""

    def get(name: str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("python")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
        pip = folder / "bin" / "pip"  # ours, which installs into it: Python may come without ensurepip
        pip.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip --quiet --python "{folder}/bin/python" "$@"\n')
        pip.chmod(0o755)
        found = helm(name)
        path = f"{folder}/bin:{found.program.parent}:{os.defpath}"
        return {**found.environment, "PATH": path, "HOME": str(folder)}

    return get
