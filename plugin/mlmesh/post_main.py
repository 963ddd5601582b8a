"""``mlmesh-post``: manifests in on standard input, manifests out on standard output, or a refusal that is heard.

What Helm shows of a refusal decides its form. Helm 3 prints the standard error of a command that fails. Helm 4 throws
it away, so there (told by the argument of plugin.yaml) every refusal, a failed import included, leaves as a document
that Helm must refuse and show. This module imports only what every run needs.
"""

import gc
import os
import sys

from mlmesh.loading import beside
from mlmesh.model.errors import CLOSED_PIPE, DEFECT, INTERRUPTED, defect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding

HELM4 = "--called-by=helm4"
CHAINED = "MLMESH_IN_CHAIN"  # mlmesh.chain sets it for the program that it runs, and so for all that this starts


def main() -> "NoReturn":
    """The console script. It leaves without the interpreter's tidying up, which costs a tenth of a small run."""
    beside()
    os._exit(run(sys.argv[1:]))


class _Outcome:
    """How a run ended: exit code, standard output, and a message for people, which has every error.

    ``about`` is what the gravest error is about, in a word that Kubernetes takes for a name. ``words`` are those of a
    program that `--chain` runs: they go where it would have been heard itself, and into no file.
    """

    __slots__ = ("about", "code", "message", "output", "words")

    def __init__(
        self, code: int, message: str, about: str = "", *, output: "Sequence[bytes | memoryview]" = (), words: str = ""
    ) -> None:
        self.code = code
        self.message = message
        self.about = about
        self.output = output
        self.words = words

    @classmethod
    def of(cls, error: "MlmeshError") -> "_Outcome":
        """How a run ends that an error ends."""
        from mlmesh.reports.text import error_text

        words = "".join(getattr(error, "__notes__", ()))
        return cls(error.exit_code, error_text(error), "defect" if error.exit_code == DEFECT else "error", words=words)


def run(arguments: list[str]) -> int:
    """One run; its exit code (``mlmesh-post --help`` lists them). Standard output is written and flushed."""
    gc.disable()  # a run makes trees without cycles and ends: the collector would walk them again and again for nothing
    helm4 = HELM4 in arguments
    arguments = [argument for argument in arguments if argument != HELM4]
    try:
        outcome = _run(arguments)
    except KeyboardInterrupt:
        outcome = _Outcome(INTERRUPTED, "mlmesh: interrupted\n", "interrupted")
    except Exception as error:  # the last boundary: without it Python would print a traceback
        outcome = _Outcome(DEFECT, f"{defect(error)}\n", "defect")
    code, output = outcome.code, outcome.output
    if code and helm4:
        from mlmesh.reports.helm4 import block_scalar

        code, output = 0, [block_scalar(outcome.words + outcome.message)]
    else:
        if outcome.message:
            _say(outcome.words + outcome.message)
        if code and _prints_refusals(arguments, os.environ):
            from mlmesh.reports.refusal import refusal

            output = [refusal(outcome.about, code, outcome.message)]
    written = _write(output) if output or not code else 0
    return code or written


def _prints_refusals(arguments: "Sequence[str]", environ: "Mapping[str, str]") -> bool:
    """Whether `--on-failure` asks for a document. No table is needed, which may be what cannot be imported.

    So does what it does not know: who wrote that wanted something to be printed.
    """
    value = environ.get("MLMESH_ON_FAILURE", "")
    for at, word in enumerate(arguments):
        flag, equals, after = word.partition("=")
        if flag == "--on-failure":
            value = after if equals else "".join(arguments[at + 1 : at + 2])
    return value not in ("", "nothing")


