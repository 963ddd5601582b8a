"""What is measured: which streams, at which sizes, and the bookkeeping of what grows too large."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import US, Bench
from benchmarks.measure import SECONDS_FOR_ONE, Command, Sample, interleaved
from benchmarks.streams import MEGABYTE, STREAMS, write_stream
from dev.progress import say
from dev.toolchain import ROOT

CHART = "this chart"
CHART_DEMO = "this chart, values/demo.yaml"
LARGE = "large chart"
MESH = "mesh"
TYPICAL_SIZE = 650_000  # a large public chart's stream
SCALE_SIZES = (MEGABYTE, 10 * MEGABYTE, 100 * MEGABYTE)
ONE_MEGABYTE = f"{US}, 1 MB"

_CORPUS_FILES = ("kube-prometheus-stack.yaml", "kubeflow-trainer-runtimes-h4.yaml")
_MEMORY_SHARE = 0.3  # of the machine's free memory


class Case(NamedTuple):
    """One input: its stream's name, its file, how Helm makes it where a chart does; `reference` is 1 MB of the same."""

    name: str
    path: Path
    chart: tuple[str, ...] = ()
    reference: Path | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    @property
    def rounds(self) -> int:
        """How many runs are wanted: small ones are cheap, and noisy."""
        return 9 if self.size < 3 * MEGABYTE else 3


class Result(NamedTuple):
    """The samples of one case by the commands' names; sizes in bytes, 0 where there is no reference."""

    name: str
    size: int
    reference: int
    samples: dict[str, Sample]


def all_cases(bench: Bench, *, quick: bool) -> Iterator[Case]:
    """Every case, smaller before larger ones of the same stream; with `quick` none above a megabyte."""
    for name, values in ((CHART, ()), (CHART_DEMO, ("--values", "values/demo.yaml"))):
        arguments = (str(ROOT / "chart"), "--namespace", "ml-mesh", *values)
        path = bench.scratch / f"{'demo' if values else 'chart'}.yaml"
        path.write_text(bench.render(*arguments))
        yield Case(name, path, arguments)
    for name in STREAMS:
        sizes = [MEGABYTE] if quick else list(SCALE_SIZES)
        if name == LARGE:
            sizes.insert(0, TYPICAL_SIZE)
        elif name == "CRDs" and not quick:
            sizes.insert(1, 2 * MEGABYTE)
        elif name == MESH:
            sizes = sizes[:2]  # 10 MB are 14,000 objects: no cluster has a release of ten times as many
        reference = bench.scratch / f"{name} for reference.yaml"
        write_stream(reference, name, MEGABYTE)
        for size in sizes:
            path = bench.scratch / f"{name}-{size}.yaml"
            write_stream(path, name, size)
            yield Case(name, path, reference=reference if size > MEGABYTE else None)
            path.unlink()
    if not quick:
        yield from _corpus_cases(bench.scratch)


def _corpus_cases(scratch: Path) -> Iterator[Case]:
    """Public charts' streams where they are found (`MLMESH_CORPUS`, else `../shared/corpus` beside the checkout)."""
    named = os.environ.get("MLMESH_CORPUS")
    folder = Path(named) if named else ROOT.parent / "shared" / "corpus"
    if not folder.is_dir():
        say(f"NOT RUN: public charts' streams: there are none at {folder}")
        return
    for name in _CORPUS_FILES:
        yield Case(name.removesuffix(".yaml").removesuffix("-h4"), folder / name)
    joined = scratch / "joined.yaml"
    with joined.open("wb") as out:
        for path in sorted(folder.glob("*.yaml")):
            out.write(b"---\n" + path.read_bytes().rstrip() + b"\n")
    yield Case("all public streams joined", joined)


def measured(bench: Bench, cases: Iterable[Case], rounds: int = 0) -> Iterator[Result]:
    """The result of every case; `rounds` replaces the cases' own."""
    last: dict[tuple[str, str], tuple[int, Sample]] = {}
    for case in cases:
        say(f"measuring {case.name}, {case.size / MEGABYTE:.2f} MB ...")
        commands = bench.commands(case.path, chart=case.chart)
        if case.reference:
            commands.insert(1, bench.ours(case.reference, ONE_MEGABYTE))
        refused: dict[str, Sample] = {}
        possible: list[Command] = []
        for command in commands:
            reason = _too_large(case, last.get((case.name, command.name)))
            if reason:
                refused[command.name] = Sample(failure=reason)
            else:
                possible.append(command)
        samples = interleaved(possible, rounds or case.rounds) | refused
        for name, sample in samples.items():
            last[case.name, name] = (case.size, sample)
        yield Result(case.name, case.size, case.reference.stat().st_size if case.reference else 0, samples)


def _too_large(case: Case, before: tuple[int, Sample] | None) -> str:
    """Why a command is not tried on this case, judged by the same stream's last size; else empty."""
    if before is None:
        return ""
    size, sample = before
    if not sample.runs:
        return sample.failure
    growth = case.size / size
    if sample.cpu * growth > SECONDS_FOR_ONE:
        return f"more than {SECONDS_FOR_ONE} s to be expected"
    if sample.peak * growth > _MEMORY_SHARE * _free_memory():
        return f"more than {sample.peak * growth / 1e9:.0f} GB of memory to be expected"
    return ""


def _free_memory() -> int:
    """Bytes."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
