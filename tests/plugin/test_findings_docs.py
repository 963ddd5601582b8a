"""What docs/findings.md shows is what the program does."""

import os
import re
import subprocess
from pathlib import Path

import yaml

from dev.toolchain import ROOT
from mlmesh.invariants.registry import CODES
from mlmesh.model import errors
from mlmesh.options import POST_OPTIONS, REPORT_FORMAT
from tests.support.checks import check
from tests.support.streams import BIN

PAGE = (ROOT / "docs" / "findings.md").read_text()
FILES = re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SESSIONS = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def replayed(session: str, folder: Path) -> str:
    """The commands of a session with what they print now; an exit code other than 0 is told, a pipe's is its last."""
    base = {name: value for name, value in os.environ.items() if not name.startswith(("MLMESH_", "FORCE_COLOR"))}
    shown = []
    for command in re.findall(r"^\$ (.*)$", session, re.MULTILINE):
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env={**base, "PATH": f"{BIN}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        shown.append(f"$ {command}\n{done.stdout}" + (f"[exit code {done.returncode}]\n" if done.returncode else ""))
    return "".join(shown)


def test_the_sessions_come_out_as_written(tmp_path: Path) -> None:
    """Every command of the page, in its order, in a folder that holds the page's files."""
    assert len(SESSIONS) >= 6
    for name, text in FILES:
        (tmp_path / name).write_text(f"# {name}\n{text}")
    for session in SESSIONS:
        assert replayed(session, tmp_path) == session


def test_the_page_names_every_form_and_exit_code() -> None:
    """A new one is a row of its table."""
    rows = set(re.findall(r"^\| `?(\w+)`? \|", PAGE, re.MULTILINE))
    codes = {errors.OK, errors.FINDINGS, errors.INPUT, errors.DEFECT, errors.CLOSED_PIPE}
    assert {*REPORT_FORMAT.choices, *map(str, codes)} <= rows


def test_the_variables_and_codes_that_it_names_exist() -> None:
    """None is misspelt."""
    known = {option.variable for option in POST_OPTIONS}
    assert set(re.findall(r"MLMESH_\w+", PAGE)) <= known
    assert set(re.findall(r"MLM\d{3}", PAGE)) <= CODES
    text = check("--help").stdout.decode()
    assert [each for each in set(re.findall(r"`(--[a-z-]+)`", PAGE)) if each not in text] == []


def test_its_policy_is_one() -> None:
    """The files of the page are manifests."""
    assert [yaml.safe_load(text)["kind"] for _, text in FILES] == ["Gateway", "MeshPolicy"]
