"""deploy/gitlab/mesh.gitlab-ci.yml: a pipeline of GitLab, whose scripts are run as they stand there."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from dev.toolchain import ROOT
from tests.support.clusters import TestCluster
from tests.support.pipelines import gitlab_job
from tests.support.reports import CODE_QUALITY
from tests.support.schemas import invalid

FILE = ROOT / "deploy" / "gitlab" / "mesh.gitlab-ci.yml"
Machine = Callable[[str], dict[str, str]]


@pytest.fixture(params=["helm3", "helm4"])
def image(request: pytest.FixtureRequest, helm: Callable[[str], Any]) -> dict[str, str]:
    """The environment of a container that has mlmesh and a Helm."""
    environment: dict[str, str] = helm(request.param).environment
    return environment


def reports(folder: Path, job: dict[str, Any]) -> tuple[list[dict[str, Any]], ET.Element]:
    """The issues and the suite of tests that the job's artifacts are, each as GitLab takes it."""
    assert job["artifacts"]["when"] == "always"
    names = job["artifacts"]["reports"]
    issues = json.loads((folder / names["codequality"]).read_text())
    jsonschema.validate(issues, CODE_QUALITY)
    return issues, ET.parse(folder / names["junit"]).getroot()[0]  # noqa: S314 - our own output


def test_it_is_a_pipeline() -> None:
    """By GitLab's schema, which refuses a key that is misspelt."""
    assert invalid("gitlab-ci", FILE.read_text()) == ""
    page = (ROOT / "docs" / "hosts" / "gitlab-ci.md").read_text()
    (including,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert invalid("gitlab-ci", including) == ""
    assert "scripts" in invalid("gitlab-ci", FILE.read_text().replace("  script:", "  scripts:"))


def test_a_good_change_passes_in_every_environment(checkout: Path, image: dict[str, str]) -> None:
    """Both reports are there, and know no error."""
    for name in ("staging", "prod"):
        job, done = gitlab_job(FILE, "mesh-check", checkout, image, ENVIRONMENT=name)
        assert done.returncode == 0, done.stdout
        issues, suite = reports(checkout, job)
        assert all(issue["severity"] != "critical" for issue in issues)
        assert suite.get("failures") == "0"


def test_a_bad_change_fails_and_is_shown_at_its_file(checkout: Path, bad_change: Path, image: dict[str, str]) -> None:
    """The issue is at the template as the repository has it; the case failed; the log says what to do."""
    job, done = gitlab_job(FILE, "mesh-check", checkout, image, ENVIRONMENT="prod")
    assert done.returncode == 1, done.stdout
    assert "ERROR MLM701" in done.stdout
    issues, suite = reports(checkout, job)
    (issue,) = [issue for issue in issues if issue["severity"] == "critical"]
    assert checkout / issue["location"]["path"] == bad_change
    assert suite.get("failures") == "1"


@pytest.mark.parametrize("broken", ["environments/prod.yaml", "charts/ml-mesh/templates/more.yaml"])
def test_what_helm_refuses_fails(checkout: Path, image: dict[str, str], broken: str) -> None:
    """Values that the schema refuses, and a template that cannot be rendered."""
    (checkout / broken).write_text("mtsl: {}\n" if broken.startswith("environments") else "{{ fail `no` }}\n")
    _, done = gitlab_job(FILE, "mesh-check", checkout, image, ENVIRONMENT="prod")
    assert done.returncode == 1, done.stdout
    assert "mlmesh: " not in done.stdout


def test_the_default_branch_installs(
    cluster: TestCluster, checkout: Path, image: dict[str, str], bad_change: Path
) -> None:
    """With the post-renderer; a bad change that got there changes nothing in the cluster."""
    environment = {**image, "KUBECONFIG": str(cluster.kubeconfig)}
    try:
        _, done = gitlab_job(FILE, "mesh-install", checkout, environment, ENVIRONMENT="prod")
        assert done.returncode == 1, done.stdout
        assert "ERROR MLM701" in done.stdout
        assert cluster.get("namespace", "ml-serving") is None
        bad_change.unlink()
        _, done = gitlab_job(FILE, "mesh-install", checkout, environment, ENVIRONMENT="prod")
        assert done.returncode == 0, done.stdout
        stored: Any = cluster.get("virtualservice.networking.istio.io", "llm-timeouts", "ml-serving")
        assert "mlmesh.dev/rendered-by" in stored["metadata"]["annotations"]
    finally:
        cluster.empty()
