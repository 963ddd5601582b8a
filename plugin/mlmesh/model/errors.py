"""The errors that end a run, each with its exit code, its place and what to do about it."""

OK = 0
FINDINGS = 1
INPUT = 2
DEFECT = 3
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
