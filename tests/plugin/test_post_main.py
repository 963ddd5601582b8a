"""`mlmesh-post` as a process: exit codes, where messages go, and what a failing run never prints."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

import mlmesh
from tests.support.streams import BIN, pod, policy, run

BROKEN = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: ml}
spec:
  gatewayClassName: istio
  listeners:
  - {name: grpc, port: 8081, protocol: GRPC}
"""
HUSHED = """\
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: hunter2-do-not-print}
"""


def text(data: bytes) -> str:
    return data.decode()


def test_a_good_stream_passes_with_exit_code_0_and_a_quiet_stderr() -> None:
    """The manifests are on standard output, and nothing is said where nothing is to be said."""
    done = run(stdin=pod())
    assert done.returncode == 0
    assert b"sidecar.istio.io/proxyCPU" in done.stdout
    assert done.stderr == b""


def test_a_broken_invariant_writes_no_manifest_and_exits_1() -> None:
    """No half output: the finding, its place and its remedy are on standard error, standard output is empty."""
    done = run(stdin=f"{pod()}---\n{BROKEN}")
    assert done.returncode == 1
    assert done.stdout == b""
    message = text(done.stderr)
    for part in ("MLM701", "listener-protocol-unknown", "Gateway ml/gw", "document 1", "protocol HTTP (gRPC over h2c)"):
        assert part in message


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        ("just words\n", "document 0"),
        ("- a\n- b\n", "document 0"),
        ("apiVersion: v1\nmetadata: {name: x}\n", "no kind"),
        ("kind: Pod\n\tmetadata: x\n", "line 2"),
        ("kind: Pod\nmetadata: {name: x\n", "line"),
        ("kind: Pod\nmetadata: {name: x}\n", "no apiVersion"),
        (f"{policy()}\n---\n{policy()}", "two policies"),
        (policy(requires="9.0.0"), "needs mlmesh 9.0.0"),
        (policy(nonsense=1), "unknown key"),
        (b"apiVersion: v1\nkind: Pod\nmetadata: {name: \xff}\n", "document 0"),
    ],
)
def test_bad_input_exits_2_with_one_message(stdin: str | bytes, message: str) -> None:
    """Each says what and where, and what to do; no manifest, no traceback."""
    done = run(stdin=stdin)
    assert done.returncode == 2, done
    assert done.stdout == b""
    assert message in text(done.stderr)
    assert "remedy:" in text(done.stderr)
    assert "Traceback" not in text(done.stderr)


def test_at_night_only_errors_and_warnings_are_said(tmp_path: Path) -> None:
    """What is merely told stands in the report: a refusal is no place for it."""
    dead = yaml.safe_dump_all(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": "ml"},
            "spec": spec,
        }
        for kind, name, spec in (
            ("VirtualService", "vs", {"hosts": ["svc"], "http": [{"route": [{"destination": {"host": "v1"}}]}]}),
            ("DestinationRule", "called", {"host": "svc", "trafficPolicy": {"loadBalancer": {}}}),
            ("DestinationRule", "sent-to", {"host": "v1", "trafficPolicy": {"loadBalancer": {}}}),
        )
    )
    report = tmp_path / "report"
    done = run("--report", str(report), stdin=f"{dead}---\n{BROKEN}")
    assert done.returncode == 1
    assert b"MLM701" in done.stderr
    assert b"MLM101" not in done.stderr
    assert "INFO MLM101" in report.read_text()
    assert run(stdin=dead).stderr == b""


def test_an_empty_stream_leaves_one_comment() -> None:
    """Helm 4 refuses empty output, and Helm 3 takes it for a release without objects: neither is left in doubt."""
    for empty in ("", "\n", "  \n\n"):
        done = run(stdin=empty)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == b"# mlmesh-post: the input was empty\n"


