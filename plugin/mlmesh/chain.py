"""Another post-renderer before this one: hosts have one slot, and others want it, too."""

import os
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

INSIDE = "MLMESH_IN_CHAIN"  # what the program, and all that it starts, finds in its environment: post_main.py reads it
_PLACE = "--chain (MLMESH_CHAIN)"


def through(command: str, stream: bytes) -> bytes:
    """What a program makes of the stream that it gets on its standard input; its standard error is passed on.

    ``command`` is split as a shell splits it, and no shell runs it. Raises InputError where the program cannot be run,
    fails, or leaves nothing of a stream that holds something. The error names the program, never its arguments; what
    the program itself said is its note.
    """
    try:
        words = shlex.split(command)
    except ValueError as problem:
        raise InputError(
            f"the command cannot be split into words: {problem}", place=_PLACE, remedy="quote it as for a shell"
        ) from None
    if not words:
        raise InputError("no program is named", place=_PLACE, remedy="name one with its arguments, or none at all")
    program = words[0].partition("=")[0]  # who sets variables in front, as for a shell, must not find them in a log
    if os.path.basename(program) == "mlmesh-post":
        raise loop()
    try:
        with _ended_together():
            done = subprocess.run(  # noqa: S603 - the user's own program, and no shell
                words, input=stream, capture_output=True, env={**os.environ, INSIDE: "1"}, check=False
            )
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "a word holds a null byte"
        raise InputError(
            f"{program} cannot be run: {why}",
            place=_PLACE,
            remedy="name a program on PATH, or a path; it is run without a shell: variables and pipes go into a script",
        ) from None
    if done.returncode:
        code = done.returncode
        how = f"failed with exit code {code}" if code > 0 else f"was ended by signal {-code}"
        remedy = "mend what it says on standard error"
    elif _holds_nothing(done.stdout) and not _holds_nothing(stream):
        how, remedy = "left nothing of the manifests", "it must print all manifests, changed or not, on standard output"
    else:
        if done.stderr and sys.stderr is not None:
            with suppress(OSError):  # nobody may be there to hear it
                sys.stderr.buffer.write(done.stderr)
                sys.stderr.flush()
        return done.stdout
    error = InputError(f"{program} {how}", place=_PLACE, remedy=remedy)
    if done.stderr.strip():
        error.add_note(done.stderr.decode(errors="replace").rstrip() + "\n")
    raise error


@contextmanager
def _ended_together() -> "Iterator[None]":
    """A pipeline that is cancelled ends this process alone: an exception has `subprocess` end the program first."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = None
    with suppress(ValueError):  # in a thread nobody can listen
        before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def loop() -> InputError:
    """The error of a chain that comes back to where it began."""
    return InputError(
        "mlmesh-post is run by its own chain",
        place=_PLACE,
        remedy="name a program that neither is mlmesh-post nor runs it",
    )


def _holds_nothing(stream: bytes) -> bool:
    """Whether there is no object in it: blanks, comments and separators alone."""
    lines = (line.strip() for line in stream.splitlines())
    return all(line in (b"", b"---", b"...") or line.startswith(b"#") for line in lines)
