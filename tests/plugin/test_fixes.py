"""`mlmesh check --fix`: what a rule can mend is mended in the text, and nothing else is."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from mlmesh.commands.fixes import ROUNDS, mend
from mlmesh.commands.inputs import Inputs
from mlmesh.invariants.registry import rules
from mlmesh.model.errors import DefectError
from mlmesh.model.findings import Finding
from mlmesh.post_renderer import post_render
from tests.support.checks import BAD, check, finding, write_folder
from tests.support.rule_cases import CASES, findings
from tests.support.rule_cases import check as checked
from tests.support.streams import BIN

if TYPE_CHECKING:
    from mlmesh.model.patches import Operation

MENDED = BAD.replace("protocol: GRPC", 'protocol: "HTTP"')


def test_a_fix_is_minimal_and_its_result_passes(tmp_path: Path) -> None:
    """Safe fixes by --fix, the others by --unsafe-fixes; what was mended is told, and what is left."""
    file = write_folder(tmp_path) / "deep" / "b.yml"
    before = file.read_text()
    assert check(str(tmp_path), "--fix").returncode == 1
    assert file.read_text() == before
    done = check(str(tmp_path), "--unsafe-fixes")
    assert done.returncode == 0
    assert b"mended: MLM701 Gateway ml/gw /spec/listeners/0/protocol" in done.stderr
    assert file.read_text() == before.replace("protocol: GRPC", 'protocol: "HTTP"')
    assert check(str(tmp_path), "--unsafe-fixes").stderr == b""


def test_a_safe_fix_takes_away_what_it_names(tmp_path: Path) -> None:
    """An allowance that excuses nothing goes with its line; every other byte stays."""
    file = tmp_path / "a.yaml"
    shutil.copy(CASES / "MLM001" / "bad.yaml", file)
    before = file.read_text()
    assert check(str(file), "--fix").stderr.startswith(b"mended: MLM001 ")
    assert file.read_text() == re.sub(r"{allow\.mlmesh\.dev/[^}]*}", "{}", before)
    assert len(file.read_text()) < len(before)


def test_a_full_disk_leaves_a_file_as_it_was(tmp_path: Path) -> None:
    """It is told, and the manifests are whole; nor is half a report left."""
    file = tmp_path / "a.yaml"
    text = BAD + "#" * (1024 - len(BAD))  # two more bytes than a block, when it is mended
    file.write_text(text)
    for option in ("--unsafe-fixes", f"--report {tmp_path / 'report'} --report-format sarif"):
        command = f"ulimit -f 1; {BIN}/mlmesh check {file} {option}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=60)
        assert done.returncode == 2
        assert b"cannot be written: File too large" in done.stderr
        assert file.read_text() == text
        assert list(tmp_path.iterdir()) == [file]


def test_a_diff_shows_and_writes_nothing(tmp_path: Path) -> None:
    """The diff alone is on standard output, for `patch`; findings and exit code are those of the files as they are."""
    file = write_folder(tmp_path) / "deep" / "b.yml"
    before = file.read_text()
    done = check(str(tmp_path), "--unsafe-fixes", "--diff")
    assert done.stdout.decode().startswith("--- a/")
    assert (
        "-  listeners: [{name: http, port: 80, protocol: GRPC}]\n"
        '+  listeners: [{name: http, port: 80, protocol: "HTTP"}]\n'
    ) in done.stdout.decode()
    assert done.returncode == 1
    assert b"would mend: MLM701" in done.stderr
    assert b"ERROR MLM701" in done.stderr
    assert file.read_text() == before
    alone = check(str(tmp_path), "--diff")  # what --fix would do: nothing here
    assert (alone.stdout, alone.returncode) == (b"", 1)


def test_standard_input_goes_to_standard_output() -> None:
    """Mended, and byte for byte where nothing is to be mended; the report is on standard error."""
    piped = check("-", "--unsafe-fixes", stdin=BAD)
    assert (piped.stdout.decode(), piped.returncode) == (MENDED, 0)
    same = check("--fix", stdin=BAD)
    assert (same.stdout.decode(), same.returncode) == (BAD, 1)
    assert b"ERROR MLM701" in same.stderr


def test_a_file_keeps_its_mode_and_its_links(tmp_path: Path) -> None:
    """The file itself is written, not a new one in its place."""
    file, link = tmp_path / "a.yaml", tmp_path / "b.yaml"
    file.write_text(BAD)
    file.chmod(0o640)
    link.symlink_to(file)
    assert check(str(link), "--unsafe-fixes").returncode == 0
    assert link.is_symlink()
    assert (file.read_text(), file.stat().st_mode & 0o777) == (MENDED, 0o640)


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A pipe has no place to write to: exit code 2 and its name, no defect."""
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    child = os.fork()
    if not child:
        pipe.write_text(BAD)
        os._exit(0)
    done = check(str(pipe), "--unsafe-fixes")
    os.waitpid(child, 0)
    assert done.returncode == 2
    assert b"mended" not in done.stderr
    assert f"the file cannot be written: it is a pipe\n  where:  {pipe}" in done.stderr.decode()


