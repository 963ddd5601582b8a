"""`--on-failure document`: what hosts get that apply whatever is printed, and look at no exit code."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plugin.test_krm import resource_list
from tests.plugin.test_post_main import BROKEN, HUSHED
from tests.support.streams import BIN, pod, policy, run

ASKED = {"MLMESH_ON_FAILURE": "document"}


def refusal(stdout: bytes) -> dict[str, Any]:
    """The one object that was printed."""
    (item,) = yaml.safe_load_all(stdout)
    assert (item["apiVersion"], item["kind"], list(item)) == (
        "mlmesh.dev/v1alpha1",
        "Refusal",
        ["apiVersion", "kind", "metadata", "spec"],
    )
    return dict(item)


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "name"),
    [
        ((), f"{pod()}---\n{BROKEN}", 1, "mlm701-listener-protocol-unknown"),
        ((), "kind: Pod\n\tx: y\n", 2, "error"),
        ((), policy(nonsense=1), 2, "error"),
        (("--require-policy",), pod(), 2, "error"),
        (("--policy", "missing.yaml"), pod(), 2, "error"),
        (("--report", "/nowhere/x"), pod(), 2, "error"),
        (("--chain", "false"), pod(), 2, "error"),
        (("--polcy", "x"), pod(), 2, "error"),
        (("--report-format", "xml"), pod(), 2, "error"),
    ],
)
def test_a_failure_of_every_kind_is_one_object(arguments: tuple[str, ...], stdin: str, code: int, name: str) -> None:
    """The exit code is as ever, so is standard error; the object holds the same message, with findings and remedies."""
    plain = run(*arguments, stdin=stdin)
    done = run(*arguments, stdin=stdin, **ASKED)
    assert (plain.returncode, plain.stdout) == (code, b"")
    assert (done.returncode, done.stderr) == (code, plain.stderr)
    item = refusal(done.stdout)
    assert item["metadata"] == {"name": name}
    assert item["spec"] == {"exitCode": code, "message": plain.stderr.decode()}


def test_the_option_does_the_same_and_goes_before_the_variable() -> None:
    """In both spellings."""
    for words in (("--on-failure", "document"), ("--on-failure=document",)):
        assert refusal(run(*words, stdin=BROKEN).stdout)["spec"]["exitCode"] == 1
        assert refusal(run(*words, "--polcy", stdin=BROKEN).stdout)["spec"]["exitCode"] == 2
    assert run("--on-failure", "nothing", stdin=BROKEN, **ASKED).stdout == b""
    assert run(stdin=BROKEN, MLMESH_ON_FAILURE="nothing").stdout == b""


def test_a_misspelt_wish_is_told_and_prints_a_document() -> None:
    """Whoever wrote something there has a host that needs something."""
    done = run(stdin=pod(), MLMESH_ON_FAILURE="documnet")
    assert done.returncode == 2
    assert b"MLMESH_ON_FAILURE" in done.stderr
    assert refusal(done.stdout)["spec"]["exitCode"] == 2


def test_what_succeeds_is_as_ever() -> None:
    """Manifests, warnings, an empty stream, help and softened errors are untouched by it."""
    for arguments, stdin in (((), pod()), ((), ""), (("--help",), ""), (("--warn-only",), BROKEN)):
        assert run(*arguments, stdin=stdin, **ASKED).stdout == run(*arguments, stdin=stdin).stdout


def test_a_failed_import_is_one_object_too(tmp_path: Path) -> None:
    """A broken installation is the likeliest failure of all."""
    (tmp_path / "yaml.py").write_text("raise ImportError('no yaml here', name='yaml')\n")
    done = run(stdin=pod(), PYTHONPATH=str(tmp_path), **ASKED)
    assert done.returncode == 3
    item = refusal(done.stdout)
    assert (item["metadata"]["name"], item["spec"]["exitCode"]) == ("defect", 3)
    assert "ImportError of yaml" in item["spec"]["message"]


def test_an_interrupted_run_is_one_object_too() -> None:
    """Ctrl-C in a pipe must not leave an apply with nothing to refuse."""
    process = subprocess.Popen(
        [str(BIN / "mlmesh-post"), "--on-failure", "document", "--chain", "sleep 60"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    process.stdin.close()
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    stdout = process.stdout.read() if process.stdout else b""
    assert process.wait(30) == 130
    assert refusal(stdout)["metadata"]["name"] == "interrupted"
    for stream in (process.stdout, process.stderr):
        assert stream
        stream.close()


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    """Not a Secret's data, not what a program of a chain said or was given."""
    program = tmp_path / "says"
    program.write_text("#!/bin/sh\necho the password is hunter2 >&2\nexit 1\n")
    program.chmod(0o755)
    for arguments, stdin in (
        ((), f"{HUSHED}---\n{BROKEN}"),
        ((), f"{HUSHED}---\nkind: Pod\n\tbad: x\n"),
        (("--chain", f"{program} --token=hunter2"), pod()),
    ):
        done = run(*arguments, stdin=stdin, **ASKED)
        assert refusal(done.stdout)
        assert b"hunter2" not in done.stdout


def test_helm_4_gets_the_document_that_it_shows() -> None:
    """Called by Helm 4 there is no exit code to ignore: Helm must refuse, and print the findings."""
    done = run("--called-by=helm4", stdin=BROKEN, **ASKED)
    assert done.returncode == 0
    assert "MLM701" in yaml.safe_load(done.stdout)


@pytest.mark.parametrize(
    "line", ["# a comment", "key: value", "--- x", "tab\there", "\x1b[31m red", "\U0001f600", "..."]
)
def test_any_message_is_text_in_it(line: str, tmp_path: Path) -> None:
    """Whatever a message holds, the object is one object, and its message one text."""
    name = tmp_path / f"{line} {'x' * 50}.yaml"
    done = run("--policy", str(name), stdin=pod(), **ASKED)
    assert "the file cannot be read" in refusal(done.stdout)["spec"]["message"]


def test_as_a_function_it_fails_as_ever(tool: Callable[[str], str], tmp_path: Path) -> None:
    """kustomize believes the exit code, and prints nothing: what is applied is nothing, which kubectl refuses."""
    (tmp_path / "mlmesh-post").symlink_to(BIN / "mlmesh-post")
    transformer = yaml.safe_load(policy())
    transformer["metadata"]["annotations"] = {"config.kubernetes.io/function": "exec: {path: ./mlmesh-post}\n"}
    (tmp_path / "transformer.yaml").write_text(yaml.safe_dump(transformer))
    (tmp_path / "kustomization.yaml").write_text("resources: [all.yaml]\ntransformers: [transformer.yaml]\n")
    (tmp_path / "all.yaml").write_text(BROKEN)
    command = [tool("kustomize"), "build", "--enable-alpha-plugins", "--enable-exec", str(tmp_path)]
    done = subprocess.run(command, env={"MLMESH_ON_FAILURE": "document"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "MLM701" in done.stderr
    assert refusal(run(stdin=resource_list(BROKEN), **ASKED).stdout)
