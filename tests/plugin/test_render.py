"""`mlmesh render`: a chart rendered by the Helm on PATH, and post-rendered; all of it or nothing."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.support.rule_cases import CASES
from tests.support.streams import BIN, policy, route

Get = Callable[[str], Helm]
both = pytest.mark.parametrize("name", ["helm3", "helm4"])


def render(helm: Helm, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed command, with this Helm on PATH."""
    return subprocess.run(
        [str(BIN / "mlmesh"), "render", *arguments],
        cwd=ROOT, env={**helm.environment, **environment}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def chart(folder: Path, text: str) -> str:
    """A chart that renders `text`."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: theirs\nversion: 1.0.0\n")
    (folder / "templates" / "all.yaml").write_text(text)
    return str(folder)


@both
def test_it_is_helm_template_and_the_post_renderer(helm: Get, name: str) -> None:
    """The same bytes, with whatever arguments of `helm template`, flags in front included."""
    arguments = ["--namespace", "ml-mesh", "ml-mesh", "chart/", "--values=values/prod.yaml", "--set", "profile=large"]
    done = render(helm(name), *arguments)
    assert done.returncode == 0, done.stderr
    stream = helm(name).run("template", *arguments)
    post = subprocess.run(
        [str(BIN / "mlmesh-post"), "--namespace=ml-mesh"],
        input=stream.stdout, env=helm(name).environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == post.stdout
    assert "kind: VirtualService" in done.stdout


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_no_manifest(helm: Get, flag: str) -> None:
    """Behind a chart, too, where Helm would print its own."""
    done = render(helm("helm4"), "ml-mesh", "chart/", flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert "post-render it" in done.stdout


@pytest.mark.parametrize("flag", [["--namespace", "ml"], ["--namespace=ml"], ["-n", "ml"], ["-n=ml"], ["-nml"]])
def test_the_namespace_is_helms(helm: Get, tmp_path: Path, flag: list[str]) -> None:
    """Objects that name none are judged as in the namespace that Helm was told, in each spelling."""
    text = (CASES / "MLM701" / "bad.yaml").read_text().split("---\n", 1)[1].replace("namespace: ml", "")
    done = render(helm("helm3"), "theirs", chart(tmp_path / "theirs", text), *flag, MLMESH_NAMESPACE="elsewhere")
    assert done.returncode == 1
    assert "Gateway ml/gw" in done.stderr
    done = render(
        helm("helm3"), "theirs", str(tmp_path / "theirs"), *(flag if flag[0] == "-n" else ()), HELM_NAMESPACE="ml"
    )
    assert "Gateway ml/gw" in done.stderr


@both
def test_nothing_is_printed_of_what_went_wrong(helm: Get, name: str, tmp_path: Path) -> None:
    """Each kind of failure has its exit code, its words on standard error, and no manifest."""
    found = helm(name)
    cases = (
        (1, (CASES / "MLM701" / "bad.yaml").read_text(), "ERROR MLM701"),
        (2, "{{ fail `replicas are missing` }}", "replicas are missing"),
        (2, "# nothing\n", "the chart renders no object"),
        (2, "kind: List\napiVersion: v1\nitems: []\n", "the chart renders no object"),
        (2, "kind: ConfigMap\nmetadata: {name: a}\n", "the object has no apiVersion"),
    )
    for number, (code, text, said) in enumerate(cases):
        done = render(found, "theirs", chart(tmp_path / str(number), text))
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert said in done.stderr
    done = render(found, "theirs", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "helm template failed" in done.stderr


def test_what_would_go_past_the_post_renderer_is_refused(helm: Get, tmp_path: Path) -> None:
    """--output-dir has Helm itself write the files."""
    for flag in (["--output-dir", str(tmp_path)], [f"--output-dir={tmp_path}"]):
        done = render(helm("helm3"), "ml-mesh", "chart/", *flag)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--output-dir" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_helm_is_told(helm: Get) -> None:
    """Rather than a traceback."""
    done = render(helm("helm3"), "ml-mesh", "chart/", PATH=str(BIN))
    assert done.returncode == 2
    assert "put Helm 3 or Helm 4 on PATH" in done.stderr


def test_the_post_renderers_variables_count(helm: Get, tmp_path: Path) -> None:
    """A policy, and a report that is written also when the run is refused."""
    (tmp_path / "policy.yaml").write_text(policy(endpoints={"types": {"chat": {"timeout": "77s"}}}))
    theirs = chart(tmp_path / "theirs", route())
    report = tmp_path / "report"
    environment = {"MLMESH_POLICY": str(tmp_path / "policy.yaml"), "MLMESH_REPORT": str(report)}
    done = render(helm("helm3"), "theirs", theirs, **environment)
    assert 'timeout: "77s"' in done.stdout, done.stderr
    assert report.exists()


def test_no_value_of_the_call_is_repeated(helm: Get, tmp_path: Path) -> None:
    """A secret of --set is in no message, whatever fails."""
    for text in ("{{ fail `no` }}", "# nothing\n", (CASES / "MLM701" / "bad.yaml").read_text()):
        done = render(helm("helm3"), "theirs", chart(tmp_path / str(len(text)), text), "--set", "key=hunter2")
        assert done.returncode != 0
        assert "hunter2" not in done.stderr
