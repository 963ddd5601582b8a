"""Sessions of the documentation, replayed: commands, and what they print."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

ANY = "..."


def replayed(session: str, folder: Path, environment: Mapping[str, str]) -> str:
    """The commands of a session with what they print now; an exit code other than 0 is told, a pipe's is its last.

    A command begins with `$ ` and goes on in the next line after a backslash.
    """
    shown = []
    for command in re.findall(r"^\$ ((?:.*\\\n)*.*)$", session, re.MULTILINE):
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        ended = "" if done.stdout.endswith("\n") or not done.stdout else "\n"
        shown.append(
            f"$ {command}\n{done.stdout}{ended}" + (f"[exit code {done.returncode}]\n" if done.returncode else "")
        )
    return "".join(shown)


def agrees(written: str, shown: str) -> bool:
    """Whether a session came out as it is written, where a line of three dots stands for any lines, or none."""
    parts = re.split(rf"^{re.escape(ANY)}\n", written, flags=re.MULTILINE)
    return re.fullmatch("(?:.*\n)*?".join(map(re.escape, parts)), shown) is not None
