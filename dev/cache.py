"""The cache directory: what is built or fetched once, keyed by name, version and platform."""

import fcntl
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.progress import say

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def cache_dir() -> Path:
    """The cache's place: `MLMESH_CACHE`, else `mlmesh` in the user's cache directory."""
    if own := os.environ.get("MLMESH_CACHE"):
        return Path(own).absolute()
    # The XDG specification says to ignore a relative path.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "mlmesh"


def this_platform() -> str:
    """Operating system and processor, in Go's words: `linux-amd64`."""
    machine = platform.machine()
    return f"{sys.platform}-{_ARCHITECTURES.get(machine, machine)}"


@contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold the lock file `path` against other processes; says so where it has to wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process: {waiting_for}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def kept(name: str, version: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """The cached directory of `name`; `make` fills it where it is missing.

    `recipe` is a short digest of how it is made: a changed recipe is a new directory. The directory appears whole or
    not at all, whatever interrupts `make`.
    """
    home = cache_dir() / "tools" / name / f"{version}-{this_platform()}-{recipe}"
    if home.is_dir():
        return home
    with locked(cache_dir() / "locks" / name, f"{name} {version}"):
        if home.is_dir():
            return home
        home.parent.mkdir(parents=True, exist_ok=True)
        for abandoned in home.parent.glob(".unfinished-*"):  # of a process that was killed: the lock is ours
            shutil.rmtree(abandoned, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=home.parent))
        try:
            make(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(home)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return home
