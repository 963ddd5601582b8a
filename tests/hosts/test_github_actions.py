"""deploy/github/mesh.yml: a workflow of GitHub, whose shells are run as they stand there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from dev.toolchain import ROOT
from tests.support import sarif
from tests.support.clusters import TestCluster
from tests.support.pipelines import GitHubJob, Step
from tests.support.schemas import invalid

FILE = ROOT / "deploy" / "github" / "mesh.yml"
TEMPLATE = "charts/ml-mesh/templates/more.yaml"
Machine = Callable[[str], dict[str, str]]
both = pytest.mark.parametrize("helm_name", ["helm3", "helm4"])


def by_name(steps: list[Step]) -> dict[str, Step]:
    """The steps by their names."""
    return {step.name: step for step in steps}


def failed(steps: list[Step]) -> list[str]:
    """The names of those that failed."""
    return [step.name for step in steps if step.code]


def check(folder: Path, environment: str = "prod") -> GitHubJob:
    """The job of a pull request."""
    return GitHubJob(FILE, "check", folder, {"environment": environment}, github={"event_name": "pull_request"})


def test_it_is_a_workflow() -> None:
    """By GitHub's schema, which refuses a key that is misspelt; only what writes alerts may write."""
    assert invalid("github-workflows", FILE.read_text()) == ""
    assert "runs-in" in invalid("github-workflows", FILE.read_text().replace("runs-on", "runs-in", 1))
    workflow = yaml.safe_load(FILE.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert [job.get("permissions") for job in workflow["jobs"].values()] == [
        {"contents": "read", "security-events": "write"},
        None,
    ]


@both
def test_a_good_change_passes_in_every_environment(
    checkout: Path, machine: Machine, wheel: Path, tool: Callable[[str], str], helm_name: str
) -> None:
    """Every step, with a report for code scanning in a category of its own, and test results."""
    environment = machine(helm_name)
    categories = set()
    for name in ("staging", "prod"):
        steps = check(checkout, name).run(environment, MLMESH=str(wheel))
        assert failed(steps) == [], steps
        upload = by_name(steps)["github/codeql-action/upload-sarif"].given
        categories.add(upload["category"])
        log = json.loads((checkout / upload["sarif_file"]).read_text())
        assert list(sarif.refused(log)) == []
        assert sarif.invalid(log, tool("sarif-schema")) == []
        assert all(result["level"] != "error" for result in log["runs"][0]["results"])
        tests = ET.parse(checkout / by_name(steps)["actions/upload-artifact"].given["path"]).getroot()  # noqa: S314
        assert tests[0].get("failures") == "0"
    assert categories == {"mlmesh-staging", "mlmesh-prod"}


@both
@pytest.mark.usefixtures("bad_change")
def test_a_bad_change_fails_at_the_check_and_is_shown_at_its_file(
    checkout: Path, machine: Machine, wheel: Path, tool: Callable[[str], str], helm_name: str
) -> None:
    """The annotation, the alert and the failed case name the template as the repository has it; nothing is left out."""
    steps = check(checkout).run(machine(helm_name), MLMESH=str(wheel))
    assert failed(steps) == ["Check"], steps
    found = by_name(steps)
    assert f"::error file={TEMPLATE},title=MLM701 " in found["Check"].output
    log = json.loads((checkout / found["github/codeql-action/upload-sarif"].given["sarif_file"]).read_text())
    assert list(sarif.refused(log)) == []
    assert sarif.invalid(log, tool("sarif-schema")) == []
    (alert,) = [result for result in log["runs"][0]["results"] if result["level"] == "error"]
    assert alert["ruleId"] == "MLM701"
    assert alert["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == TEMPLATE
    assert (checkout / TEMPLATE).exists()
    tests = ET.parse(checkout / found["actions/upload-artifact"].given["path"]).getroot()  # noqa: S314
    assert tests[0].get("failures") == "1"


def test_a_bad_value_is_shown_at_its_line(checkout: Path, machine: Machine, wheel: Path) -> None:
    """The annotation and the alert are in the environment's file, at the value that the finding is owed to."""
    file = checkout / "environments" / "prod.yaml"
    text = file.read_text() + "gateways: {ml-gateway: {listeners: {grpc: {port: 8081,\n  protocol: GRPC}}}}\n"
    file.write_text(text)
    steps = check(checkout).run(machine("helm3"), MLMESH=str(wheel))
    assert failed(steps) == ["Check"], steps
    found = by_name(steps)
    at = len(text.splitlines())
    assert f"::error file=environments/prod.yaml,line={at},title=MLM701 " in found["Check"].output
    log = json.loads((checkout / found["github/codeql-action/upload-sarif"].given["sarif_file"]).read_text())
    (alert,) = [result for result in log["runs"][0]["results"] if result["ruleId"] == "MLM701"]
    place = alert["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("environments/prod.yaml", at)


def test_each_mistake_fails_at_its_step(checkout: Path, machine: Machine, wheel: Path, tmp_path: Path) -> None:
    """Values that the schema refuses at the lint; Helm's failure in a pipe at the render, not as an empty release."""
    environment = machine("helm3")
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "helm").write_text(
        f'#!/bin/sh\n[ "$1" = template ] && exit 1\nexec {shutil.which("helm", path=environment["PATH"])} "$@"\n'
    )
    (broken / "helm").chmod(0o755)
    steps = check(checkout).run({**environment, "PATH": f"{broken}:{environment['PATH']}"}, MLMESH=str(wheel))
    assert failed(steps) == ["Render"], steps
    assert "github/codeql-action/upload-sarif" not in by_name(steps)
    (checkout / "environments" / "prod.yaml").write_text("mtsl: {}\n")
    steps = check(checkout).run(environment, MLMESH=str(wheel))
    assert failed(steps) == ["Lint"], steps


def test_a_push_to_main_installs(
    cluster: TestCluster, checkout: Path, machine: Machine, wheel: Path, bad_change: Path
) -> None:
    """With the post-renderer, after the check; a bad change that got there changes nothing in the cluster."""
    environment = machine("helm3")

    def install(event: str = "push") -> GitHubJob:
        secrets = {"KUBECONFIG": cluster.kubeconfig.read_text()}
        return GitHubJob(
            FILE, "install", checkout, {"environment": "prod"}, github={"event_name": event}, secrets=secrets
        )

    assert install().job["needs"] == "check"
    assert not install("pull_request").wanted
    assert install().wanted
    try:
        steps = install().run(environment, MLMESH=str(wheel))
        assert failed(steps) == ["Install"], steps
        assert "ERROR MLM701" in by_name(steps)["Install"].output
        assert cluster.get("namespace", "ml-serving") is None
        bad_change.unlink()
        steps = install().run(environment, MLMESH=str(wheel))
        assert failed(steps) == [], steps
        stored: Any = cluster.get("virtualservice.networking.istio.io", "llm-timeouts", "ml-serving")
        assert "mlmesh.dev/rendered-by" in stored["metadata"]["annotations"]
    finally:
        cluster.empty()
