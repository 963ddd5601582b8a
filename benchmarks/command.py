"""`make bench`: measure, tell, and fail where a target is missed."""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.cases import Case, Result, all_cases, measured
from benchmarks.contenders import Bench
from benchmarks.machine import surroundings
from benchmarks.page import write
from benchmarks.report import as_json, costs, plain, promises
from benchmarks.targets import MISSED, judged
from dev.progress import StepError, say


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; 1 where a target is missed, 2 where a program cannot be had."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs, no stream above a megabyte")
    parser.add_argument("--write", action="store_true", help="put the results into docs/speed.md and docs/speed.svg")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every run to a file")
    options = parser.parse_args(arguments)
    if options.quick and options.write:
        parser.error("the docs show full runs only: --write does not go with --quick")
    try:
        with tempfile.TemporaryDirectory(prefix="mlmesh-bench-") as scratch:
            bench = Bench(Path(scratch))
            about = surroundings(bench)
            results = told(bench, all_cases(bench, quick=options.quick), rounds=3 if options.quick else 0)
    except StepError as error:
        say(str(error))
        return 2
    verdicts = judged(results)
    if options.json:
        options.json.write_text(as_json(results, verdicts, about))
    table, notes = costs(results)
    out = [
        *(f"{name}: {text}" for name, text in about.items()),
        "",
        plain(table),
        *notes,
        "",
        plain(promises(verdicts)),
    ]
    sys.stdout.write("\n".join(out))
    if options.write:
        write(results, verdicts, about)
    return 1 if any(verdict.word == MISSED for verdict in verdicts) else 0


def told(bench: Bench, cases: Iterable[Case], *, rounds: int) -> list[Result]:
    """The results of the cases, each told in short as soon as it is there; `rounds` of 0: as many as a case wants."""
    results = []
    for result in measured(bench, cases, rounds):
        results.append(result)
        for name, sample in result.samples.items():
            outcome = f"{sample.cpu:.3f} s, {sample.peak / 1e6:.0f} MB, {len(sample.runs)} runs" if sample.runs else ""
            say(f"  {name}: {outcome} {sample.failure}".rstrip())
    return results
