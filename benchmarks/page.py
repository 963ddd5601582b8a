"""Puts a run's results into docs/speed.md, between its two marks, and the plot beside it."""

from collections.abc import Mapping, Sequence

from benchmarks.cases import Result
from benchmarks.plot import plot
from benchmarks.report import costs, markdown, promises
from benchmarks.targets import Verdict
from dev.toolchain import ROOT

PAGE = ROOT / "docs" / "speed.md"
PLOT = ROOT / "docs" / "speed.svg"
BEGIN = "<!-- results: written by benchmarks/run.py --write -->\n"
END = "<!-- end of results -->\n"


def results_text(results: Sequence[Result], verdicts: Sequence[Verdict], about: Mapping[str, str]) -> str:
    """What stands between the marks."""
    table, notes = costs(results)
    legend = "\n" + "".join(f"- {note}\n" for note in notes) if notes else ""
    return (
        f"Measured on {about['date']}: {about['machine']}; load average at the start {about['load']}.\n"
        f"Versions: {about['versions']}.\n\n"
        f"{markdown(promises(verdicts))}\n"
        "The costs of one run of `mlmesh-post`, and its CPU time as a part of what the others need:\n\n"
        f"{markdown(table)}{legend}\n"
        "![CPU seconds for each megabyte against the size of the stream](speed.svg)\n"
    )


def replaced(page: str, text: str) -> str:
    """The page with another text between its marks. Raises ValueError where a mark is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has lost a mark: {BEGIN.strip()} or {END.strip()}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def write(results: Sequence[Result], verdicts: Sequence[Verdict], about: Mapping[str, str]) -> None:
    """Write the page and the plot. Raises ValueError where a mark is missing."""
    PAGE.write_text(replaced(PAGE.read_text(), results_text(results, verdicts, about)))
    PLOT.write_text(plot(results))
