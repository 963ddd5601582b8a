"""The benchmark itself, on inputs so small that it takes seconds: its times are not judged here."""

import json
import os
import re
import sys
from pathlib import Path
from statistics import StatisticsError

import pytest

from benchmarks.cases import CHART, ONE_MEGABYTE, Case, Result, measured
from benchmarks.contenders import C_LOADER, IMPORT_YAML, OTHERS, US, Bench
from benchmarks.machine import surroundings
from benchmarks.measure import Command, Run, RunError, Sample, interleaved, run
from benchmarks.page import BEGIN, END, PAGE, PLOT, replaced, results_text
from benchmarks.plot import plot
from benchmarks.report import as_json, costs, plain, promises
from benchmarks.streams import documents
from benchmarks.targets import INPUT, MET, MISSED, TARGETS, UNKNOWN, judged


def command(code: str, name: str = "python") -> Command:
    return Command(name, [sys.executable, "-c", code], dict(os.environ))


def test_the_targets_are_those_that_are_promised() -> None:
    """Every promise is there with its limit: none is dropped or loosened unseen."""
    kept = {(t.quantity, t.case, t.size, t.other): t.limit for t in TARGETS}
    large = ("CPU time", "large chart", 650_000)
    assert {other: kept[*large, other] for other in (C_LOADER, "kustomize", "istioctl")} == {
        C_LOADER: 1.0,
        "kustomize": 0.35,
        "istioctl": 0.5,
    }
    charts = ("this chart", "this chart, values/demo.yaml")
    assert [kept["CPU time", chart, 0, IMPORT_YAML] for chart in charts] == [1.8, 1.8]
    for name in ("large chart", "CRDs", "small documents"):
        assert kept["CPU time per byte", name, 100_000_000, ONE_MEGABYTE] == 1.2
        assert [kept["peak memory", name, size, INPUT] for size in (10_000_000, 100_000_000)] == [5, 5]
    assert kept["CPU time per byte", "mesh", 10_000_000, ONE_MEGABYTE] == 1.2
    assert len(kept) == len(TARGETS) == 5 + 9 + 1


def test_a_target_is_met_missed_or_not_measured() -> None:
    """The verdict follows the ratio within the run, by the byte where so promised; what was not run is never met."""
    chart = Result(CHART, 9, 0, {US: Sample([Run(1.7, 1)]), IMPORT_YAML: Sample([Run(1.0, 1)])})
    scaled = {US: Sample([Run(13, 4 * 10**8)]), ONE_MEGABYTE: Sample([Run(0.1, 1)])}
    verdicts = judged([chart, Result("CRDs", 10**8, 10**6, scaled)])
    words = {str(verdict.target): (verdict.word, verdict.seen) for verdict in verdicts if verdict.word != UNKNOWN}
    assert words == {
        "CPU time on this chart, of import yaml": (MET, 1.7),
        "CPU time per byte on CRDs, 100 MB, of mlmesh-post, 1 MB": (MISSED, pytest.approx(1.3)),
        "peak memory on CRDs, 100 MB, of input": (MET, 4.0),
    }


def test_ratios_are_those_of_neighbouring_runs() -> None:
    """A machine that slows down between rounds does not change a ratio."""
    ours, theirs = ([Run(seconds * slower, 1) for slower in (1, 5, 2)] for seconds in (1, 2))
    assert Sample(ours).ratio(Sample(theirs)) == 0.5
    with pytest.raises(StatisticsError):
        Sample(ours).ratio(Sample(failure="refused"))


def test_a_run_tells_the_cpu_time_of_children_and_the_peak() -> None:
    """A process that lets a child work is charged for it; its peak is in bytes."""
    work = "sum(i * i for i in range(3_000_000))"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{work}'], check=True)"
    idle, busy = run(command("pass")), run(command(child))
    assert busy.cpu > idle.cpu + 0.05
    assert run(command("b'x' * 150_000_000")).peak > 150_000_000


def test_a_process_that_fails_or_is_late_is_no_run() -> None:
    """Why there is no number is told, and the others go on."""
    with pytest.raises(RunError, match="exit 3: broken"):
        run(command("import sys; print('broken', file=sys.stderr); sys.exit(3)"))
    with pytest.raises(RunError, match="not done in"):
        run(command("import time; time.sleep(60)"), seconds=0.2)
    samples = interleaved([command("1 / 0", "bad"), command("pass", "good")], 2)
    assert "exit 1" in samples["bad"].failure
    assert not samples["bad"].runs
    assert len(samples["good"].runs) == 2


def test_the_whole_benchmark_on_a_tiny_stream(bench: Bench, tmp_path: Path) -> None:
    """Every program takes the stream; table, JSON, page and plot hold what was measured."""
    path = tmp_path / "tiny.yaml"
    path.write_text("".join(f"---\n{text}" for text in documents("small documents", 20_000)))
    results = list(measured(bench, [Case("small documents", path, reference=path)], rounds=1))
    samples = results[0].samples
    assert set(samples) == {US, ONE_MEGABYTE, *OTHERS}
    assert {name: sample.failure for name, sample in samples.items() if sample.failure} == {}
    assert all(len(sample.runs) == 1 for sample in samples.values())
    about = surroundings(bench)
    assert re.search(r"\d+ cores of .+ GB of memory", about["machine"])
    assert "kustomize v" in about["versions"]
    verdicts = judged(results)
    assert "small documents" in plain(costs(results)[0])
    assert len(promises(verdicts)) == len(TARGETS) + 1
    cases = json.loads(as_json(results, verdicts, about))["cases"]
    assert cases[0]["commands"][US]["cpu"] == [pytest.approx(samples[US].cpu, abs=1e-5)]
    assert about["machine"] in results_text(results, verdicts, about)
    assert plot(results).count("<polyline") == 7


def test_what_could_not_be_run_is_told_below_the_table() -> None:
    """An empty cell has a letter, and the letter a reason."""
    others = dict.fromkeys(OTHERS, Sample(failure="not done in 9 s"))
    rows, notes = costs([Result("CRDs", 5, 0, {US: Sample([Run(1, 1)]), **others})])
    assert rows[1][-1] == "- (a)"
    assert notes == ["(a) not done in 9 s"]


def test_a_program_that_stops_early_is_no_measure() -> None:
    """Some programs leave out documents without an error; a count that is too low is told instead of a time."""
    said = command("print('27 tests, 27 passed')")
    assert run(said._replace(documents=27)).cpu > 0
    with pytest.raises(RunError, match="tests 27 of 28 documents"):
        run(said._replace(documents=28))


def test_a_refused_stream_is_marked() -> None:
    """Where the post-renderer ends with broken invariants, its row says that nothing was written."""
    samples = {US: Sample([Run(1, 1, 1)]), **dict.fromkeys(OTHERS, Sample([Run(1, 1)]))}
    rows, notes = costs([Result("CRDs", 5, 0, samples)])
    assert rows[1][0] == "CRDs (a)"
    assert "refuses it" in notes[0]


def test_the_page_shows_a_full_run_and_its_plot() -> None:
    """docs/speed.md has both marks, a verdict for every target between them, and the plot that it shows."""
    page = PAGE.read_text()
    shown = page.partition(BEGIN)[2].partition(END)[0]
    for target in TARGETS:
        assert f"| {target} | {target.limit:g} |" in shown
    assert UNKNOWN not in shown
    assert "(speed.svg)" in shown
    assert PLOT.read_text().startswith("<svg")
    assert replaced(page, shown.strip("\n") + "\n") == page
