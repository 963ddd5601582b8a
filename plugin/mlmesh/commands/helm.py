"""Helm as a program: which it is, and what it renders."""

import subprocess

from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Helm:
    """The program of that name or path. ``version`` is 3 or 4. Raises InputError where it is no Helm of these."""

    def __init__(self, program: str) -> None:
        self.program = program
        told = self._done("version", "--short")
        self.version = 0 if told.returncode else {b"v3": 3, b"v4": 4}.get(told.stdout.strip()[:2], 0)
        if not self.version:
            raise InputError("the program is no Helm 3 or 4", place=program, remedy="name another one with --helm")

    def template(self, release: str, chart: str, files: "Sequence[str]", namespace: str) -> bytes:
        """The rendered stream, not post-rendered. Raises InputError with Helm's own words."""
        where = ["--namespace", namespace] if namespace else []
        return self._run("template", release, chart, *where, *(word for file in files for word in ("-f", file)))

    def _done(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        try:
            return subprocess.run([self.program, *arguments], capture_output=True, check=False)  # noqa: S603 - the user's own Helm
        except OSError as problem:
            raise InputError(
                f"Helm cannot be run: {problem.strerror}",
                place=self.program,
                remedy="put helm on PATH, or name it with --helm",
            ) from None

    def _run(self, *arguments: str) -> bytes:
        done = self._done(*arguments)
        if done.returncode:
            raise InputError(
                done.stderr.decode(errors="replace").strip().removeprefix("Error: "),
                place=f"helm {arguments[0]}",
                remedy="correct the values or the chart; `helm template` with the same files says the same",
            )
        return done.stdout
