"""Slow steps, told on standard error: what is being done, that it still goes on, how long it took."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_HEARTBEAT_SECONDS = 20
_LOG_TAIL_LINES = 40


class StepError(Exception):
    """A step that failed; the message says which, why, and holds the end of its output."""


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def run_step(
    title: str,
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run `command`, telling `title`, then every 20 seconds that it goes on, then its time in seconds.

    Its output is kept back and becomes part of the StepError when it fails.
    """
    say(f"{title} ...")
    began = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                try:
                    process.wait(timeout=_HEARTBEAT_SECONDS)
                except subprocess.TimeoutExpired:
                    say(f"  {title}: {time.monotonic() - began:.0f} s so far")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if status := process.returncode:
            log.seek(0)
            tail = log.read().decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
            raise StepError(f"{title} failed (exit {status}): {' '.join(map(str, command))}\n" + "\n".join(tail))
    say(f"  {title}: done in {time.monotonic() - began:.0f} s")
