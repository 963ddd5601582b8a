"""Findings tell the line of the values that they are owed to: one value of a file is broken, and its line is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.support.checks import check, found
from tests.support.sarif import refused
from tests.support.streams import run

CHART = str(ROOT / "chart")
WORKLOAD = """\
components:
  reranker:
    role: inference
    namespace: serving
    selector: {app: reranker}
    ports:
      %s: {port: 8080}
    workload:
      kind: Deployment
      spec:
        template:
          metadata: {annotations: {}}
          spec:
            containers: [{name: server, image: "registry.example.com/x:1"}]
"""
# Values, with the line that is broken marked by `# here`; the rule's code; and the dotted path.
BROKEN = {
    "a listener's protocol": (
        "gateways:\n  ml-gateway:\n    listeners:\n      grpc:\n        port: 8081\n        protocol: GRPC # here\n",
        "MLM701",
        "gateways.ml-gateway.listeners.grpc.protocol",
    ),
    "a try that outlasts its route": (
        "# models\nmodels:\n  inference-service:\n    versions:\n      v2:\n        pinned:\n          timeout: 3s\n"
        "          retries:\n            retryOn: 5xx\n            perTryTimeout: 10s # here\n",
        "MLM201",
        "models.inference-service.versions.v2.pinned.retries.perTryTimeout",
    ),
    "a pod's annotation": (
        WORKLOAD.replace(
            "{annotations: {}}",
            '\n            annotations:\n              sidecar.istio.io/proxyCPU: "9" # here\n'
            '              sidecar.istio.io/proxyCPULimit: "1"',
        )
        % "http",
        "MLM503",
        r"components.reranker.workload.spec.template.metadata.annotations.sidecar\.istio\.io/proxyCPU",
    ),
    "a port's name": (
        (WORKLOAD % "web").replace("web: {port: 8080}", "web: {port: 8080} # here"),
        "MLM309",
        "components.reranker.ports.web",
    ),
    "retries of a generation": (
        "llm:\n  qwen:\n    namespace: serving\n    endpoints:\n      chat:\n        prefix: /v1/chat/completions\n"
        "        rule:\n          timeout: 900s\n          retries:\n            attempts: 1\n"
        "            perTryTimeout: 400s\n            retryOn: 5xx # here\n",
        "MLM203",
        "llm.qwen.endpoints.chat.rule.retries.retryOn",
    ),
    "what is derived from a block of the policy": (
        "policy:\n  endpoints:\n    types:\n      chat:\n        timeout: 10s\n        attempts: 5\n"
        "        perTryTimeout: 60s # here\n",
        "MLM201",
        "policy.endpoints.types.chat.perTryTimeout",
    ),
    "a caller whom nobody is": (
        "# callers\ncallers:\n  frontend: # here\n    namespace: serving\n",
        "MLM401",
        "callers.frontend",
    ),
    "a caller of one's own": (
        "callers:\n  batch: # here\n    namespace: training\n    serviceAccount: batch-jobs\n"
        "components: {inference-service: {accepts: {predict: {callers: {batch: true}}}}}\n",
        "MLM401",
        "callers.batch",
    ),
    "an allowance that excuses nothing": (
        "policy:\n  invariants:\n    allow: # here\n"
        "      - {code: MLM203, kind: VirtualService, name: none, reason: because}\n",
        "MLM001",
        "policy.invariants.allow",
    ),
}


def line_of(text: str) -> int:
    """The line that is marked."""
    return next(number for number, line in enumerate(text.split("\n"), 1) if line.endswith("# here"))


def owed(report: bytes, code: str) -> list[dict[str, Any] | None]:
    """What each finding of a code is owed to."""
    return [each["values"] for each in json.loads(report)["findings"] if each["code"] == code]


@pytest.fixture(params=["helm3", "helm4"])
def render(request: pytest.FixtureRequest, helm: Callable[[str], Helm]) -> Callable[..., str]:
    """The rendered stream of the chart with values files, by each Helm in turn."""

    def rendered(*files: Path, chart: str = CHART) -> str:
        done = helm(request.param).run("template", "ml-mesh", chart, *(f"-f={file}" for file in files))
        assert done.returncode == 0, done.stderr
        return done.stdout

    return rendered


@pytest.mark.parametrize(("text", "code", "path"), BROKEN.values(), ids=BROKEN)
def test_a_broken_value_is_told_with_its_line(
    render: Callable[..., str], tmp_path: Path, text: str, code: str, path: str
) -> None:
    """In a file over which others lie, and which lies over one: the line is that of the file with the value."""
    base, broken = tmp_path / "base.yaml", tmp_path / "broken.yaml"
    base.write_text("# base\nprofile: recommended\n")
    broken.write_text(text)
    done = check(
        "--post-render",
        "--format=json",
        f"--values={base}",
        f"--values={broken}",
        stdin=render(base, broken),
    )
    assert {"path": path, "file": str(broken), "line": line_of(text)} in owed(done.stdout, code)
    found(done)  # as its schema says


def test_what_the_defaults_say_is_owed_to_no_line(render: Callable[..., str], tmp_path: Path) -> None:
    """Nor is anything to a file that says something else; the finding keeps its place."""
    values = tmp_path / "values.yaml"
    values.write_text(
        "policy: {invariants: {severity: {MLM101: info}}}\n"
        "components: {access: {enabled: false, role: inference, namespace: serving, selector: {app: x}}}\n"
    )
    done = check("--post-render", "--format=json", f"--values={values}", stdin=render(values))
    shape = json.loads(done.stdout)["findings"]
    assert {"MLM202", "MLM203"} <= {each["code"] for each in shape}
    assert {json.dumps(each["values"]) for each in shape} == {"null"}


def test_other_charts_are_not_looked_at(tmp_path: Path) -> None:
    """A Gateway of the same name, without the chart's label, is owed to nothing."""
    values = tmp_path / "values.yaml"
    values.write_text("gateways: {gw: {listeners: {grpc: {protocol: GRPC}}}}\n")
    gateway = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: ml%s}