def _run(arguments: list[str]) -> _Outcome:
    """How a run ends that no defect breaks off: with a code other than 0 there is no output."""
    from mlmesh import options
    from mlmesh.model.errors import MlmeshError
    from mlmesh.reports.text import error_text, findings_text

    try:
        values = options.parse(arguments, os.environ)
        if values is None:
            from mlmesh.post_help import answer

            return _Outcome(0, "", output=[answer(arguments).encode()])
    except MlmeshError as caught:
        return _Outcome.of(caught)
    output, findings, note, error = _judged(values)
    refused = any(finding.severity == "error" for finding in findings)
    if refused and "warn-only" in values:
        refused = False
        note += " Errors are passed on: --warn-only."
    if error is not None:
        outcome = _Outcome.of(error)
    else:
        heard = [finding for finding in findings if finding.severity != "info"]  # the report has them all
        message = findings_text(heard, refused, note=note) if heard or note else ""
        outcome = _Outcome(int(refused), message, output=() if refused else output)
        if refused:
            first = next(finding for finding in findings if finding.severity == "error")
            outcome.about = f"{first.code.lower()}-{first.rule}"
    for path in values.get("report", ()):
        try:
            _report(path, values.get("report-format", ["text"])[0], findings, error, refused=refused, note=note)
        except MlmeshError as unwritten:  # said besides what the report would have said
            outcome.message += error_text(unwritten)
            if not outcome.code:
                outcome.code, outcome.about, outcome.output = unwritten.exit_code, "error", ()
    return outcome


def _judged(
    values: "dict[str, list[str]]",
) -> "tuple[Sequence[bytes | memoryview], list[Finding], str, MlmeshError | None]":
    """(output, findings, a note on those that are known, the error that ended the run)."""
    from mlmesh.files import read_files, read_input
    from mlmesh.model.errors import MlmeshError
    from mlmesh.options import BASELINE, CONTEXT, POLICY, VALUES

    findings: list[Finding] = []
    if CHAINED in os.environ:
        from mlmesh.chain import loop

        return (), findings, "", loop()
    try:
        from mlmesh.post_renderer import post_render

        data = read_input("-")
        if "chain" in values:
            from mlmesh.chain import through

            data = through(values["chain"][0], data)
        result = post_render(
            data,
            read_files(values.get("policy", ()), POLICY),
            context=read_files(values.get("context", ()), CONTEXT),
            namespace=values.get("namespace", [""])[0],
            require_policy="require-policy" in values,
            planned=False,
        )
        findings, note = result.findings, ""
        if findings and "values" in values:
            from mlmesh.values.causes import blame

            blame(findings, result.stream, read_files(values["values"], VALUES))
        if "baseline" in values:
            from mlmesh.baseline import Baseline

            ((name, content),) = read_files(values["baseline"], BASELINE)
            findings, note = Baseline(name, content).settled(findings)
    except MlmeshError as caught:
        return (), findings, "", caught
    except Exception as caught:
        return (), findings, "", defect(caught)
    return result.output, findings, note, None


def _report(
    path: str, form: str, findings: "list[Finding]", error: "MlmeshError | None", *, refused: bool, note: str
) -> None:
    """Write the report, in which the error that ended the run is, too. Raises InputError."""
    from mlmesh.files import write_report
    from mlmesh.options import REPORT
    from mlmesh.reports.text import error_text, findings_text

    if form != "text":
        from mlmesh.invariants.registry import documentation
        from mlmesh.reports.forms import written

        text = written(form, findings, documentation, error)
    elif error is not None:
        text = error_text(error)
    else:
        text = findings_text(findings, refused, note=note)
    write_report(path, text, REPORT)


def _write(chunks: "Sequence[bytes | memoryview]") -> int:
    try:
        with open(1, "wb", closefd=False) as output:
            output.writelines(chunks)
    except BrokenPipeError:
        return CLOSED_PIPE
    except OSError as problem:
        _say(f"mlmesh: standard output cannot be written: {problem.strerror}. What was written is not whole.\n")
        return 2
    return 0


def _say(message: str) -> None:
    """Write to standard error. It may be closed or full, or its reader may be gone: then the exit code tells."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(message)
            sys.stderr.flush()
        except OSError:
            pass
