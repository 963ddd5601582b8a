"""Whole processes and what they cost: CPU time of user and system, children included, and peak memory."""

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

SECONDS_FOR_ONE = 60  # of wall time: what takes longer is stopped, and not tried on anything larger
ENOUGH_SECONDS = 10  # of CPU time, over all runs of one command on one input


class Command(NamedTuple):
    """A command line with its environment; `stdin` is a file or None, `accepted` the exit codes of a finished run.

    It is run at least `least` times, however long it takes. `documents`, where not 0, is how many it must say to have
    tested: a program that stops early without an error is no measure.
    """

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    stdin: Path | None = None
    accepted: tuple[int, ...] = (0,)
    least: int = 1
    documents: int = 0


class Run(NamedTuple):
    """One finished process: CPU seconds, the largest resident set of it or a child in bytes, the exit code."""

    cpu: float
    peak: int
    code: int = 0


class Sample:
    """The runs of one command on one input, in their order; `failure` says why there are none, or no more."""

    def __init__(self, runs: Sequence[Run] = (), failure: str = "") -> None:
        self.runs = list(runs)
        self.failure = failure

    @property
    def cpu(self) -> float:
        """The median of the CPU seconds. Raises StatisticsError where nothing ran."""
        return median(run.cpu for run in self.runs)

    @property
    def peak(self) -> float:
        """The median of the peaks in bytes. Raises StatisticsError where nothing ran."""
        return median(run.peak for run in self.runs)

    def ratio(self, other: "Sample") -> float:
        """This one's CPU time in that one's, the median over pairs of runs that stood side by side.

        Raises StatisticsError where there is no pair.
        """
        return median(mine.cpu / theirs.cpu for mine, theirs in zip(self.runs, other.runs, strict=False))


class RunError(Exception):
    """A process that did not do its work; the message says why."""


def run(command: Command, seconds: float = SECONDS_FOR_ONE) -> Run:
    """Run a command to its end. Raises RunError for a bad exit code, for one that is late and for one that stops early.

    The peak is never told as less than this process's own, so nothing large may be in memory here.
    """
    with (
        tempfile.TemporaryFile() as errors,
        tempfile.TemporaryFile() as said,
        open(command.stdin or os.devnull, "rb") as stdin,
    ):
        process = subprocess.Popen(  # noqa: S603 - the commands are those of `contenders`
            command.words,
            env=dict(command.environment),
            stdin=stdin,
            stdout=said if command.documents else subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        late = threading.Event()

        def stop() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if late.is_set():
            raise RunError(f"not done in {seconds:.0f} s")
        if process.returncode not in command.accepted:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["no message"]
            message = re.sub(r"/\S*/", "", lines[0])  # the page is no place for this machine's paths
            raise RunError(f"exit {process.returncode}: {message[:160]}")
        if command.documents:
            said.seek(0)
            tested = re.search(rb"(\d+) tests?,", said.read())
            if tested is None or int(tested[1]) < command.documents:
                count = int(tested[1]) if tested else 0
                raise RunError(f"tests {count} of {command.documents} documents, without an error")
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, process.returncode)


def interleaved(commands: Sequence[Command], rounds: int) -> dict[str, Sample]:
    """Run the commands one after the other, again and again (A B A B), after one round that does not count.

    A command ends with `rounds` runs, or when those that it must have are done and its runs have taken ENOUGH_SECONDS.
    Where the first run takes half of that, it counts: what a warm-up warms is nothing beside it.
    """
    samples = {command.name: Sample() for command in commands}
    for number in range(rounds + 1):
        for command in commands:
            sample = samples[command.name]
            spent = sum(each.cpu for each in sample.runs)
            if sample.failure or (spent > ENOUGH_SECONDS and len(sample.runs) >= command.least):
                continue
            try:
                done = run(command)
            except RunError as error:
                sample.failure = str(error)
                continue
            if number or done.cpu > ENOUGH_SECONDS / 2:
                sample.runs.append(done)
    return samples