def test_a_stream_of_20_mb_passes() -> None:
    """Size alone is no error; what needs no change leaves as it came."""
    text = f"data: {{text: {'x' * 100_000}}}"
    filler = "".join(f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: big-{n}}}\n{text}\n" for n in range(200))
    stream = f"{filler}---\n{pod()}"
    done = run(stdin=stream)
    assert done.returncode == 0
    assert done.stdout.startswith(filler.encode())
    assert len(stream) > 20_000_000


def test_a_closed_pipe_exits_141_without_a_word() -> None:
    """As every filter does when its reader goes away."""
    big = "".join(f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: big-{n}}}\n" for n in range(20_000))
    process = subprocess.Popen(
        [str(BIN / "mlmesh-post")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.write(big.encode())
    process.stdin.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        (">/dev/full", 2, "standard output cannot be written"),
        (">&-", 2, "standard output cannot be written"),
        ("<&-", 2, "standard input is closed"),
        ("2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        ("2>/dev/full --policy /no/policy", 2, ""),
        ("2>/dev/full --chain \"sh -c 'cat; echo said >&2'\"", 0, ""),
    ],
)
def test_a_stream_that_cannot_be_read_or_written_is_told(redirection: str, code: int, message: str) -> None:
    """A full disk or a closed descriptor is no defect of ours: an exit code, one sentence, no traceback."""
    command = f"{BIN / 'mlmesh-post'} {redirection}"
    done = subprocess.run(["sh", "-c", command], input=pod().encode(), capture_output=True, check=False, timeout=60)
    assert done.returncode == code
    assert message in text(done.stderr)
    assert "Traceback" not in text(done.stderr)
    assert bool(done.stdout) == (code == 0)


@pytest.mark.parametrize("called_by", ["", "--called-by=helm4"])
def test_a_secret_in_a_failing_stream_is_never_printed(called_by: str, tmp_path: Path) -> None:
    """Neither an invariant's failure, nor a parse error beside or inside the Secret, shows its data anywhere."""
    report = tmp_path / "report.json"
    streams = [
        f"{HUSHED}---\n{BROKEN}",
        f"{HUSHED}---\nkind: Pod\n\tbad: x\n",
        HUSHED.replace("kind: Secret", "kind: Pod").replace("}\n", ", x\n", 1),
        json.dumps(yaml.safe_load(HUSHED))[:-1],
        HUSHED.replace("password: hunter2", "password: *hunter2").replace("kind: Secret", "kind: Pod"),
        f"{HUSHED}---\n{policy(x=1)}",
    ]
    for stream in streams:
        arguments = [called_by] if called_by else []
        done = run(*arguments, "--report", str(report), "--report-format", "json", stdin=stream)
        assert done.returncode in ((0,) if called_by else (1, 2)), (stream, done)
        assert b"hunter2" not in done.stdout + done.stderr + report.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        ((), BROKEN, "MLM701"),
        ((), "kind: Pod\n\tx: y\n", "remedy"),
        (("--polcy", "x"), pod(), "--polcy"),
        (("--policy", "missing.yaml"), pod(), "missing.yaml"),
        (("--report", "/nowhere/x"), pod(), "/nowhere/x"),
    ],
)
def test_helm_4_gets_every_refusal_as_a_document_that_it_must_show(
    arguments: tuple[str, ...], stdin: str, message: str
) -> None:
    """Exit code 0 and one literal block scalar: a scalar where Helm 4 needs a map, holding the whole message."""
    done = run("--called-by=helm4", *arguments, stdin=stdin)
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.startswith(b"|\n  ")
    shown = yaml.safe_load(done.stdout)
    assert isinstance(shown, str)
    assert message in shown
    assert all(line == line.rstrip() and "\t" not in line for line in text(done.stdout).splitlines())


