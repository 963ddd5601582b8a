"""The README's commands, run as they stand there, in a folder that holds what its reader has."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.cluster.releases import INSTALL, Releases
from tests.support.streams import pod, policy

README = (ROOT / "README.md").read_text()
# ```sh, or ```sh helm3: with which Helm the block is for; without one, for both
BLOCKS = re.findall(r"^```sh ?(helm3|helm4)?\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
VALUES = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
# ```yaml canary: canary.yaml, which the commands name
NAMED = dict(re.findall(r"^```yaml (\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a new virtual environment in which the README's `pip install .` was run."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    # The environment has no pip of its own where Python comes without ensurepip: ours installs into it.
    pip = folder / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip --python "{folder}/bin/python" "$@"\n')
    pip.chmod(0o755)
    (command,) = [text for _, text in BLOCKS if text.startswith("pip ")]
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_the_commands_work_in_their_order(releases: Releases, installed: Path, tmp_path: Path, name: str) -> None:
    """Each block exits with 0: install, upgrade with the first values file, the plan, somebody else's chart."""
    for folder in ("chart", "plugin", "values"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    for file, text in {"first-values": VALUES[0], **NAMED}.items():
        (tmp_path / f"{file}.yaml").write_text(text)
    theirs = tmp_path / "their-chart"
    (theirs / "templates").mkdir(parents=True)
    (theirs / "Chart.yaml").write_text("apiVersion: v2\nname: theirs\nversion: 1.0.0\n")
    (theirs / "templates" / "all.yaml").write_text(pod())
    (tmp_path / "platform-policy.yaml").write_text(policy(sidecars={"inference": {"proxyCPU": "750m"}}))

    helm = Helm(name, releases.cluster.kubeconfig.parent / name)
    environment = {
        **helm.environment,
        "KUBECONFIG": str(releases.cluster.kubeconfig),
        "HOME": str(tmp_path),
        "HELM_DATA_HOME": str(tmp_path / "helm"),
        "PATH": f"{installed}:{helm.program.parent}:{os.defpath}",
    }
    blocks = [text for which, text in BLOCKS if which == name]
    assert len(blocks) >= 2
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    if name == "helm3":
        assert "750m" in (tmp_path / "theirs.yaml").read_text()
    else:
        route = releases.cluster.get("virtualservice.networking.istio.io", "llm-timeouts", "ml-serving")
        assert route is not None
        assert route["spec"]["http"][0]["timeout"] == "600s"


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_the_first_steps_do_what_they_say(releases: Releases, tmp_path: Path, helm: str) -> None:
    """Each is a file under 15 lines; component, canary and LLM service with objectives are there after an upgrade."""
    assert set(NAMED) == {"component", "canary", "objectives"}
    arguments = ""
    for file, text in NAMED.items():
        assert len(text.splitlines()) < 15
        (tmp_path / f"{file}.yaml").write_text(text)
        arguments += f" --values {tmp_path}/{file}.yaml"
    releases.ok(helm, INSTALL)
    releases.ok(helm, f"upgrade ml-mesh chart/ --post-renderer mlmesh-post{arguments}")
    get = releases.cluster.get
    policy = get("authorizationpolicies.security.istio.io", "reranker-access", "ml-serving")
    assert policy is not None
    assert policy["spec"]["rules"][0]["from"][0]["source"]["principals"] == [
        "cluster.local/ns/ml-training/sa/pipeline-controller"
    ]
    assert get("service", "reranker", "ml-serving") is not None

    def rules(name: str) -> list[dict[str, Any]]:
        route = get("virtualservices.networking.istio.io", name, "ml-serving")
        assert route is not None
        found: list[dict[str, Any]] = route["spec"]["http"]
        return found

    pinned, split = rules("summarizer-routing")
    assert pinned["match"] == [{"headers": {"x-model-version": {"exact": "v2"}}}]
    assert {each["destination"]["host"]: each["weight"] for each in split["route"]} == {
        "summarizer-v1": 90,
        "summarizer-v2": 10,
    }
    chat = rules("qwen-timeouts")[0]
    # 8 s, and 4,000 tokens of 40 ms each, with the default headroom: far above the default of 120 s
    assert int(chat["timeout"].removesuffix("s")) > 8 + 4000 * 0.04
    releases.ok(
        helm, f"upgrade ml-mesh chart/ --post-renderer mlmesh-post{arguments} --set models.summarizer.canary.weight=100"
    )
    split = rules("summarizer-routing")[1]
    assert {each["destination"]["host"]: each["weight"] for each in split["route"]} == {
        "summarizer-v1": 0,
        "summarizer-v2": 100,
    }


def test_the_make_targets_exist() -> None:
    """The two commands that it begins with, and every other target it names, are in the Makefile."""
    targets = set(re.findall(r"[`$] ?make ([a-z-]+)", README))
    assert {"demo", "test", "demo-down"} <= targets
    makefile = (ROOT / "Makefile").read_text()
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_every_linked_page_exists() -> None:
    """No link of the README leads nowhere."""
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_exit_codes_are_those_of_the_help(installed: Path) -> None:
    """The table of exit codes names the codes that `mlmesh-post --help` names."""
    shown = subprocess.run(
        [str(installed / "mlmesh-post"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    listed = re.findall(r"^\| (\d+) \|", README, re.MULTILINE)
    assert listed == re.findall(r"^ +(\d+) +\S", shown, re.MULTILINE)
