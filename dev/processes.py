"""Servers as plain processes: each is known by its id and its start time, so that no other is ever ended."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


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

    def terminate(self) -> None:
        """Ask it to end; fine if it has."""
        _signal(self, signal.SIGTERM)


class Journal:
    """Processes that were started, remembered in the file `path`: whoever reads it, at any later time, can end them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def start(self, command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> Process:
        """Start a process and remember it; see the function `start`."""
        process = start(command, log, env=env)
        self._path.write_text(json.dumps([*self.processes(), process]))
        return process

    def processes(self) -> list[Process]:
        """All that were started, in that order."""
        if not self._path.exists():
            return []
        return [Process(*pair) for pair in json.loads(self._path.read_text())]

    def running(self) -> bool:
        """Whether there are any, and all of them still run."""
        return bool(self.processes()) and all(process.alive() for process in self.processes())

    def stop(self) -> None:
        """End them, the last started first."""
        stop(self.processes()[::-1])


def start(
    command: Sequence[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Process:
    """Start `command` in a session of its own; its output goes to the end of `log`, beside which it runs by default."""
    with log.open("ab") as output:
        # Not waited for here: it outlives this program.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd or log.parent,
            env=env,
            start_new_session=True,
        )
    child.returncode = 0  # else Python warns that it still runs when the object goes
    return Process(child.pid, _stat(child.pid)[1])


def stop(processes: Sequence[Process], patience: float = 10) -> None:
    """End the processes, in this order, each asked first and killed if it does not go within `patience` seconds."""
    for process in processes:
        deadline = time.monotonic() + patience
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