def test_a_fix_and_what_would_be_post_rendered_do_not_go_together() -> None:
    """What would be mended is not in the files."""
    done = check("--fix", "--post-render", stdin=BAD)
    assert (done.returncode, done.stdout) == (2, b"")


def test_every_fix_of_the_cases_mends_its_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever rule offers a fix: with it made its finding is gone, no other has come, and there is no more to do.

    Of MLM101 an information stays: the rule that guards nothing is kept beside those that do.
    """
    monkeypatch.chdir(tmp_path)
    mended = set()
    for case in sorted(CASES.glob("*/bad*.yaml")):
        target = tmp_path / case.parent.name / case.name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(case, target)
        before = findings(target)
        offered = {each["code"] for each in before if each["fix"] != "none"}
        if offered:
            checked(target, "--unsafe-fixes")
            left = findings(target)
            after = {each["code"] for each in left}
            stay = {each["code"] for each in left if each["severity"] == "info" and each["fix"] == "none"} & {"MLM101"}
            assert offered & after <= stay, case
            assert after <= {each["code"] for each in before}, case
            text = target.read_bytes()
            checked(target, "--unsafe-fixes")
            assert target.read_bytes() == text, case
            mended |= offered
    assert mended == {rule.code for rule in rules() if rule.fix != "none"}


def test_only_rules_that_declare_a_fix_offer_one() -> None:
    """In every case of every rule: what mends a finding is there where its rule says that it has a fix."""
    offering = set()
    for case in sorted(CASES.glob("*/*.yaml")):
        for each in post_render(case.read_bytes(), as_it_is=True).findings:
            if each.operations or each.documents:
                assert each.fix != "none", (case, each.code)
                offering.add(each.code)
            else:
                assert each.fix == "none", (case, each.code)
    assert {"MLM101", "MLM701"} <= offering


def test_a_safe_fix_is_made_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--fix makes what is declared safe, and nothing else: all bytes of a case without a safe fix stay."""
    monkeypatch.chdir(tmp_path)
    for case in sorted(CASES.glob("*/bad*.yaml")):
        target = tmp_path / case.name
        shutil.copy(case, target)
        safe = {each["code"] for each in findings(target) if each["fix"] == "safe"}
        checked(target, "--fix")
        assert (target.read_bytes() != case.read_bytes()) == bool(safe), case


