"""The pipeline in one script, run as it stands against the real API server and mesh."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dev.helm import Helm
from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually
from dev.toolchain import ROOT
from tests.mesh.upgrades import Upgrade
from tests.support.sarif import refused

SCRIPT = ROOT / "deploy" / "pipeline.sh"
MODEL = "http://inference-service.ml-serving:8080/v1/models/m"
# Under every environment: the request that `helm test` sends through the gateway.
ASKED = "routes: {inference-route: {test: {path: /v1/models/m}}}\ntest: {timeout: 20s}\n"
BAD = {
    # A caller in a namespace where its account is not: judged before anything is asked of the cluster.
    "refused": "callers: {frontend: {namespace: serving}}\n",
    # Nothing is wrong with it as it stands, and the gateway answers 404.
    "broken": "routes: {inference-route: {test: {path: /nowhere}}}\n",
}
Pipeline = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, mesh: Mesh, upgrade: Upgrade) -> Helm:
    """Each Helm; the session's release is as it was at the end."""
    del upgrade
    return Helm(request.param, mesh.home / f"pipeline-{request.param}", mesh.cluster)


@pytest.fixture
def pipeline(helm: Helm, tmp_path: Path) -> Pipeline:
    """`pipeline(*environments)`: the script in a folder that holds what a repository of values holds."""
    (tmp_path / "chart").symlink_to(ROOT / "chart")
    shutil.copytree(ROOT / "values", tmp_path / "values")
    (tmp_path / "values" / "asked.yaml").write_text(ASKED)
    for name, text in BAD.items():
        (tmp_path / "values" / f"{name}.yaml").write_text(text)

    def run(*environments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        base = {"BASE": "values/demo.yaml values/asked.yaml"}
        return subprocess.run(
            ["bash", str(SCRIPT), *environments],
            cwd=tmp_path,
            env={**helm.environment, **base, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )

    return run


def revision(helm: Helm) -> int:
    done = helm.run("history", "ml-mesh", "--namespace", "ml-mesh", "--max", "1", "--output", "json")
    return int(json.loads(done.stdout)[-1]["revision"])


def manifest(helm: Helm) -> str:
    return helm.run("get", "manifest", "ml-mesh", "--namespace", "ml-mesh").stdout


def objects(stream: str) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in yaml.safe_load_all(stream) if each)


def test_from_development_to_production(
    mesh: Mesh, helm: Helm, pipeline: Pipeline, frontend: Pod, tmp_path: Path
) -> None:
    """Unit tests, lint, findings as SARIF, what changes, install, `helm test`: dev, then staging, then prod."""
    tests = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")]
    before = revision(helm)
    done = pipeline("dev", "staging", "prod", UNIT_TESTS=" ".join([*tests, str(ROOT / "tests/chart/test_overlays.py")]))
    assert done.returncode == 0, done.stdout + done.stderr
    steps = re.findall(r"^== (.+)$", done.stdout, re.MULTILINE)
    each = ("lint", "check", "diff", "install", "test")
    assert steps == ["all: unit tests", *(f"{name}: {step}" for name in ("dev", "staging", "prod") for step in each)]
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE)
    assert revision(helm) == before + 3
    for name in ("dev", "staging", "prod"):
        log = json.loads((tmp_path / "reports" / f"{name}.sarif").read_text())
        assert list(refused(log)) == []
    change = (tmp_path / "reports" / "staging.diff.md").read_text()
    assert "inference.dev.ml.example.com" in change
    assert "inference.staging.ml.example.com" in change
    assert objects((tmp_path / "reports" / "prod.yaml").read_text()) == objects(manifest(helm))
    mesh.wait_for_pods()
    assert eventually(lambda: frontend.call(MODEL).status == 200)


def test_a_bad_change_is_refused_before_it_reaches_the_cluster(helm: Helm, pipeline: Pipeline) -> None:
    """It ends with 1 and the finding; what runs is what ran, and the environment after it is not begun."""
    before = revision(helm), manifest(helm)
    done = pipeline("refused", "prod")
    assert done.returncode == 1
    assert "ERROR MLM401" in done.stdout + done.stderr
    assert "refused: refused, and nothing was changed" in done.stderr
    assert "prod" not in done.stdout
    assert (revision(helm), manifest(helm)) == before


def test_a_release_that_fails_its_tests_is_rolled_back(
    mesh: Mesh, helm: Helm, pipeline: Pipeline, frontend: Pod
) -> None:
    """The gateway answers 404 where an answer was promised: the revision before it runs again, with its manifests."""
    before = revision(helm), manifest(helm)
    done = pipeline("broken")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"broken: it did not work, and revision {before[0]} runs again" in done.stderr
    assert revision(helm) == before[0] + 2
    assert manifest(helm) == before[1]
    mesh.wait_for_pods()
    assert eventually(lambda: frontend.call(MODEL).status == 200)


def test_what_is_no_environment_is_told(pipeline: Pipeline) -> None:
    """Exit 2 with the file that is missing; without arguments, with how it is called."""
    done = pipeline("nowhere")
    assert (done.returncode, done.stderr) == (2, "pipeline: nowhere: there is no file values/nowhere.yaml\n")
    assert pipeline().stderr.startswith("Usage: deploy/pipeline.sh ENVIRONMENT...")
