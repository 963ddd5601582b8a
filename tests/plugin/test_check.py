"""`mlmesh check`: files, folders and standard input as one release, and how a run ends."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from dev.toolchain import ROOT
from tests.support.checks import BAD, LISTENER, WARNS, check, found, line_of, write_folder
from tests.support.streams import BIN, policy, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path)


def test_files_folders_and_standard_input_are_one_release(folder: Path) -> None:
    """Each finding names its file and the line in it; what a file lacks another may hold."""
    done = check(str(folder), "-", "--format", "json", stdin=BAD.replace("name: gw", "name: other"))
    lines = found(done)
    assert done.returncode == 1
    assert ("MLM701", str(folder / "deep" / "b.yml"), line_of(BAD, LISTENER) + 1) in lines
    assert ("MLM203", str(folder / "a.yaml"), line_of(WARNS, "retryOn")) in lines
    assert len([line for line in lines if line[0] == "MLM701" and not line[1]]) == 1


def test_a_file_named_twice_is_read_once(folder: Path) -> None:
    """By its folder, by itself, by another spelling: an object is not there twice."""
    done = subprocess.run(
        [BIN / "mlmesh", "check", ".", "a.yaml", "./a.yaml", "deep/../a.yaml", "--format", "json"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert sorted(code for code, _, _ in found(done)) == ["MLM203", "MLM701"]


def test_of_a_folder_only_manifests_are_read(folder: Path) -> None:
    """Hidden folders (a repository's own), the baseline and the report are none, though their names end alike."""
    (folder / ".github").mkdir()
    (folder / ".github" / "ci.yaml").write_text("on: push\n")
    files = ["--baseline", str(folder / "known.json"), "--report", str(folder / "report.json")]
    assert check(str(folder), "--write-baseline", str(folder / "known.json")).returncode == 0
    for _ in range(2):
        assert check(str(folder), *files, "--report-format", "json").returncode == 0
    assert json.loads((folder / "report.json").read_text())["findings"] == []


def test_texts_of_every_kind_stand_beside_each_other(tmp_path: Path) -> None:
    """JSON with tabs, a byte order mark, CR LF: in one run each finding has its own file and line, and a fix fits."""
    indented = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "json", "namespace": "ml"},
        "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "GRPC"}]},
    }
    texts = {
        "a.json": json.dumps(indented, indent="\t").encode(),
        "b.yaml": b"\xef\xbb\xbf" + BAD.replace("name: gw", "name: mark").encode(),
        "c.yaml": BAD.replace("name: gw", "name: crlf").replace("\n", "\r\n").encode(),
    }
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    lines = found(check(str(tmp_path), "--format", "json"))
    at = line_of(BAD, LISTENER)
    assert [(Path(file).name, line) for _, file, line in lines] == [("a.json", 14), ("b.yaml", at), ("c.yaml", at)]
    assert check(str(tmp_path), "--unsafe-fixes").returncode == 0
    for name, text in texts.items():
        old = b'"GRPC"' if name == "a.json" else b"GRPC"
        assert (tmp_path / name).read_bytes() == text.replace(old, b'"HTTP"')


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("nowhere.yaml", "the file cannot be read"),
        ("empty", "the folder holds no manifests"),
        ("", "the file cannot be read"),
        (str(ROOT / "chart"), "render it first: helm template"),
        (".", "render it first: helm template below/chart"),
    ],
)
def test_what_cannot_be_checked_is_told(tmp_path: Path, source: str, part: str) -> None:
    """A missing file, an empty folder and a chart, at the top or below, end with exit code 2 and the way out."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "below" / "chart" / "templates").mkdir(parents=True)
    (tmp_path / "below" / "chart" / "Chart.yaml").write_text("name: x\n")
    done = subprocess.run([BIN / "mlmesh", "check", source], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, part in done.stderr, done.stdout) == (2, True, "")


def test_it_judges_what_came_and_with_post_render_what_would_leave() -> None:
    """A rule without a block is judged as it is, or with the block that it would get; the input stays as it is."""
    bare = WARNS.split("      timeout:")[0] + "      route: [{destination: {host: llm}}]\n"
    assert b"MLM203" not in check(stdin=bare).stdout
    assert b"MLM203" in check("--post-render", stdin=bare).stdout


def test_a_file_that_is_no_manifest_is_named(folder: Path) -> None:
    """Of several files the one that cannot be read is told, with the line in it."""
    (folder / "deep" / "settings.json").write_text('{"a": 1}')
    done = check(str(folder))
    assert done.returncode == 2
    assert f"{folder / 'deep' / 'settings.json'}, document 0, line 1" in done.stderr.decode()
    assert "name only the files" in done.stderr.decode()


@pytest.mark.parametrize("variable", [True, False])
def test_every_option_is_a_variable_too(folder: Path, variable: bool) -> None:
    """What a host cannot pass as an argument it can pass by the environment, to both commands alike."""
    first, second = folder / "p1", folder / "p2"
    first.write_text(policy(invariants={"severity": {"MLM701": "warning"}}))
    second.write_text(policy(invariants={"severity": {"MLM203": "off"}}))
    if variable:
        names = {"MLMESH_POLICY": f"{first}:{second}", "MLMESH_FORMAT": "json"}
        done = check(str(folder), **names)
    else:
        done = check(str(folder), "--policy", str(first), "--policy", str(second), "--format", "json")
    assert done.returncode == 0
    assert [code for code, _, _ in found(done)] == ["MLM701"]
    assert json.loads(done.stdout)["summary"] == {"errors": 0, "warnings": 1, "infos": 0}


def test_help_names_the_variable_of_every_option() -> None:
    """None is forgotten."""
    shown = check("--help").stdout.decode()
    options = {line.split()[0] for line in shown.split("Options:")[1].splitlines() if line.startswith("  --")}
    assert len(options) >= 13
    text = " ".join(shown.split())
    assert [each for each in options if f"MLMESH_{each[2:].upper().replace('-', '_')}" not in text] == []


def test_a_baseline_holds_what_is_known(folder: Path) -> None:
    """Known findings stop nothing, though lines move and documents change places; new and stale ones are told."""
    baseline = folder / "known"
    assert check(str(folder / "deep"), "--write-baseline", str(baseline)).returncode == 0
    (folder / "deep" / "b.yml").write_text(f"{WARNS}---\n\n\n# moved\n{BAD}")
    done = check(str(folder / "deep"), "--baseline", str(baseline))
    assert (done.returncode, b"MLM701" in done.stdout, b"MLM203" in done.stdout) == (0, False, True)
    (folder / "deep" / "b.yml").write_text(WARNS)
    assert b"Stale in" in check(str(folder / "deep"), "--baseline", str(baseline)).stdout
    assert run("--baseline", str(baseline), stdin=BAD).returncode == 0
    assert run(stdin=BAD, MLMESH_BASELINE=str(baseline)).returncode == 0
    baseline.write_text("{}")
    assert b"no baseline" in check(str(folder), "--baseline", str(baseline)).stderr


def test_a_baseline_is_read_in_a_diff_and_renewed_whole(folder: Path) -> None:
    """Sorted, with code, object and message; written anew while the old one is in use it loses no known finding."""
    baseline = folder / "known"
    check(str(folder / "deep"), "--write-baseline", str(baseline))
    (entry,) = json.loads(baseline.read_text())["findings"]
    assert list(entry) == ["fingerprint", "code", "object", "message"]
    assert (entry["code"], entry["object"]) == ("MLM701", "Gateway ml/gw")
    check(str(folder), "--baseline", str(baseline), "--write-baseline", str(baseline))
    assert [each["code"] for each in json.loads(baseline.read_text())["findings"]] == ["MLM203", "MLM701"]
    assert check(str(folder), MLMESH_BASELINE=str(baseline)).returncode == 0


def test_warn_only_stops_nothing_and_says_so() -> None:
    """Errors are told as ever; check ends with 0, and the post-renderer passes the manifests on."""
    done = check("--warn-only", stdin=BAD)
    assert done.stdout.startswith(b"mlmesh: 1 error. Errors are let through: --warn-only.\n")
    assert (done.returncode, b"ERROR MLM701" in done.stdout) == (0, True)
    for passed in (run("--warn-only", stdin=BAD), run(stdin=BAD, MLMESH_WARN_ONLY="True")):
        assert (passed.returncode, b"GRPC" in passed.stdout) == (0, True)
        assert passed.stderr.startswith(b"mlmesh: 1 error. Errors are passed on: --warn-only.\n")
        assert b"ERROR MLM701" in passed.stderr


@pytest.mark.parametrize(("value", "code"), [("0", 1), ("false", 1), ("no", 1), ("", 1), ("maybe", 2)])
def test_a_switch_that_is_off_lets_nothing_through(value: str, code: int) -> None:
    """Whatever word says no, nothing is softened; a word that says neither ends the run."""
    done = run(stdin=BAD, MLMESH_WARN_ONLY=value)
    assert (done.returncode, done.stdout) == (code, b"")
    assert check(stdin=BAD, MLMESH_WARN_ONLY=value).returncode == code


def test_colour_is_a_terminals(tmp_path: Path) -> None:
    """A terminal gets colour, a pipe and NO_COLOR do not."""
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    assert b"\x1b[" not in check(str(file)).stdout
    assert b"\x1b[" in check(str(file), FORCE_COLOR="1").stdout
    assert b"\x1b[" not in check(str(file), FORCE_COLOR="1", NO_COLOR="1").stdout
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        base = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        master, slave = pty.openpty()
        done = subprocess.run(
            [BIN / "mlmesh", "check", str(file)], stdout=slave, env={**base, **extra}, check=False, timeout=60
        )
        os.close(slave)
        shown = os.read(master, 65536)
        os.close(master)
        assert done.returncode == 1
        assert (b"\x1b[1;31mERROR MLM701" in shown) == coloured


def test_a_reader_that_goes_away_is_no_broken_invariant(tmp_path: Path) -> None:
    """Exit code 141, as the post-renderer has it: click itself would end with 1."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [BIN / "mlmesh", "check", "-"], input=BAD.encode(), stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("call", ["--help", "--version", "rules", "plan -", "check -", "check - --unsafe-fixes --diff"])
