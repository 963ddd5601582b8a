"""What docs/environments.md shows is what the program does."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.support.sessions import replayed
from tests.support.streams import run

PAGE = (ROOT / "docs" / "environments.md").read_text()
FILES = re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SESSIONS = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_the_sessions_come_out_as_written(name: str, helm: Callable[[str], Helm], tmp_path: Path) -> None:
    """Every command of the page, in a folder that holds the page's files, with each Helm on PATH."""
    for file, text in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"# {file}\n{text}")
    assert len(SESSIONS) >= 4
    for session in SESSIONS:
        assert replayed(session, tmp_path, helm(name).environment) == session


def test_the_options_that_it_names_exist() -> None:
    """None is misspelt, but for those of which it says that they are not there."""
    known = run("values", "explain", "--help", command="mlmesh").stdout + run("diff", "--help", command="mlmesh").stdout
    known += run("check", "--help", command="mlmesh").stdout
    named = set(re.findall(r"`(--[a-z-]+)", PAGE)) - {"--set-file", "--set-literal"}
    assert [option for option in sorted(named) if option.encode() not in known] == []