def test_comments_stay_whatever_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case with comments behind its keys is mended as the case is, and has them all afterwards.

    MLM204 apart, whose fix is another route in the place of one.
    """
    monkeypatch.chdir(tmp_path)
    keys = re.compile(r"(?m)^( *(?:kind|metadata|spec|annotations|labels|ports|http|rules):[^|>\n]*?)$")
    for case in sorted(CASES.glob("*/bad*.yaml")):
        plain, target = tmp_path / "plain.yaml", tmp_path / "commented.yaml"
        shutil.copy(case, plain)
        text = keys.sub(r"\1  # kept", case.read_text())
        target.write_text(text)
        offered = {each["code"] for each in findings(target) if each["fix"] != "none"}
        if not offered:
            continue
        checked(plain, "--unsafe-fixes")
        checked(target, "--unsafe-fixes")
        after = target.read_text()
        assert list(yaml.safe_load_all(after)) == list(yaml.safe_load_all(plain.read_text())), case
        assert "MLM204" in offered or after.count("# kept") == text.count("# kept") > 0, case


class Judge:
    """Findings about a list, as rules give them: each item that begins with `bad` is to go."""

    def __init__(self, tmp_path: Path, items: list[str]) -> None:
        file = tmp_path / "list.yaml"
        file.write_text(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nitems:\n"
            + "".join(f"  - {each}\n" for each in items)
        )
        self.inputs = Inputs([str(file)])
        self.rounds = 0

    @property
    def items(self) -> list[str]:
        return [line[4:] for line in self.inputs.texts[0].decode().splitlines() if line.startswith("  - ")]

    def __call__(self) -> list[Finding]:
        self.rounds += 1
        return [
            self.about(str(index), {"op": "remove", "path": f"/items/{index}"})
            for index, item in enumerate(self.items)
            if item.startswith("bad")
        ]

    def about(self, name: str, *operations: "Operation") -> Finding:
        return finding(document=0, line=5, fingerprint=name, fix="unsafe", operations=operations)


@pytest.mark.parametrize(
    "items", [["bad1", "bad2", "good"], ["good1", "bad1", "good2", "bad2", "bad3", "good3"], ["good", *["bad"] * 30]]
)
def test_items_taken_from_one_list_are_the_right_ones(tmp_path: Path, items: list[str]) -> None:
    """RFC 6902 counts anew after each removal: one fix does not send another to a neighbour."""
    judge = Judge(tmp_path, items)
    left = mend(judge.inputs, judge(), judge, unsafe=True)
    assert left == []
    assert judge.items == [item for item in items if item.startswith("good")]


def test_of_fixes_of_one_place_one_is_made_and_the_rest_judged_again(tmp_path: Path) -> None:
    """Two rules that want different values leave one of them, not half of both."""
    judge = Judge(tmp_path, ["x"])
    both = [
        judge.about("1", {"op": "replace", "path": "/items/0", "value": "one"}),
        judge.about("2", {"op": "replace", "path": "/items", "value": ["two"]}),
    ]
    assert mend(judge.inputs, both, judge, unsafe=True) == []
    assert judge.items == ['"two"']


def test_a_fix_that_moves_an_item_goes_before_those_of_its_list(tmp_path: Path) -> None:
    """What is at another place afterwards is mended when it was found there."""
    judge = Judge(tmp_path, ["good1", "bad", "good2", "good3"])
    moved = judge.about(
        "moved", {"op": "remove", "path": "/items/3"}, {"op": "add", "path": "/items/0", "value": "good3"}
    )
    assert mend(judge.inputs, [*judge(), moved], judge, unsafe=True) == []
    assert judge.items == ['"good3"', "good1", "good2"]


def test_what_two_fixes_need_is_made_once(tmp_path: Path) -> None:
    """Both put an annotation into a map that is not there yet."""
    judge = Judge(tmp_path, ["x"])
    there: Operation = {"op": "add", "path": "/metadata/annotations", "value": {}}
    both = [
        judge.about("1", there, {"op": "add", "path": "/metadata/annotations/a", "value": "1"}),
        judge.about("2", there, {"op": "add", "path": "/metadata/annotations/b", "value": "2"}),
    ]
    assert mend(judge.inputs, both, judge, unsafe=True) == []
    text = judge.inputs.texts[0].decode()
    assert '"1"' in text
    assert '"2"' in text
    assert judge.rounds == 1


def test_fixes_that_undo_each_other_end(tmp_path: Path) -> None:
    """After some rounds what is left is told."""
    judge = Judge(tmp_path, ["a"])

    def turned() -> list[Finding]:
        judge.rounds += 1
        other = "b" if judge.items in (["a"], ['"a"']) else "a"
        return [judge.about(other, {"op": "replace", "path": "/items/0", "value": other})]

    assert len(mend(judge.inputs, turned(), turned, unsafe=True)) == 1
    assert judge.rounds == ROUNDS + 1


def test_a_fix_that_leads_nowhere_is_a_defect(tmp_path: Path) -> None:
    """Not a finding that quietly stays."""
    judge = Judge(tmp_path, ["a"])
    wrong = judge.about("1", {"op": "replace", "path": "/nothing/here", "value": 1})
    with pytest.raises(DefectError):
        mend(judge.inputs, [wrong], judge, unsafe=True)


def test_unsafe_fixes_need_to_be_asked_for(tmp_path: Path) -> None:
    """--fix alone makes those of which a rule says that nothing that works can change."""
    judge = Judge(tmp_path, ["bad"])
    assert len(mend(judge.inputs, judge(), judge, unsafe=False)) == 1
    assert judge.items == ["bad"]