def test_what_cannot_be_printed_is_told(call: str) -> None:
    """On a full disk, with standard output closed, or with nobody there to read: no defect, and never exit code 0."""

    def printed(redirection: str) -> "subprocess.CompletedProcess[bytes]":
        command = ["sh", "-c", f"{BIN}/mlmesh {call} {redirection}"]
        return subprocess.run(command, input=BAD.encode(), capture_output=True, check=False, timeout=60)

    full, closed, both = map(printed, (">/dev/full", ">&-", ">/dev/full 2>&1"))
    assert (full.returncode, closed.returncode, both.returncode) == (2, 2, 2)
    assert b"standard output cannot be written: No space left" in full.stderr
    assert b"standard output is closed" in closed.stderr
    assert b"Traceback" not in full.stderr + closed.stderr


def test_nothing_to_check_is_said() -> None:
    """A pipe whose first half failed brings nothing, and a shell without pipefail does not tell."""
    done = check("-", stdin="# nothing\n")
    assert (done.returncode, done.stdout) == (0, b"mlmesh: no findings. What was read holds no object.\n")


def test_json_that_nests_too_deep_is_what_it_is(tmp_path: Path) -> None:
    """No baseline, no policy, no JSON to compare field by field; and no defect."""
    deep = tmp_path / "deep"
    deep.write_text('{"findings":' * 100_000)
    done = check("-", "--baseline", str(deep), stdin=BAD)
    assert (done.returncode, b"the file is no baseline" in done.stderr) == (2, True)
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {mlmesh.dev/policy: 'true'}}\n"
    text += "data: {policy.json: '%s'}\n"
    done = check("-", stdin=text % deep.read_text())
    assert (done.returncode, b"policy.json is not a policy" in done.stderr) == (2, True)


