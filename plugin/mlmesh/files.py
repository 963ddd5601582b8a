"""The files of a run: the stream, the policies, the report."""

import os
import sys

from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.options import Option


def read_input(name: str) -> bytes:
    """The stream: a file, or standard input for ``-``. Raises InputError where it cannot be read."""
    if name != "-":
        return _read(name)
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError(
            f"standard input is {'closed' if sys.stdin is None else 'a terminal'}: there are no manifests to read",
            remedy="helm install ... --post-renderer mlmesh-post, or: helm template ... | mlmesh-post (mlmesh check)",
        )
    return sys.stdin.buffer.read()


def is_fed() -> bool:
    """Whether somebody pipes manifests in: standard input is a pipe or a file, no terminal, /dev/null or nothing."""
    import stat

    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return sys.stdin is not None and (stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode))


def read_files(names: "Sequence[str]", option: "Option | None" = None) -> list[tuple[str, bytes]]:
    """Files as (name, content). Raises InputError, which tells the option that names them, and its variable."""
    named = f"{option.flag} or {option.variable} names it; " if option else ""
    return [(name, _read(name, named)) for name in names]


def write_report(name: str, text: str, option: "Option", *, what: str = "report") -> None:
    """Write a report whole or not at all: into a new file that then takes the name. Raises InputError.

    ``option`` is the one that names the file. A link stays, and what it leads to is written.
    """
    real = os.path.realpath(name)
    new = f"{real}.{os.getpid()}.new"
    try:
        stream = _standard_stream(name)
        if stream or (os.path.exists(name) and not os.path.isfile(name)):  # a device or a pipe
            _write(stream or name, text)
            return
        try:
            _write(new, text)
            os.replace(new, real)
        except OSError:
            if os.path.exists(new):
                os.unlink(new)
            raise
    except OSError as problem:
        raise InputError(
            f"the {what} cannot be written: {problem.strerror}",
            place=name,
            remedy=f"see {option.flag} and {option.variable}",
        ) from None


def _standard_stream(name: str) -> int | None:
    """Standard output or error, where that goes to the file: /dev/stderr can lead to a log with other lines."""
    for stream in (1, 2):
        try:
            if os.path.samestat(os.stat(name), os.fstat(stream)):
                return stream
        except OSError:
            continue
    return None


def _write(target: str | int, text: str) -> None:
    # a file's name, which is in the report, may not be UTF-8
    with open(target, "w", encoding="utf-8", errors="backslashreplace", closefd=isinstance(target, str)) as opened:
        opened.write(text)


def _read(name: str, named: str = "") -> bytes:
    try:
        with open(name, "rb") as source:
            return source.read()
    except OSError as problem:
        raise InputError(
            f"the file cannot be read: {problem.strerror if name else 'its name is empty'}",
            place=name,
            remedy=named
            + "paths are taken from the working directory: the one that Helm was called in, where Helm calls",
        ) from None
