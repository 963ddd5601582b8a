"""The files of a run: odd names, odd locales, links, and which of several an error is in."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.checks import BAD, check
from tests.support.streams import BIN, pod, run

NOT_UTF8 = b"b\xff.yaml"
FORMS = ("text", "json", "sarif", "junit", "github", "gitlab")


@pytest.mark.parametrize("form", FORMS)
def test_a_file_whose_name_is_not_utf8_is_reported(tmp_path: Path, form: str) -> None:
    """What is printed and the report are the same, and UTF-8; the name is escaped in it."""
    (tmp_path / os.fsdecode(NOT_UTF8)).write_text(BAD)
    done = subprocess.run(
        [f"{BIN}/mlmesh", "check", ".", "--format", form, "--report", "report", "--report-format", form],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout == (tmp_path / "report").read_bytes()
    assert ("b%FF.yaml" if form == "sarif" else r"b\udcff.yaml") in done.stdout.decode()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8:strict"])
def test_what_is_printed_is_utf8_in_every_locale(encoding: str) -> None:
    """A report in JSON is read by programs, and a name in Cyrillic is no defect."""
    done = check("-", "--format", "json", stdin=BAD.replace("name: http", "name: ключ"), PYTHONIOENCODING=encoding)
    assert done.returncode == 1
    assert "ключ" in json.loads(done.stdout)["findings"][0]["message"]


def test_a_report_is_written_where_a_link_leads(tmp_path: Path) -> None:
    """The link stays: `/dev/stderr` is one, and leads to a log where standard error does."""
    report, latest = tmp_path / "report.json", tmp_path / "latest.json"
    latest.symlink_to(report)
    run("--report", str(latest), "--report-format", "json", stdin=BAD)
    assert latest.is_symlink()
    assert json.loads(report.read_text())["summary"]["errors"] == 1
    stderr, log = tmp_path / "stderr", tmp_path / "log"
    stderr.symlink_to("/proc/self/fd/2")
    command = f"echo before >&2; {BIN}/mlmesh-post --report {stderr} --report-format github"
    with log.open("wb") as target:
        subprocess.run(["sh", "-c", command], input=BAD.encode(), stdout=subprocess.PIPE, stderr=target, check=False)
    assert stderr.is_symlink()
    lines = log.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[1].startswith("::error ")
    assert lines[2].startswith("mlmesh: 1 error.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: []\n", "document 0 (Pod a), line 1, at /spec"),
        (pod(role="none-of-ours"), "document 0 ("),
        ("apiVersion: mlmesh.dev/v1alpha1\nkind: MeshPolicy\nmetadata: {name: a}\nspec: {a: 1}\n", "document 0 ("),
    ],
    ids=["a pod", "a role", "a policy"],
)
def test_the_file_is_named_whose_object_cannot_be_taken(tmp_path: Path, text: str, said: str) -> None:
    """Of a folder of files nobody looks through all of them for the nineteenth document."""
    (tmp_path / "a.yaml").write_text(f"{BAD}---\n# nothing\n---\n{BAD}")
    (tmp_path / "b.yaml").write_text(text)
    done = check(str(tmp_path))
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"{tmp_path}/b.yaml, {said}" in done.stderr.decode()


def test_of_two_policies_the_second_is_told_with_its_file(tmp_path: Path) -> None:
    """Each file alone can be taken."""
    for name in ("a", "b", "c"):
        kind = "MeshPolicy" if name > "a" else "Gateway"
        text = f"# {name}\napiVersion: mlmesh.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    done = check(str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path}/c.yaml, document 0 (MeshPolicy c), line 1\n" in done.stderr.decode()


@pytest.mark.parametrize("sign", [b"\0", b"\xff", b"\xc3("])
def test_the_line_of_a_sign_that_cannot_be_read_is_told(sign: bytes) -> None:
    """A document may have thousands of lines."""
    done = run(stdin=BAD.encode() + "note: ключ\nmore: ".encode() + sign + b"\n")
    assert done.returncode == 2
    assert f"line {BAD.count(chr(10)) + 2}\n".encode() in done.stderr


def test_utf16_is_told_as_such() -> None:
    """As PowerShell's `>` writes it: the post-renderer, too, does not say that a kind is missing."""
    done = run(stdin=BAD.encode("utf-16"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"the text is UTF-16" in done.stderr
