"""`mlmesh check`: files as one release, reports that programs accept, baselines, fixes."""

import json
import os
import pty
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from dev.toolchain import ROOT
from tests.support.rule_cases import CASES
from tests.support.streams import BIN, run

BAD = (CASES / "MLM701" / "bad.yaml").read_text()
WARNS = (CASES / "MLM203" / "bad.yaml").read_text()
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "findings.schema.json").read_text())


def check(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return run("check", *arguments, stdin=stdin, command="mlmesh", **environment)


def parsed(text: bytes) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files below a folder, one of them without a line break at its end, and one that holds no manifest."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.yaml").write_text(WARNS.rstrip("\n"))
    (tmp_path / "deep" / "b.yml").write_text("# comment\n" + BAD)
    (tmp_path / "README.md").write_text("kind: Gateway\n")
    return tmp_path


def found(done: subprocess.CompletedProcess[bytes]) -> list[tuple[str, str, int]]:
    shape = json.loads(done.stdout)
    jsonschema.validate(shape, SCHEMA)
    return [(each["code"], each["file"], each["line"]) for each in shape["findings"]]


def test_files_folders_and_standard_input_are_one_release(folder: Path) -> None:
    """Each finding names its file and the line in it; what a file lacks another may hold."""
    done = check(str(folder), "-", "--format", "json", stdin=BAD.replace("name: gw", "name: other"))
    lines = found(done)
    at = BAD.split("\n").index("  listeners: [{name: http, port: 80, protocol: GRPC}]") + 1
    assert done.returncode == 1
    assert ("MLM701", str(folder / "deep" / "b.yml"), at + 1) in lines
    assert (
        "MLM203",
        str(folder / "a.yaml"),
        WARNS.split("\n").index(next(x for x in WARNS.split("\n") if "retryOn" in x)) + 1,
    ) in lines
    assert len([line for line in lines if line[0] == "MLM701" and not line[1]]) == 1


@pytest.mark.parametrize(
    ("source", "code", "part"),
    [
        ("nowhere.yaml", 2, "the file cannot be read"),
        ("empty", 2, "the folder holds no manifests"),
        (str(ROOT / "chart"), 2, "render it first: helm template"),
    ],
)
def test_what_cannot_be_checked_is_told(tmp_path: Path, source: str, code: int, part: str) -> None:
    """A missing file, an empty folder and a chart end with exit code 2 and the way out."""
    (tmp_path / "empty").mkdir()
    done = subprocess.run([BIN / "mlmesh", "check", source], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, part in done.stderr, done.stdout) == (code, True, "")


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


