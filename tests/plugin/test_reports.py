"""The forms of a report: what each program that reads one asks for, whatever a manifest holds."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from mlmesh.model.errors import InputError
from mlmesh.model.findings import Finding
from mlmesh.reports.github import github
from mlmesh.reports.gitlab import gitlab
from mlmesh.reports.junit import junit
from mlmesh.reports.sarif import MOST_RESULTS, sarif
from mlmesh.reports.text import findings_text
from tests.support.checks import BAD, SCHEMA, WARNS, check, finding, line_of, write_folder
from tests.support.reports import CODE_QUALITY
from tests.support.sarif import invalid, refused
from tests.support.streams import BIN, run

DOCS = {"MLM701": "A protocol is known.\n\nWhy: it is."}
ERROR = InputError("the object has no kind", place="a.yaml, line 3", remedy="see the template")
FORMS = ("json", "sarif", "junit", "github", "gitlab")


def parsed(text: str | bytes) -> ET.Element:
    suites = ET.fromstring(text)  # noqa: S314 - our own output
    return suites[0]


def test_sarif_is_what_code_scanning_takes(tmp_path: Path) -> None:
    """Rules with help, relative places with all four region fields, fingerprints; levels by severity."""
    write_folder(tmp_path)
    for source in (".", str(tmp_path)):  # the places are relative, however the folder was named
        done = subprocess.run(
            [BIN / "mlmesh", "check", source, "--format", "sarif"], cwd=tmp_path, capture_output=True, check=False
        )
        log = json.loads(done.stdout)
        assert list(refused(log)) == []
        (one,) = log["runs"]
        rules = {rule["id"]: rule for rule in one["tool"]["driver"]["rules"]}
        assert set(rules) == {"MLM203", "MLM701"}
        assert all("Why:" in rule["help"]["markdown"] for rule in rules.values())
        places = {
            result["ruleId"]: result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            for result in one["results"]
        }
        assert places == {"MLM203": "a.yaml", "MLM701": "deep/b.yml"}
        levels = {result["ruleId"]: result["level"] for result in one["results"]}
        assert levels == {"MLM203": "warning", "MLM701": "error"}
        assert one["invocations"] == [{"executionSuccessful": True}]


def test_sarif_is_what_the_standard_says(tool: Callable[[str], str], tmp_path: Path) -> None:
    """By OASIS's own schema: of a release, of none, of a run that ended, of findings that nobody knows a file of."""
    standard = tool("sarif-schema")
    write_folder(tmp_path)
    made: list[str | bytes] = [
        check(str(tmp_path), "--format", "sarif").stdout,
        check("--format", "sarif", stdin="").stdout,
        check("--format", "sarif", stdin="- x\n").stdout,
        sarif([finding(), finding(source="chart/templates/gw.yaml"), finding(severity="info")], DOCS, ERROR),
    ]
    for text in made:
        assert invalid(json.loads(text), standard) == []
    log = json.loads(made[0])
    log["runs"][0]["results"][0]["level"] = "critical"
    del log["runs"][0]["tool"]["driver"]["name"]
    assert len(invalid(log, standard)) == 2


