"""`make version`: one version, raised everywhere at once or nowhere."""

import re
import shutil
from pathlib import Path

import pytest

from dev.changelog import CHANGELOG, changes, notes, released
from dev.progress import StepError
from dev.toolchain import ROOT
from dev.version import PLACES, raise_version, version


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that hold the version, in a folder of their own."""
    for name in {name for name, _ in PLACES} | {CHANGELOG.name}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_version_is_raised_in_every_place(checkout: Path) -> None:
    """Each place has it, nothing else of the files changes, and the changelog has its section under it."""
    before = {name: (checkout / name).read_text().splitlines() for name, _ in PLACES}
    old = version(checkout)
    raise_version("7.0.0", "2031-02-03", checkout)
    assert version(checkout) == "7.0.0"
    for name, lines in before.items():
        now = (checkout / name).read_text().splitlines()
        assert len(now) == len(lines)
        changed = [(a, b) for a, b in zip(lines, now, strict=True) if a != b]
        assert len(changed) == sum(each == name for each, _ in PLACES)
        assert [a.replace(old, "7.0.0") for a, _ in changed] == [b for _, b in changed]
    text = (checkout / CHANGELOG.name).read_text()
    assert re.search(r"^## \[Unreleased\]\n\n## \[7\.0\.0\] - 2031-02-03\n\n### Added$", text, re.MULTILINE)
    assert notes(text, "7.0.0") == notes(CHANGELOG.read_text(), "Unreleased")


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ("v7.0.0", "no version"),
        ("7.0", "no version"),
        ("7.0.0-rc1", "no version"),
        ("0.0.1", "not above"),
        ("same", "not above"),
    ],
)
def test_a_wrong_version_changes_nothing(checkout: Path, new: str, told: str) -> None:
    """What is no version, or not above the present one, is refused, and every file stays."""
    before = {path: path.read_text() for path in checkout.rglob("*") if path.is_file()}
    with pytest.raises(StepError, match=told):
        raise_version(version(checkout) if new == "same" else new, "2031-02-03", checkout)
    assert {path: path.read_text() for path in checkout.rglob("*") if path.is_file()} == before


def test_places_that_differ_are_told(checkout: Path) -> None:
    """Each place is named with what it has."""
    chart = checkout / "chart" / "Chart.yaml"
    chart.write_text(re.sub(r"^version: .*$", "version: 9.9.9", chart.read_text(), flags=re.MULTILINE))
    with pytest.raises(StepError, match=r"versions differ(.|\n)*chart/Chart.yaml .*: 9\.9\.9"):
        version(checkout)


def test_a_version_is_released_once_and_never_empty() -> None:
    """A section that is there, and an Unreleased without an entry, are refused."""
    text = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- **A**: b.\n"
    once = released(text, "1.0.0", "2031-02-03")
    assert notes(once, "1.0.0") == "### Added\n\n- **A**: b."
    with pytest.raises(StepError, match="already"):
        released(once, "1.0.0", "2031-02-04")
    with pytest.raises(StepError, match="nothing to release"):
        released(once, "1.1.0", "2031-02-04")


def test_entries_keep_their_kind_and_their_lists() -> None:
    """An entry is one line, what is deeper belongs to it, and a heading that Keep a Changelog has not is refused."""
    section = "### Added\n\n- One\n  more:\n  - deep\n- Two\n\n### Fixed\n\n- Three"
    assert [tuple(each) for each in changes(section)] == [
        ("Added", "One more: - deep"),
        ("Added", "Two"),
        ("Fixed", "Three"),
    ]
    with pytest.raises(StepError, match="Improved"):
        changes("### Improved\n\n- x")
