"""A release as `make dist` makes it, signed with a key that nobody trusts but the tests."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dev.progress import StepError
from dev.toolchain import ROOT, tool
from tests.support.running import not_run

PASSPHRASE = "only of this test"  # noqa: S105 - a key that is thrown away


class Keys(NamedTuple):
    """A throw-away key: files of its secret and public half as Helm reads them, its passphrase and its user ID."""

    secret: Path
    public: Path
    passphrase: Path
    name: str

    @property
    def options(self) -> list[str]:
        """The options of dev.release that sign with it."""
        return ["--key", self.name, "--keyring", str(self.secret), "--passphrase-file", str(self.passphrase)]


class Released(NamedTuple):
    """The folder that `make dist` wrote, and the key that signed it."""

    folder: Path
    keys: Keys

    def one(self, pattern: str) -> Path:
        """The only file of that pattern."""
        (found,) = self.folder.glob(pattern)
        return found


@pytest.fixture(scope="session")
def new_keys(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Keys]]:
    """`new_keys(name)`: an OpenPGP key with that user ID."""
    if not shutil.which("gpg"):
        not_run("there is no gpg")
    homes = []

    def make(name: str) -> Keys:
        folder = tmp_path_factory.mktemp("keys")
        folder.chmod(0o700)
        homes.append(folder)
        keys = Keys(folder / "secret.gpg", folder / "public.gpg", folder / "passphrase", name)
        keys.passphrase.write_text(PASSPHRASE)
        gpg = ["gpg", "--homedir", str(folder), "--batch", "--pinentry-mode", "loopback"]
        gpg += ["--passphrase-file", str(keys.passphrase)]
        for command in (
            ["--quick-generate-key", name, "rsa3072", "sign", "never"],
            ["--output", str(keys.secret), "--export-secret-keys", name],
            ["--output", str(keys.public), "--export", name],
        ):
            subprocess.run([*gpg, *command], check=True, capture_output=True, timeout=120)
        return keys

    yield make
    for home in homes:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True, check=False)


def make_dist(
    *options: str, root: Path = ROOT, env: dict[str, str] | None = None, umask: int = -1
) -> subprocess.CompletedProcess[str]:
    """Run what `make dist` runs, in the checkout `root`."""
    return subprocess.run(
        [sys.executable, "-m", "dev.release", *options],
        cwd=root, env=env, umask=umask, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory, new_keys: Callable[[str], Keys]) -> Released:
    """The release of the commit that is checked out, signed."""
    program("helm4")
    out = tmp_path_factory.mktemp("released") / "dist"
    keys = new_keys("mlmesh test <test@example.com>")
    done = make_dist("--out", str(out), *keys.options)
    assert done.returncode == 0, done.stderr
    return Released(out, keys)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an OCI registry on loopback, empty, that speaks HTTP."""
    log = tmp_path_factory.mktemp("registry") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [program("crane"), "registry", "serve", "--address", "127.0.0.1:0"], stdout=output, stderr=output
        )
    try:
        end = time.monotonic() + 30
        while not (found := re.search(r"serving on port (\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield f"127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def program(name: str) -> str:
    """The path of a program of dev.recipes; the test is not run where it cannot be had."""
    try:
        return str(tool(name))
    except StepError as error:
        not_run(str(error))


class Newcomer(NamedTuple):
    """Somebody with an empty home, and no more on PATH than the system, one Helm and what is put into `home`/bin."""

    home: Path
    environment: dict[str, str]

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command from the home."""
        return subprocess.run(
            command,
            cwd=self.home, env=self.environment | variables,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    def ok(self, *command: str, **variables: str) -> str:
        """The same, and it must succeed; what it printed, on both of its outputs."""
        done = self.run(*command, **variables)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def newcomer(tmp_path: Path) -> Callable[[str], Newcomer]:
    """`newcomer(helm)`: one who has the Helm called so."""

    def get(helm: str) -> Newcomer:
        home = tmp_path / f"home-{helm}"
        (home / "bin").mkdir(parents=True)
        # Settings of the package index are the user's, and stay; nothing of this Python environment does.
        gone = ("HELM_", "MLMESH_", "PYTHON", "VIRTUAL_ENV", "XDG_", "PIPX_", "KUBE", "DOCKER_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(gone)}
        path = f"{home}/bin:{Path(program(helm)).parent}:{Path(program('kubectl')).parent}:/usr/bin:/bin"
        return Newcomer(home, environment | {"HOME": str(home), "PATH": path, "KUBECONFIG": str(home / "none")})

    return get
