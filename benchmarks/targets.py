"""What the post-renderer promises, and whether a run of the benchmark saw it kept."""

from collections.abc import Sequence
from statistics import StatisticsError
from typing import NamedTuple

from benchmarks.cases import CHART, CHART_DEMO, LARGE, MESH, ONE_MEGABYTE, SCALE_SIZES, TYPICAL_SIZE, Result
from benchmarks.contenders import C_LOADER, IMPORT_YAML, ISTIOCTL, KUSTOMIZE, US
from benchmarks.measure import Sample
from benchmarks.streams import MEGABYTE, STREAMS

CPU = "CPU time"
PER_BYTE = "CPU time per byte"
PEAK = "peak memory"
INPUT = "input"

MET = "met"
MISSED = "MISSED"
UNKNOWN = "not measured"


class Target(NamedTuple):
    """At most `limit` times what `other` costs, on a stream of about `size` bytes (0: the only one of that name)."""

    quantity: str
    case: str
    size: int
    other: str
    limit: float

    def __str__(self) -> str:
        size = f", {self.size / MEGABYTE:g} MB" if self.size else ""
        return f"{self.quantity} on {self.case}{size}, of {self.other}"


_BULKY = tuple(name for name in STREAMS if name != MESH)  # nearly all of a mesh is read: it has no promise for memory

TARGETS = (
    Target(CPU, LARGE, TYPICAL_SIZE, C_LOADER, 1.0),
    Target(CPU, LARGE, TYPICAL_SIZE, KUSTOMIZE, 0.35),
    Target(CPU, LARGE, TYPICAL_SIZE, ISTIOCTL, 0.5),
    *(Target(CPU, case, 0, IMPORT_YAML, 1.8) for case in (CHART, CHART_DEMO)),
    *(Target(PER_BYTE, name, SCALE_SIZES[-1], ONE_MEGABYTE, 1.2) for name in _BULKY),
    Target(PER_BYTE, MESH, SCALE_SIZES[1], ONE_MEGABYTE, 1.2),
    *(Target(PEAK, name, size, INPUT, 5.0) for name in _BULKY for size in SCALE_SIZES[1:]),
)


class Verdict(NamedTuple):
    """A target and the ratio that was seen, None where it was not measured."""

    target: Target
    seen: float | None

    @property
    def word(self) -> str:
        """`met`, `MISSED` or `not measured`."""
        if self.seen is None:
            return UNKNOWN
        return MET if self.seen <= self.target.limit else MISSED


def judged(results: Sequence[Result]) -> list[Verdict]:
    """A verdict on every target."""
    return [Verdict(target, _seen(target, results)) for target in TARGETS]


def _seen(target: Target, results: Sequence[Result]) -> float | None:
    for result in results:
        near = target.size <= result.size <= target.size * 1.1
        if result.name == target.case and (near or not target.size):
            try:
                return _ratio(target, result)
            except StatisticsError:
                return None
    return None


def _ratio(target: Target, result: Result) -> float:
    """Raises StatisticsError where one side has no run."""
    ours = result.samples[US]
    if target.quantity == PEAK:
        return ours.peak / result.size
    ratio = ours.ratio(result.samples.get(target.other, Sample()))
    if target.quantity == PER_BYTE:
        return ratio / (result.size / result.reference)
    return ratio