def test_sarif_is_what_code_scanning_takes(folder: Path) -> None:
    """Rules with help, relative places with all four region fields, fingerprints; levels by severity."""
    done = subprocess.run(
        [BIN / "mlmesh", "check", ".", "--format", "sarif"], cwd=folder, capture_output=True, text=True, check=False
    )
    (one,) = json.loads(done.stdout)["runs"]
    rules = {rule["id"]: rule for rule in one["tool"]["driver"]["rules"]}
    assert set(rules) == {"MLM203", "MLM701"}
    for rule in rules.values():
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert "Why:" in rule["help"]["text"]
    for result in one["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert (folder / place["artifactLocation"]["uri"]).is_file()
        assert set(place["region"]) == {"startLine", "startColumn", "endLine", "endColumn"}
        assert result["partialFingerprints"]["primaryLocationLineHash"].startswith(result["ruleId"])
        assert one["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert {result["ruleId"]: result["level"] for result in one["results"]} == {"MLM203": "warning", "MLM701": "error"}


def test_junit_and_github_tell_the_same(folder: Path) -> None:
    """An error is a failure, a warning a skipped case; workflow commands escape what GitHub would read as its own."""
    suite = parsed(check(str(folder), "--format", "junit").stdout)[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "1")
    lines = check(str(folder), "--format", "github").stdout.decode().splitlines()
    assert len(lines) == 2
    assert sorted(line.split(" ")[0] for line in lines) == ["::error", "::warning"]
    assert all("%0ARemedy: " in line and ",title=MLM" in line for line in lines)
    assert parsed(check("--format", "junit", stdin="").stdout)[0].get("tests") == "1"


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


def test_warn_only_stops_nothing_and_says_so() -> None:
    """Errors are told as ever; check ends with 0, and the post-renderer passes the manifests on."""
    done = check("--warn-only", stdin=BAD)
    assert (done.returncode, b"ERROR MLM701" in done.stdout, b"--warn-only" in done.stdout) == (0, True, True)
    for passed in (run("--warn-only", stdin=BAD), run(stdin=BAD, MLMESH_WARN_ONLY="1")):
        assert (passed.returncode, b"GRPC" in passed.stdout) == (0, True)
        assert b"ERROR MLM701" in passed.stderr
        assert b"passed on" in passed.stderr
    assert run(stdin=BAD, MLMESH_WARN_ONLY="0").returncode == 1


def test_a_fix_is_minimal_and_its_result_passes(folder: Path) -> None:
    """Safe fixes by --fix, the others by --unsafe-fixes; --diff writes nothing; standard input goes to output."""
    before = (folder / "deep" / "b.yml").read_text()
    shown = check(str(folder), "--unsafe-fixes", "--diff").stdout.decode()
    assert (
        "-  listeners: [{name: http, port: 80, protocol: GRPC}]\n"
        '+  listeners: [{name: http, port: 80, protocol: "HTTP"}]\n'
    ) in shown
    assert (folder / "deep" / "b.yml").read_text() == before
    assert check(str(folder), "--fix").returncode == 1
    assert (folder / "deep" / "b.yml").read_text() == before
    done = check(str(folder), "--unsafe-fixes")
    assert (done.returncode, b"mended: MLM701" in done.stderr) == (0, True)
    assert (folder / "deep" / "b.yml").read_text() == before.replace("protocol: GRPC", 'protocol: "HTTP"')
    piped = check("-", "--unsafe-fixes", stdin=BAD)
    assert piped.stdout.decode() == BAD.replace("protocol: GRPC", 'protocol: "HTTP"')


def test_every_fix_of_the_cases_mends_its_finding(tmp_path: Path) -> None:
    """Whatever rule offers a fix: with it made its finding is gone, and no other has come."""
    fixed = 0
    for case in sorted(CASES.glob("*/bad*.yaml")):
        target = tmp_path / case.name
        shutil.copy(case, target)
        before = {each[0] for each in found(check(str(target), "--format", "json"))}
        offered = [
            each
            for each in json.loads(check(str(target), "--format", "json").stdout)["findings"]
            if each["fix"] != "none"
        ]
        if offered:
            check(str(target), "--unsafe-fixes")
            after = {each[0] for each in found(check(str(target), "--format", "json"))}
            assert {each["code"] for each in offered} & after == set(), case
            assert after <= before, case
            fixed += 1
    assert fixed >= 4


def test_an_excerpt_never_shows_a_secret() -> None:
    """The lines around a finding are masked where their keys are a secret's, in arguments too."""
    text = (
        (CASES / "MLM502" / "bad.yaml")
        .read_text()
        .replace("  annotations:\n", "  annotations:\n    api-token: s3cret-a\n", 1)
    )
    text = text.replace(
        "    sidecar.istio.io/proxyMemory: 256Mi\n",
        "    note: --password=s3cret-b\n    sidecar.istio.io/proxyMemory: 256Mi\n",
    )
    shown = check(stdin=text).stdout.decode()
    assert "***" in shown
    assert "s3cret" not in shown


def test_colour_is_a_terminals(tmp_path: Path) -> None:
    """A terminal gets colour, a pipe and NO_COLOR do not."""
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    assert b"\x1b[" not in check(str(file)).stdout
    assert b"\x1b[" in check(str(file), FORCE_COLOR="1").stdout
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [BIN / "mlmesh", "check", str(file)], stdout=slave, stderr=slave, env={**os.environ, "NO_COLOR": "1"}
    )
    process.wait(30)
    os.close(slave)
    assert b"\x1b[" not in os.read(master, 65536)
    os.close(master)


def test_rules_are_listed_and_explained() -> None:
    """`mlmesh rules` has a line for each, with a code all of it, in JSON the stable shape; an unknown code is told."""
    listed = run("rules", command="mlmesh").stdout.decode().splitlines()
    assert listed[2].startswith("MLM101  error    dead-traffic-policy")
    one = run("rules", "mlm101", command="mlmesh").stdout.decode()
    assert "Why: " in one
    assert "Bad: " in one
    entries = json.loads(run("rules", "--format", "json", command="mlmesh").stdout)["rules"]
    assert len(entries) == len(listed)
    assert list(entries[0]) == ["code", "rule", "severity", "confidence", "scope", "kinds", "fix", "summary"]
    unknown = run("rules", "MLM999", command="mlmesh")
    assert (unknown.returncode, b"there is no rule MLM999" in unknown.stderr) == (2, True)
