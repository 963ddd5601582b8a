"""The results as tables for a terminal and for the docs, and as JSON."""

import json
from collections.abc import Mapping, Sequence
from statistics import StatisticsError
from typing import Any

from benchmarks.cases import Result
from benchmarks.contenders import C_LOADER, CONFTEST, HELM_NAMES, IMPORT_YAML, ISTIOCTL, KUSTOMIZE, RENDERED, US
from benchmarks.measure import Sample
from benchmarks.streams import MEGABYTE
from benchmarks.targets import Verdict

_COMPARED = (IMPORT_YAML, C_LOADER, KUSTOMIZE, ISTIOCTL, CONFTEST, *HELM_NAMES)
_NONE = "-"
_REFUSED = "mlmesh-post reads and judges all of it, then refuses it: an invariant is broken; so nothing is written"


class Notes:
    """What must be said of a cell: each note once, with a letter."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def mark(self, note: str) -> str:
        """The letter that stands for a note."""
        return f"({self._letters.setdefault(note, chr(ord('a') + len(self._letters)))})"

    def cell(self, reason: str) -> str:
        """An empty cell, with the reason why."""
        return f"{_NONE} {self.mark(reason)}"

    def lines(self) -> list[str]:
        """The legend."""
        return [f"({letter}) {reason}" for reason, letter in self._letters.items()]


def costs(results: Sequence[Result]) -> tuple[list[list[str]], list[str]]:
    """The main table, its head first, and the notes below it."""
    notes = Notes()
    head = ["stream", "MB", "CPU s", "MB/s", "peak, MB", *(f"of {name}" for name in _COMPARED)]
    rows = [[*head, *(f"{name}: with / without" for name in HELM_NAMES)]]
    for result in results:
        ours = result.samples[US]
        megabytes = result.size / MEGABYTE
        refused = any(run.code for run in ours.runs)
        name = f"{result.name} {notes.mark(_REFUSED)}" if refused else result.name
        row = [name, f"{megabytes:.3g}"]
        if ours.runs:
            row += [f"{ours.cpu:.3f}", f"{megabytes / ours.cpu:.1f}", f"{ours.peak / MEGABYTE:.0f}"]
        else:
            row += [notes.cell(ours.failure), _NONE, _NONE]
        row += [_ratio(ours, result.samples[name], notes) for name in _COMPARED]
        row += [_ratio(result.samples[name + RENDERED], result.samples[name], notes) for name in HELM_NAMES]
        rows.append(row)
    return rows, notes.lines()


def _ratio(mine: Sample, theirs: Sample, notes: Notes) -> str:
    try:
        ratio = mine.ratio(theirs)
    except StatisticsError:
        return notes.cell(theirs.failure or mine.failure)
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"


def promises(verdicts: Sequence[Verdict]) -> list[list[str]]:
    """The table of targets, its head first."""
    rows = [["target", "at most", "seen", ""]]
    for verdict in verdicts:
        seen = _NONE if verdict.seen is None else f"{verdict.seen:.2f}"
        rows.append([str(verdict.target), f"{verdict.target.limit:g}", seen, verdict.word])
    return rows


def plain(rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table for the docs."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)


def as_json(results: Sequence[Result], verdicts: Sequence[Verdict], about: Mapping[str, str]) -> str:
    """Every run: CPU in seconds, sizes and peaks in bytes."""
    document: dict[str, Any] = {
        "about": dict(about),
        "targets": [
            {
                "target": str(verdict.target),
                "limit": verdict.target.limit,
                "seen": verdict.seen,
                "verdict": verdict.word,
            }
            for verdict in verdicts
        ],
        "cases": [
            {
                "stream": result.name,
                "bytes": result.size,
                "commands": {
                    name: {
                        "cpu": [round(run.cpu, 6) for run in sample.runs],
                        "peak": [run.peak for run in sample.runs],
                        "exit": [run.code for run in sample.runs],
                        "failure": sample.failure,
                    }
                    for name, sample in result.samples.items()
                },
            }
            for result in results
        ],
    }
    return json.dumps(document, indent=1) + "\n"
