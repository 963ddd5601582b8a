"""The files of deploy/ as a whole."""

import re

import mlmesh
from dev.toolchain import ROOT

PAGES = "".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FILES = [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]


def test_every_file_is_told_and_tested() -> None:
    """A page names it, and a test reads it: of this folder, or of the mesh."""
    folders = [ROOT / "tests" / name for name in ("hosts", "mesh")]
    tests = "".join(path.read_text() for folder in folders for path in folder.glob("test_*.py"))
    assert len(FILES) >= 6
    for file in FILES:
        assert file.name in PAGES, file
        assert file.name in tests or f'"deploy" / "{file.parent.name}"' in tests, file


def test_every_page_says_what_one_sees_when_it_fails() -> None:
    """A table of symptoms, each with what to do."""
    for name in ("argocd", "github-actions", "gitlab-ci", "pre-commit"):
        page = (ROOT / "docs" / "hosts" / f"{name}.md").read_text()
        table = page.partition("## When it fails\n")[2]
        rows = re.findall(r"^\| (?!what one sees|---)(.+?) \| (.+?) \|$", table, re.MULTILINE)
        assert len(rows) >= 5, name


def test_they_name_this_version() -> None:
    """What pip installs, and the image, are those that the files are made for."""
    named = {
        found
        for file in [*FILES, *(ROOT / "docs" / "hosts").glob("*.md")]
        for found in re.findall(r"mlmesh(?:==|:)(\d[\w.]*)|newTag: ([\d.]+)|rev: v([\d.]+)", file.read_text())
    }
    assert {version for each in named for version in each if version} == {mlmesh.__version__}
