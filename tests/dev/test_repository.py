"""The repository itself: one version everywhere, no addresses of registries, no paths of one machine."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import mlmesh
from dev.recipes import GO, GO_NEEDED, PROGRAMS, GoProgram, Wheel
from dev.toolchain import ROOT
from dev.version import version

LOCK = ROOT / "requirements.lock"
# Each has a class of one letter, so that this file does not hold what it looks for.
REGISTRIES = (
    r"p[y]pi\.org|p[y]thonhosted\.org|(proxy|sum)\.g[o]lang\.org|registry\.n[p]mjs|n[p]mjs\.org|static\.cr[a]tes\.io"
)
PATHS = r"/w[o]rk/|/r[o]ot/|/tmp/v[e]nv|mesh-l[a]b"


def tracked() -> Iterator[tuple[str, str]]:
    """Path and text of every file that git tracks; binary ones left out."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.fail("git cannot list the files of the checkout: " + listed.stderr)
    for name in listed.stdout.split("\0")[:-1]:
        path = ROOT / name
        if path.is_file() and b"\0" not in (data := path.read_bytes()):
            yield name, data.decode(errors="replace")


@pytest.mark.parametrize("pattern", [REGISTRIES, PATHS], ids=["registries", "paths"])
def test_no_file_names_registries_or_this_machine(pattern: str) -> None:
    """No tracked file holds a registry's host name, or a path of the machine that it was written on."""
    found = {name: hit[0] for name, text in tracked() if (hit := re.search(pattern, text))}
    assert found == {}


def test_lock_has_hashes_and_no_addresses() -> None:
    """Each locked package has one exact version and hashes; nothing says where it is to come from."""
    text = LOCK.read_text()
    assert not re.search(r"://|^-| @ ", text, re.MULTILINE)
    requirements = re.findall(r"^(\S.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    packages = [requirement for requirement in requirements if not requirement.startswith("#")]
    assert len(packages) > 10
    for package in packages:
        assert re.match(r"[a-z0-9][a-z0-9-]*==[0-9][\w.]* \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+", package), (
            package
        )


def test_lock_has_every_declared_package() -> None:
    """What pyproject.toml asks for at run time, for development and to build is in the lock."""
    project = _toml(ROOT / "pyproject.toml")
    declared = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["dev"]
    declared += project["build-system"]["requires"]
    names = {re.split(r"[<>=\[ ]", line)[0].lower().replace("_", "-") for line in declared}
    locked = set(re.findall(r"^([a-z0-9-]+)==", LOCK.read_text(), re.MULTILINE))
    assert names <= locked


def test_runtime_dependencies_are_the_four() -> None:
    """Whoever installs the post-renderer gets these packages and no other."""
    declared = _toml(ROOT / "pyproject.toml")["project"]["dependencies"]
    assert sorted(re.split(r"[<>=]", line)[0] for line in declared) == ["click", "deepmerge", "jsonpatch", "pyyaml"]


def test_one_version_everywhere() -> None:
    """Distribution, package, Helm 4's plugin and chart carry the same version, in the places of `make version`."""
    chart = _yaml(ROOT / "chart" / "Chart.yaml")
    versions = {
        "pyproject.toml": _toml(ROOT / "pyproject.toml")["project"]["version"],
        "plugin.yaml": _yaml(ROOT / "plugin" / "mlmesh-post" / "plugin.yaml")["version"],
        "chart": chart["version"],
        "chart's app": chart["appVersion"],
        "every place": version(),
    }
    assert set(versions.values()) == {mlmesh.__version__}, versions


def test_chart_requires_no_newer_plugin() -> None:
    """The chart does not ask for a post-renderer that is newer than the one beside it."""
    required = _yaml(ROOT / "chart" / "Chart.yaml")["annotations"]["mlmesh.dev/requires"]
    assert _numbers(required) <= _numbers(mlmesh.__version__)


@pytest.mark.parametrize("name", [name for name, recipe in PROGRAMS.items() if isinstance(recipe, GoProgram | Wheel)])
def test_every_program_has_one_exact_version(name: str) -> None:
    """No program is taken at `latest` or at a branch: the cache is keyed by what stands here."""
    recipe = PROGRAMS[name]
    assert isinstance(recipe, GoProgram | Wheel)
    assert re.fullmatch(r"v?\d+\.\d+\.\d+(-\d{14}-[0-9a-f]{12})?", recipe.version)


def test_bootstrap_needs_the_standard_library_only() -> None:
    """What runs before the virtual environment is there, and `make demo-down`, import nothing that is installed."""
    command = [sys.executable, "-S", "-c", "import dev.bootstrap, dev.demo, dev.toolchain"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_command_is_told() -> None:
    """CONTRIBUTING.md's table holds the targets of the Makefile, each and no other."""
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    told = re.findall(r"^\| `make ([a-z-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert sorted(told) == sorted(phony[1].split())


def test_the_go_wheel_is_new_enough() -> None:
    """A machine without Go gets one that builds every program."""
    assert _numbers(GO.version) >= list(GO_NEEDED)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def _yaml(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded
