"""The errors that end a run, each with its exit code, its place and what to do about it."""

OK = 0
FINDINGS = 1
INPUT = 2
DEFECT = 3
INTERRUPTED = 130  # 128 + SIGINT
CLOSED_PIPE = 141  # 128 + SIGPIPE, as a shell reports it


class MlmeshError(Exception):
    """An error that ends the run: nothing is written to standard output.

    ``what`` is one sentence, ``place`` says where (file, document, line, key), ``remedy`` what to do.
    None of the three may hold a value from a Secret.
    """

    exit_code = DEFECT

    def __init__(self, what: str, *, place: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.place else self.what


class InputError(MlmeshError):
    """The manifests, the policy or the call is wrong (exit code 2)."""

    exit_code = INPUT


class DefectError(MlmeshError):
    """mlmesh itself is wrong (exit code 3)."""

    exit_code = DEFECT


def defect(error: Exception) -> DefectError:
    """What a person can report of an exception that should not be: its type and place, never its text or data."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = f"{at.tb_frame.f_code.co_filename.rpartition('/')[2]}:{at.tb_lineno}" if at else ""
    missing = f" of {error.name}" if isinstance(error, ImportError) else ""
    return DefectError(
        f"a defect of mlmesh or of its installation: {type(error).__name__}{missing}",
        place=place,
        remedy="reinstall it (pip install --force-reinstall mlmesh); if that does not help, report this message",
    )