def test_rules_are_listed_and_explained() -> None:
    """`mlmesh rules` has a line for each, with a code all of it, in JSON the stable shape; an unknown code is told."""
    listed = run("rules", command="mlmesh").stdout.decode().splitlines()
    assert any(line.startswith("MLM101  error    dead-traffic-policy") for line in listed)
    one = run("rules", "mlm101", command="mlmesh").stdout.decode()
    assert "Why: " in one
    assert "Bad: " in one
    assert run("rules", "dead-traffic-policy", command="mlmesh").stdout.decode() == one
    keys = ["code", "rule", "severity", "confidence", "scope", "kinds", "fix", "summary"]
    entries = json.loads(run("rules", "--format", "json", command="mlmesh").stdout)["rules"]
    assert len(entries) == len(listed)
    assert list(entries[0]) == keys
    (entry,) = json.loads(run("rules", "MLM101", "--format", "json", command="mlmesh").stdout)["rules"]
    assert list(entry) == [*keys, "doc"]
    assert "Why: " in entry["doc"]


@pytest.mark.parametrize(
    ("asked", "near"),
    [("MLM10", "MLM101"), ("dead-traffic-polcy", "MLM101 dead-traffic-policy"), ("zzz", "`mlmesh rules` lists")],
)
def test_an_unknown_rule_is_told_with_near_ones(asked: str, near: str) -> None:
    """Exit code 2, and what may have been meant."""
    done = run("rules", asked, command="mlmesh")
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"there is no rule {asked}" in done.stderr.decode()
    assert near in done.stderr.decode()
