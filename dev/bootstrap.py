"""Makes the virtual environment from a bare Python 3.11: no pip, no ensurepip and no root needed.

`python -m dev.bootstrap FOLDER` creates FOLDER where it is missing, installs the locked packages into it by hash, and
this project on top, editable. Runs on the system's Python, so standard library only.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

from dev.progress import StepError, run_step, say

ROOT = Path(__file__).resolve().parent.parent
_DISTRIBUTION_WHEELS = Path("usr/share/python-wheels")

# Debian's pip reads this file as it starts, whatever --cert says, and newer ones fail where it is missing.
_DEBIAN_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_WITHOUT_DEBIAN_BUNDLE = """
import sys
_, wheel, bundle, *arguments = sys.argv
sys.path.insert(0, wheel)
from pip._vendor import certifi
certifi.where = lambda: bundle
from pip._internal.cli.main import main
sys.exit(main(arguments))
"""


def make_environment(folder: Path) -> None:
    """Create or complete the virtual environment in `folder`; StepError where a step fails."""
    python = folder / "bin" / "python"
    if not python.exists():
        say(f"making the virtual environment {folder}")
        venv.create(folder, with_pip=False, symlinks=True)
    with tempfile.TemporaryDirectory(prefix="mlmesh-bootstrap-") as scratch:
        installer, environment = _pip(python, Path(scratch))
        environment |= {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        install = [*installer, "install", "--quiet", "--no-warn-script-location"]
        locked = ["--require-hashes", "--requirement", str(ROOT / "requirements.lock")]
        run_step("installing the locked Python packages", [*install, *locked], env=environment)
        # The build backend is among the locked packages, so that nothing unlocked is fetched to build with.
        own = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
        run_step("installing mlmesh", [*install, *own], env=environment)


def _pip(python: Path, scratch: Path) -> tuple[list[str], dict[str, str]]:
    """A command that runs some pip inside the virtual environment, and the environment variables for it.

    The lock has a pip of its own, so this one serves a first run only.
    """
    environment = dict(os.environ)
    if next((python.parent.parent / "lib").glob("python*/site-packages/pip/__main__.py"), None):
        return [str(python), "-m", "pip"], environment
    if wheel := _wheel_in(Path("/") / _DISTRIBUTION_WHEELS):
        return [str(python), f"{wheel}/pip"], environment
    if importlib.util.find_spec("ensurepip"):
        run_step("unpacking Python's own pip", [str(python), "-m", "ensurepip", "--default-pip"])
        return [str(python), "-m", "pip"], environment
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", str(python)], environment
    named = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    needs_bundle = not named and not _DEBIAN_BUNDLE.is_file()
    _unpack_debian(["python3-pip-whl", *(["ca-certificates"] if needs_bundle else [])], scratch)
    wheel = _wheel_in(scratch / _DISTRIBUTION_WHEELS)
    if wheel is None:
        raise StepError("the distribution's package python3-pip-whl holds no pip: install pip by hand and run again")
    if needs_bundle:
        named = str(scratch / "certificates.pem")
        authorities = sorted((scratch / "usr/share/ca-certificates").rglob("*.crt"))
        Path(named).write_text("\n".join(path.read_text() for path in authorities))
        environment["PIP_CERT"] = named
    if _DEBIAN_BUNDLE.is_file():
        return [str(python), f"{wheel}/pip"], environment
    return [str(python), "-c", _WITHOUT_DEBIAN_BUNDLE, str(wheel), str(named)], environment


def _wheel_in(folder: Path) -> Path | None:
    return max(folder.glob("pip-*.whl"), default=None)


def _unpack_debian(packages: Sequence[str], scratch: Path) -> None:
    """Fetch packages of the distribution and unpack them into `scratch`, without root.

    apt reads the system's sources and keys, but keeps its lists and locks in `scratch`: the system's own lists may be
    empty, and only root may renew them.
    """
    state, cache = scratch / "apt" / "state", scratch / "apt" / "cache"
    (state / "lists" / "partial").mkdir(parents=True)
    (cache / "archives" / "partial").mkdir(parents=True)
    options = [
        "-o",
        f"Dir::State={state}",
        "-o",
        f"Dir::Cache={cache}",
        "-o",
        "Dir::State::status=/var/lib/dpkg/status",
    ]
    # Hooks of the system (images clean up with them) act on the system's folders, which a user cannot write.
    options += [
        "-o",
        "APT::Update::Post-Invoke=",
        "-o",
        "APT::Update::Post-Invoke-Success=",
        "-o",
        "APT::Sandbox::User=",
    ]
    run_step("reading the distribution's package lists", ["apt-get", *options, "update"], cwd=scratch)
    run_step(f"fetching {' and '.join(packages)}", ["apt-get", *options, "download", *packages], cwd=scratch)
    for archive in sorted(scratch.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", archive, scratch], check=True)


def main(arguments: Sequence[str]) -> int:
    """Make the environment in the folder given; 1 where a step failed, which is told."""
    try:
        make_environment(Path(arguments[0]).absolute())
    except StepError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