spec: {gatewayClassName: istio, listeners: [{name: grpc, port: 80, protocol: GRPC}]}
"""
    theirs = check(
        "--format=json", f"--values={values}", stdin=gateway % ", labels: {app.kubernetes.io/part-of: theirs}"
    )
    assert owed(theirs.stdout, "MLM701") == [None]
    ours = check(
        "--format=json", f"--values={values}", stdin=gateway % ", labels: {app.kubernetes.io/part-of: ml-mesh}"
    )
    assert owed(ours.stdout, "MLM701") != [None]


def test_as_a_subchart(render: Callable[..., str], tmp_path: Path) -> None:
    """The values are below the chart's alias then."""
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / "ml-mesh").symlink_to(CHART)
    (parent / "Chart.yaml").write_text(
        "{apiVersion: v2, name: parent, version: 1.0.0,"
        " dependencies: [{name: ml-mesh, alias: mesh, version: '*', repository: ''}]}"
    )
    text, code, path = BROKEN["a listener's protocol"]
    values = tmp_path / "values.yaml"
    values.write_text("mesh:\n" + "".join(f"  {line}\n" for line in text.rstrip("\n").split("\n")))
    stream = render(values, chart=str(parent))
    done = check("--post-render", "--format=json", f"--values={values}", stdin=stream)
    assert owed(done.stdout, code) == [{"path": f"mesh.{path}", "file": str(values), "line": line_of(text) + 1}]


def test_reports_are_placed_at_the_values(
    render: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SARIF as GitHub wants it, its annotations, JUnit and text: the committed file, and the line in it."""
    text, _, path = BROKEN["a listener's protocol"]
    values = tmp_path / "values.yaml"
    values.write_text(text)
    stream, at = render(values), line_of(text)
    monkeypatch.chdir(tmp_path)  # the root of the repository, in a pipeline
    call = ("--post-render", "--values=values.yaml")
    log = json.loads(check(*call, "--format=sarif", stdin=stream).stdout)
    assert list(refused(log)) == []
    (result,) = (each for each in log["runs"][0]["results"] if each["ruleId"] == "MLM701")
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "values.yaml"
    assert physical["region"]["startLine"] == at
    annotations = check(*call, "--format=github", stdin=stream).stdout.decode()
    assert f"file=values.yaml,line={at},title=MLM701" in annotations
    assert f'file="values.yaml" line="{at}"' in check(*call, "--format=junit", stdin=stream).stdout.decode()
    assert f"  values: values.yaml:{at}, {path}" in check(*call, stdin=stream).stdout.decode()


def test_the_post_renderer_says_so_too(render: Callable[..., str], tmp_path: Path) -> None:
    """In its refusal and its report, by the option and by the variable, which names files with colons."""
    text, _, path = BROKEN["a listener's protocol"]
    base, values = tmp_path / "base.yaml", tmp_path / "values.yaml"
    base.write_text("{}\n")
    values.write_text(text)
    stream, report = render(values), tmp_path / "report.json"
    done = run(f"--values={values}", stdin=stream)
    said = f"values: {values}:{line_of(text)}, {path}"
    assert (done.returncode, said in done.stderr.decode()) == (1, True)
    call = {"MLMESH_VALUES": f"{base}:{values}", "MLMESH_REPORT": str(report), "MLMESH_REPORT_FORMAT": "json"}
    done = run(stdin=stream, **call)
    assert said in done.stderr.decode()
    assert owed(report.read_bytes(), "MLM701") == [{"path": path, "file": str(values), "line": line_of(text)}]


def test_a_file_that_is_wrong_is_told(tmp_path: Path) -> None:
    """With its line, and exit code 2; nothing is written."""
    values = tmp_path / "values.yaml"
    values.write_text("a: 1\nb: [\n")
    stream = (ROOT / "tests" / "plugin" / "invariants" / "MLM701" / "bad.yaml").read_text()
    for done in (check(f"--values={values}", stdin=stream), run(f"--values={values}", stdin=stream)):
        assert (done.returncode, done.stdout) == (2, b"")
        assert str(values) in done.stderr.decode()