def test_the_variable_of_helm_4_alone_changes_nothing() -> None:
    """Helm 3 called from a Helm 4 hook would print the message as a manifest."""
    done = run(stdin=BROKEN, HELM_PLUGIN_NAME="mlmesh-post")
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_failed_import_is_heard_under_helm_4(tmp_path: Path) -> None:
    """A broken installation is the likeliest failure of all, and must not be the quietest."""
    (tmp_path / "yaml.py").write_text("raise ImportError('no yaml here', name='yaml')\n")
    done = run("--called-by=helm4", stdin=pod(), PYTHONPATH=str(tmp_path))
    assert done.returncode == 0
    assert "yaml" in yaml.safe_load(done.stdout)
    done = run(stdin=pod(), PYTHONPATH=str(tmp_path))
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_report_is_written_on_success_and_on_failure(form: str, tmp_path: Path) -> None:
    """By option or by variable; JSON has the stable shape, an error that ended the run stands beside the findings."""
    report = tmp_path / "report"
    done = run(stdin=BROKEN, MLMESH_REPORT=str(report), MLMESH_REPORT_FORMAT=form)
    assert done.returncode == 1
    if form == "text":
        assert "MLM701" in report.read_text()
        return
    shape = json.loads(report.read_text())
    (finding,) = shape["findings"]
    assert shape["version"] == 1
    assert shape["summary"] == {"errors": 1, "warnings": 0, "infos": 0}
    assert finding["code"] == "MLM701"
    assert finding["line"] == 7
    assert list(finding) == [
        "code", "rule", "severity", "confidence", "message", "remedy", "apiVersion", "kind", "namespace", "name",
        "file", "document", "line", "pointer", "source", "values", "fix", "fingerprint",
    ]  # fmt: skip
    assert run("--report", str(report), "--report-format=json", stdin=pod()).returncode == 0
    assert json.loads(report.read_text())["findings"] == []
    assert run("--report", str(report), "--report-format=json", stdin="- x").returncode == 2
    assert json.loads(report.read_text())["error"]["exitCode"] == 2
    assert sorted(os.listdir(tmp_path)) == ["report"]


def test_a_policy_by_option_and_by_variable(tmp_path: Path) -> None:
    """`MLMESH_POLICY` holds several files as PATH does; the option wins over the variable."""
    for name, size in (("a", "111m"), ("b", "222m")):
        (tmp_path / name).write_text(policy(sidecars={"inference": {"proxyCPU": size}}))
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert b'"111m"' in run("--policy", a, stdin=pod()).stdout
    assert b'"222m"' in run(f"--policy={a}", "--policy", b, stdin=pod()).stdout
    assert b'"222m"' in run(stdin=pod(), MLMESH_POLICY=f"{a}:{b}").stdout
    assert b'"111m"' in run("--policy", a, stdin=pod(), MLMESH_POLICY=b).stdout


def test_a_policy_can_be_demanded() -> None:
    """`MLMESH_REQUIRE_POLICY=1`: a stream that lost its policy is refused, not treated by defaults."""
    done = run(stdin=pod(), MLMESH_REQUIRE_POLICY="1")
    assert done.returncode == 2
    assert b"MLMESH_REQUIRE_POLICY" in done.stderr
    assert run(stdin=pod(), MLMESH_REQUIRE_POLICY="0").returncode == 0


def test_help_teaches_and_wrong_calls_are_met() -> None:
    """Help names every option with its variable, and the exit codes; a misspelt option names the right one."""
    shown = text(run("--help").stdout)
    for part in (
        "--policy",
        "MLMESH_POLICY",
        "--report-format",
        "MLMESH_REPORT_FORMAT",
        "Exit codes",
        "130",
        "141",
        "helm install",
    ):
        assert part in shown
    assert "--version" in shown
    assert run("-h").stdout == run("--help", MLMESH_REPORT_FORMAT="xml").stdout == shown.encode()
    assert run("--version").stdout == f"mlmesh-post {mlmesh.__version__}\n".encode()
    for wrong in (("--polic", "x"), ("--policy",), ("extra",), ("--report-format", "xml")):
        done = run(*wrong, stdin=pod())
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"mlmesh-post --help" in done.stderr
