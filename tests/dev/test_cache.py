"""What is built once stays whole: the cache, and the steps that fill it."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dev import toolchain
from dev.cache import cache_dir, kept
from dev.progress import StepError, run_step
from dev.trust import system_has_bundle


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("MLMESH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_made_once() -> None:
    """The same name, version and recipe are made once; another recipe is made anew, in another folder."""
    made: list[Path] = []

    def make(home: Path) -> None:
        made.append(home)
        (home / "program").write_text("x")

    first = kept("tool", "1.0", "recipe", make)
    assert kept("tool", "1.0", "recipe", make) == first
    other = kept("tool", "1.0", "changed recipe", make)
    assert (len(made), other != first) == (2, True)
    assert (first / "program").read_text() == "x"


def test_a_failed_build_leaves_nothing(own_cache: Path) -> None:
    """A build that fails half way is not taken for a finished one, and its remains are gone."""

    def fail(home: Path) -> None:
        (home / "half").write_text("x")
        raise StepError("no compiler")

    with pytest.raises(StepError, match="no compiler"):
        kept("tool", "1.0", "recipe", fail)
    assert list((own_cache / "tools" / "tool").iterdir()) == []
    assert kept("tool", "1.0", "recipe", lambda _: None).is_dir()


def test_what_a_killed_build_left_is_removed(own_cache: Path) -> None:
    """A build that was killed cannot tidy up; the next one does."""
    abandoned = own_cache / "tools" / "tool" / ".unfinished-x"
    abandoned.mkdir(parents=True)
    made = kept("tool", "1.0", "recipe", lambda _: None)
    assert list((own_cache / "tools" / "tool").iterdir()) == [made]


def test_two_at_once_make_it_once() -> None:
    """Whoever else needs the same tool meanwhile waits for it."""
    made: list[Path] = []

    def make(home: Path) -> None:
        made.append(home)
        time.sleep(0.2)  # long enough for the others to find it unfinished

    threads = [threading.Thread(target=kept, args=("tool", "1.0", "recipe", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MLMESH_CACHE, then XDG_CACHE_HOME if absolute, then the home's .cache."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("MLMESH_CACHE")
    assert cache_dir() == tmp_path / "xdg" / "mlmesh"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_dir() == tmp_path / ".cache" / "mlmesh"


def test_a_failed_step_tells_its_output() -> None:
    """The error of a failed step holds its title, its exit code and what it printed last."""
    with pytest.raises(StepError, match=r"(?s)compiling failed \(exit 3\).*the reason"):
        run_step("compiling", [sys.executable, "-c", "print('the', 'reason'); raise SystemExit(3)"])


def test_a_failed_tool_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that takes minutes to fail does so once in a run, however many tests ask for it."""
    tries: list[str] = []

    def fail(name: str) -> Path:
        tries.append(name)
        raise StepError("no network")

    monkeypatch.setattr(toolchain, "_get", fail)
    monkeypatch.setattr(toolchain, "_failed", {})
    for _ in range(2):
        with pytest.raises(StepError, match="no network"):
            toolchain.tool("kustomize")
    assert tries == ["kustomize"]


def test_a_named_bundle_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the user names certificate authorities, no others are put in their place."""
    monkeypatch.setenv("SSL_CERT_FILE", "/somewhere/ca.pem")
    assert system_has_bundle()


def test_unknown_tool_is_a_usage_error() -> None:
    """A name that is in no recipe is refused with the names there are."""
    command = [sys.executable, "-m", "dev.toolchain", "kubctl"]
    done = subprocess.run(command, cwd=toolchain.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such tool: kubctl" in done.stderr
    assert "kubectl" in done.stderr