def test_sarif_of_a_stream_names_the_charts_template() -> None:
    """The committed file that made the object, not a line of a stream that nobody keeps; else standard input."""
    found = [finding(source="chart/templates/gw.yaml"), finding(), finding(file="with blank.yaml")]
    log = json.loads(sarif(found, DOCS))
    assert list(refused(log)) == []
    places = [result["locations"][0]["physicalLocation"] for result in log["runs"][0]["results"]]
    told = [(place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places]
    assert told == [("chart/templates/gw.yaml", 1), ("stdin", 40), ("with%20blank.yaml", 10)]
    assert log["runs"][0]["results"][0]["properties"] == {
        "document": 3,
        "line": 40,
        "place": "/spec/listeners/0/protocol from chart/templates/gw.yaml",
    }


def test_sarif_keeps_the_gravest_of_too_many() -> None:
    """GitHub takes 5,000 results of a run: an error is never among those that are left out."""
    many = [finding(severity="info") for _ in range(MOST_RESULTS)]
    results = json.loads(sarif([*many, finding()], DOCS))["runs"][0]["results"]
    assert len(results) == MOST_RESULTS
    assert results[0]["level"] == "error"


def test_the_check_of_sarif_can_fail() -> None:
    """Each of GitHub's demands, broken alone, is seen."""
    for path, value in (
        (("version",), "2.0.0"),
        (("runs", 0, "tool", "driver", "rules", 0, "help"), {}),
        (("runs", 0, "results", 0, "locations"), []),
        (("runs", 0, "results", 0, "partialFingerprints"), {}),
        (("runs", 0, "results", 0, "locations", 0, "physicalLocation", "artifactLocation", "uri"), "/abs"),
        (("runs", 0, "results", 0, "locations", 0, "physicalLocation", "region", "startLine"), 0),
        (("runs", 0, "results", 0, "ruleIndex"), 7),
    ):
        log = json.loads(sarif([finding()], DOCS))
        at = log
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value
        assert len(list(refused(log))) == 1, path


def test_junit_and_github_tell_the_same(tmp_path: Path) -> None:
    """An error is a failure, a warning a skipped case; each workflow command is a line."""
    write_folder(tmp_path)
    suite = parsed(check(str(tmp_path), "--format", "junit").stdout)
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "1")
    lines = check(str(tmp_path), "--format", "github").stdout.decode().splitlines()
    assert sorted(line.split(" ")[0] for line in lines) == ["::error", "::warning"]
    assert all("%0ARemedy: " in line and ",title=MLM" in line for line in lines)
    clean = parsed(check("--format", "junit", stdin="").stdout)
    assert (clean.get("tests"), clean.get("failures"), clean.get("errors")) == ("1", "0", "0")


