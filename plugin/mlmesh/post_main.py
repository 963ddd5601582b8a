"""``mlmesh-post``: manifests in on standard input, manifests out on standard output, or a refusal that is heard.

What Helm shows of a refusal decides its form. Helm 3 prints the standard error of a command that fails. Helm 4 throws
it away, so there (told by the argument of plugin.yaml) every refusal, a failed import included, leaves as a document
that Helm must refuse and show. This module imports only what every run needs.
"""

import gc
import os
import sys

from mlmesh.model.errors import defect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from mlmesh.model.errors import MlmeshError
    from mlmesh.model.findings import Finding

HELM4 = "--called-by=helm4"


def main() -> "NoReturn":
    """The console script. It leaves without the interpreter's tidying up, which costs a tenth of a small run."""
    os._exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """One run; its exit code (``mlmesh-post --help`` lists them). Standard output is written and flushed."""
    gc.disable()  # a run makes trees without cycles and ends: the collector would walk them again and again for nothing
    helm4 = HELM4 in arguments
    try:
        code, chunks, message = _run([argument for argument in arguments if argument != HELM4])
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the last boundary: without it Python would print a traceback
        code, chunks, message = 3, [], str(defect(error)) + "\n"
    if code and helm4:
        from mlmesh.reports.helm4 import block_scalar

        code, chunks = 0, [block_scalar(message)]
    elif message:
        _say(message)
    return code or _write(chunks)


def _run(arguments: list[str]) -> "tuple[int, Sequence[bytes | memoryview], str]":
    """(exit code, standard output, message): with a code other than 0 there is no output."""
    from mlmesh import options
    from mlmesh.model.errors import MlmeshError
    from mlmesh.reports.text import error_text, findings_text

    try:
        values = options.parse(arguments, os.environ)
        if values is None:
            from mlmesh.post_help import answer

            return 0, [answer(arguments).encode()], ""
    except MlmeshError as caught:
        return caught.exit_code, [], error_text(caught)
    chunks, findings, note, error = _judged(values)
    refused = any(finding.severity == "error" for finding in findings)
    if refused and "warn-only" in values:
        refused = False
        note += " Errors are passed on: --warn-only."
    if error is not None:
        code, message = error.exit_code, error_text(error)
    else:
        heard = [finding for finding in findings if finding.severity != "info"]  # the report has them all
        code = int(refused)
        message = findings_text(heard, refused, note=note) if heard or note else ""
    for path in values.get("report", ()):
        try:
            _report(path, values.get("report-format", ["text"])[0], findings, error, refused=refused, note=note)
        except MlmeshError as unwritten:  # said besides what the report would have said
            code = code or unwritten.exit_code
            message += error_text(unwritten)
    return code, [] if code else chunks, message


def _judged(
    values: "dict[str, list[str]]",
) -> "tuple[Sequence[bytes | memoryview], list[Finding], str, MlmeshError | None]":
    """(output, findings, a note on those that are known, the error that ended the run)."""
    from mlmesh.files import read_files, read_input
    from mlmesh.model.errors import MlmeshError
    from mlmesh.options import OFF

    findings: list[Finding] = []
    try:
        from mlmesh.post_renderer import post_render

        result = post_render(
            read_input("-"),
            read_files(values.get("policy", ())),
            context=read_files(values.get("context", ())),
            namespace=values.get("namespace", [""])[0],
            require_policy=os.environ.get("MLMESH_REQUIRE_POLICY", "").lower() not in ("", *OFF),
            planned=False,
        )
        findings, note = result.findings, ""
        if "baseline" in values:
            from mlmesh.baseline import Baseline

            ((name, content),) = read_files(values["baseline"])
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
    from mlmesh.reports.text import error_text, findings_text

    if form != "text":
        from mlmesh.invariants.registry import documentation
        from mlmesh.reports.forms import written

        text = written(form, findings, documentation, error)
    elif error is not None:
        text = error_text(error)
    else:
        text = findings_text(findings, refused, note=note)
    write_report(path, text)


def _write(chunks: "Sequence[bytes | memoryview]") -> int:
    try:
        with open(1, "wb", closefd=False) as output:
            output.writelines(chunks)
    except BrokenPipeError:
        return 141
    except OSError as problem:
        _say(f"mlmesh: standard output cannot be written: {problem.strerror}. What was written is not whole.\n")
        return 2
    return 0


def _say(message: str) -> None:
    if sys.stderr is not None:  # it may be closed
        sys.stderr.write(message)
        sys.stderr.flush()
