"""Servers as plain processes: each is known by its id and its start time, so that no other is ever ended."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PATIENCE_SECONDS = 10


class Process(NamedTuple):
    """A process; the pair outlives whoever started it and fits no later process that gets the same id."""

    pid: int
    started: str

    @classmethod
    def current(cls) -> "Process":
        """The process that runs this."""
        return cls(os.getpid(), _stat(os.getpid())[1])

    def alive(self) -> bool:
        """Whether it still runs (one that has ended but was not waited for does not)."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        state, started = _stat(self.pid)
        return started == self.started and state not in {"Z", "X"}


def start(command: Sequence[str], log: Path) -> Process:
    """Start `command` in a session of its own; its output goes to the end of `log`."""
    with log.open("ab") as output:
        # Not waited for here: it outlives this program.
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent, start_new_session=True
        )
    child.returncode = 0  # else Python warns that it still runs when the object goes
    return Process(child.pid, _stat(child.pid)[1])


def stop(processes: Sequence[Process]) -> None:
    """End the processes, in this order, each asked first and killed if it does not go within ten seconds."""
    for process in processes:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        _signal(process, signal.SIGTERM)
        while process.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        _signal(process, signal.SIGKILL)


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if process.alive():
            os.kill(process.pid, number)


def _stat(pid: int) -> tuple[str, str]:
    """State and start time of a process, ("", "") where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "", ""
    fields = text.rpartition(")")[2].split()  # the command's name before it may hold anything
    return fields[0], fields[19]