def test_code_quality_is_what_gitlab_takes(tmp_path: Path) -> None:
    """Every field that GitLab reads, places relative to the repository, and one fingerprint an issue."""
    write_folder(tmp_path)
    done = subprocess.run(
        [BIN / "mlmesh", "check", str(tmp_path), "--format", "gitlab"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 1
    issues = json.loads(done.stdout)
    jsonschema.validate(issues, CODE_QUALITY)
    told = {issue["check_name"][:6]: (issue["severity"], issue["location"]["path"]) for issue in issues}
    assert told == {"MLM203": ("minor", "a.yaml"), "MLM701": ("critical", "deep/b.yml")}
    begins = {issue["check_name"][:6]: issue["location"]["lines"]["begin"] for issue in issues}
    assert begins["MLM701"] == line_of((tmp_path / "deep" / "b.yml").read_text(), "protocol: GRPC")
    assert json.loads(check("--format", "gitlab", stdin="").stdout) == []


def test_code_quality_knows_a_finding_again() -> None:
    """A moved line is the same issue; another file, and another finding, is another. Of a stream, the template."""

    def issues(*findings: Finding) -> list[tuple[str, str, int]]:
        made = json.loads(gitlab(findings))
        return [(each["fingerprint"], each["location"]["path"], each["location"]["lines"]["begin"]) for each in made]

    ((first, file, line),) = issues(finding(file="a.yaml"))
    assert (file, line) == ("a.yaml", 10)
    assert issues(finding(file="a.yaml", line=60))[0] == (first, "a.yaml", 30)
    others = issues(finding(file="b.yaml"), finding(file="a.yaml", fingerprint="MLM701-1"), finding())
    assert len({first, *(fingerprint for fingerprint, _, _ in others)}) == 4
    assert others[2][1:] == ("stdin", 40)
    assert issues(finding(source="chart/templates/gw.yaml"))[0][1:] == ("chart/templates/gw.yaml", 1)
    owed = finding(source="chart/templates/gw.yaml")
    owed.values = ("gateways.gw", "values/prod.yaml", 12)
    assert issues(owed)[0][1:] == ("values/prod.yaml", 12)


def test_workflow_commands_escape_what_github_reads_as_its_own() -> None:
    """`%`, line breaks, and in a property `:` and `,`; a control character cannot end the command."""
    shown = github([finding(file="a,b:c.yaml", message="100%\r\n::error::forged")])
    assert shown.startswith("::error file=a%2Cb%3Ac.yaml,line=10,title=MLM701 listener-protocol-unknown::Gateway ml/gw")
    assert "100%25\\r%0A::error::forged%0ARemedy: protocol HTTP%0AWhere: a,b:c.yaml:10 (document 3), /spec" in shown
    assert shown.count("\n") == 1


def test_each_form_tells_source_document_and_line() -> None:
    """Wherever a reader sees the finding, the template and the place in the stream are beside it."""
    found = [finding(source="chart/templates/gw.yaml")]
    for text in (findings_text(found, refused=False), junit(found), github(found)):
        assert "line 40 of the stream (document 3)" in text
        assert "chart/templates/gw.yaml" in text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("command", ["mlmesh-post", "mlmesh"])
def test_no_report_takes_a_run_that_ended_for_a_clean_one(form: str, command: str, tmp_path: Path) -> None:
    """Manifests that cannot be read: each form says so, in the report and on check's standard output."""
    report = tmp_path / "report"
    arguments = ["--report", str(report), "--report-format", form]
    if command == "mlmesh":
        arguments = ["check", "--format", form, *arguments]
    done = run(*arguments, stdin="- x\n", command=command)
    assert done.returncode == 2
    assert b"the document" in done.stderr
    text = report.read_text()
    if command == "mlmesh":
        assert done.stdout.decode() == text
    if form == "json":
        shape = json.loads(text)
        jsonschema.validate(shape, SCHEMA)
        assert shape["error"]["exitCode"] == 2
    elif form == "sarif":
        assert list(refused(json.loads(text))) == []
        (invocation,) = json.loads(text)["runs"][0]["invocations"]
        assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 2)
        assert "the document" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    elif form == "junit":
        suite = parsed(text)
        assert (suite.get("tests"), suite.get("errors")) == ("1", "1")
        assert "the document" in (suite[0][0].get("message") or "")
    elif form == "gitlab":
        (issue,) = json.loads(text)
        jsonschema.validate([issue], CODE_QUALITY)
        assert (issue["severity"], issue["check_name"]) == ("blocker", "mlmesh")
        assert "the document" in issue["description"]
    else:
        assert text.startswith("::error title=mlmesh::the document")


def test_a_name_of_control_characters_is_shown_as_such() -> None:
    """No terminal is told to change colour, direction or title; XML stays XML, and JSON keeps the name itself."""
    name = "gw\x1b[31m\x01\u202e"
    stream = BAD.replace("name: gw", 'name: "gw\\x1b[31m\\x01\\u202e"')
    for form in ("text", "github", "gitlab", "sarif", "junit"):
        shown = check("--format", form, stdin=stream).stdout.decode()
        assert not set(name) & set("\x1b\x01\u202e") & set(shown), form
        assert "gw\\x1b[31m\\x01\\u202e" in shown.replace("\\\\", "\\"), form
    assert parsed(check("--format", "junit", stdin=stream).stdout).get("failures") == "1"
    assert json.loads(check("--format", "json", stdin=stream).stdout)["findings"][0]["name"] == name
    assert b"\x1b" not in run(stdin=stream).stderr


def test_a_report_that_cannot_be_written_hides_nothing(tmp_path: Path) -> None:
    """What was found is told all the same; of manifests without errors none is passed on."""
    nowhere = str(tmp_path / "no" / "report")
    for done in (run("--report", nowhere, stdin=BAD), check("--report", nowhere, stdin=BAD)):
        told = (done.stdout + done.stderr).decode()
        assert "ERROR MLM701" in told
        assert f"the report cannot be written: No such file or directory\n  where:  {nowhere}" in told
        assert done.returncode != 0
    warned = run("--report", nowhere, stdin=WARNS)
    assert (warned.returncode, warned.stdout, b"WARNING MLM203" in warned.stderr) == (2, b"", True)


def test_what_ended_the_run_is_in_every_form() -> None:
    """Beside findings that there were already, none of which is lost."""
    assert github([finding()], ERROR).count("\n") == 2
    suite = parsed(junit([finding()], ERROR))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "1")
    assert len(json.loads(gitlab([finding()], ERROR))) == 2
    assert len(json.loads(sarif([finding()], DOCS, ERROR))["runs"][0]["results"]) == 1
