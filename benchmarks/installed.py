"""mlmesh as its users have it: installed, not editable, with its locked dependencies and with bytecode."""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

from dev.cache import cache_dir, locked
from dev.progress import run_step
from dev.toolchain import ROOT

_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "requirements.lock")


def installed() -> Path:
    """The `bin` folder of a virtual environment with this checkout's mlmesh, made where the sources have changed.

    Raises StepError where a step fails.
    """
    home = cache_dir() / "bench" / "venv" / _digest()
    ready = home / ".ready"
    with locked(cache_dir() / "locks" / "bench-venv", "the benchmark's virtual environment"):
        if not ready.exists():
            shutil.rmtree(home, ignore_errors=True)
            _make(home)
            ready.touch()
    return home / "bin"


def clean_environment() -> dict[str, str]:
    """The environment without what would change Python or the post-renderer: bytecode is written and read."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLMESH_", "HELM_"))}


def versions(bin_folder: Path) -> dict[str, str]:
    """The versions of Python, PyYAML and libyaml in the environment."""
    code = "import sys, yaml, yaml._yaml as c; print(sys.version.split()[0], yaml.__version__, c.get_version_string())"
    done = subprocess.run(  # noqa: S603 - the environment's own Python
        [str(bin_folder / "python"), "-c", code],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(("Python", "PyYAML", "libyaml"), done.stdout.split(), strict=True))


def _make(home: Path) -> None:
    venv.create(home, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    environment = clean_environment()
    with tempfile.TemporaryDirectory(prefix="mlmesh-bench-") as scratch:
        # A build in the checkout would take along what an earlier build left there.
        sources = Path(scratch) / "sources"
        shutil.copytree(ROOT / "plugin" / "mlmesh", sources / "plugin" / "mlmesh")
        for name in _SOURCES:
            shutil.copy(ROOT / name, sources / name)
        lock = Path(scratch) / "requirements.txt"
        lock.write_text("".join(_locked_runtime()))
        wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", scratch, str(sources)]
        run_step("building mlmesh for the benchmark", wheel, env=environment)
        install = [*pip, "--python", str(home / "bin" / "python"), "install", "--no-deps", "--compile"]
        run_step("installing what mlmesh needs", [*install, "--require-hashes", "-r", str(lock)], env=environment)
        wheels = [str(path) for path in Path(scratch).glob("mlmesh-*.whl")]
        run_step("installing mlmesh", [*install, *wheels], env=environment)


def _locked_runtime() -> Iterator[str]:
    """The lock's entries of what mlmesh needs to run."""
    wanted = _needed("mlmesh")
    for entry in re.findall(r"^\S.*?(?=^\S|\Z)", (ROOT / "requirements.lock").read_text(), re.MULTILINE | re.DOTALL):
        if entry.split("==")[0] in wanted:
            yield entry


def _needed(distribution: str) -> set[str]:
    names: set[str] = set()
    for requirement in importlib.metadata.requires(distribution) or ():
        if ";" not in requirement:  # no extras, no other platform
            name = re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-")
            names |= {name} | _needed(name)
    return names


def _digest() -> str:
    sources = sorted((ROOT / "plugin" / "mlmesh").rglob("*.py"))
    found = hashlib.sha256(sys.version.encode())
    for path in (*sources, *(ROOT / name for name in _SOURCES)):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]
