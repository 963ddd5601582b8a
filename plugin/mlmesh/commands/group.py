"""What all commands of ``mlmesh`` share: what they print is written or told of, and each option is a variable, too."""

import os
import sys
from contextlib import contextmanager
from io import TextIOWrapper

import click

from mlmesh.model.errors import CLOSED_PIPE, InputError
from mlmesh.options import variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


@contextmanager
def _written() -> "Iterator[None]":
    """What is printed meanwhile is written when it ends. Raises InputError where that cannot be done.

    Where nobody reads it, the process ends as a shell expects; click itself would end with 1.
    """
    if sys.stdout is None:
        raise InputError("standard output is closed", remedy="send it to a file, or to /dev/null")
    if isinstance(sys.stdout, TextIOWrapper):  # what programs read is UTF-8 in every locale; a file's name may not be
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except OSError as problem:
        if problem.filename is not None:  # it is about a file, and not about what is printed
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer goes nowhere
        if isinstance(problem, BrokenPipeError):
            raise SystemExit(CLOSED_PIPE) from None
        raise InputError(
            f"standard output cannot be written: {problem.strerror}. What was written is not whole.",
            remedy="see where it is sent to: a disk that is full, or a file that is closed",
        ) from None


class Commands(click.Group):
    """A group whose output is written whole or told of. Each option of its commands is a variable, too."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command."""
        _give_variables(cmd)
        super().add_command(cmd, name)

    def make_context(self, *call: "Any", **extra: "Any") -> click.Context:
        """Read the call; its own help is printed here."""
        with _written():
            return super().make_context(*call, **extra)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command."""
        with _written():
            super().invoke(ctx)


def _give_variables(command: click.Command) -> None:
    """Have each option of a command, and of the commands below it, be heard as ``MLMESH_<OPTION>``, and say so."""
    for option in command.params:
        if isinstance(option, click.Option) and option.expose_value:  # --help and --version are none
            option.envvar = variable(max(option.opts, key=len))
            option.show_envvar = True
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _give_variables(below)
