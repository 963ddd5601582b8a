"""The plot of the docs: CPU seconds for each megabyte against the stream's size, both logarithmic, as SVG."""

import math
from collections.abc import Sequence

from benchmarks.cases import Result
from benchmarks.contenders import C_LOADER, CONFTEST, HELM_NAMES, ISTIOCTL, KUSTOMIZE, US
from benchmarks.streams import MEGABYTE, STREAMS

_COLOURS = {
    US: "#c2185b",
    C_LOADER: "#1565c0",
    KUSTOMIZE: "#6a1b9a",
    ISTIOCTL: "#2e7d32",
    CONFTEST: "#ef6c00",
    HELM_NAMES[0]: "#5d4037",
    HELM_NAMES[1]: "#757575",
}
_PANEL, _HEIGHT, _LEFT, _TOP, _GAP = 250, 260, 60, 40, 30
_BOTTOM = 70
_X = (math.log10(0.5), math.log10(200))  # megabytes

Line = list[tuple[float, float]]


def plot(results: Sequence[Result]) -> str:
    """The SVG's text: one panel for each generated stream, one line for each program."""
    panels = [_lines(name, results) for name in STREAMS]
    values = [seconds for lines in panels for line in lines.values() for _, seconds in line] or [0.1]
    bounds = (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9))
    width = _LEFT + len(panels) * (_PANEL + _GAP)
    height = _TOP + _HEIGHT + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="14">CPU seconds for each MB, by the size of the stream in MB</text>',
    ]
    for index, (name, lines) in enumerate(zip(STREAMS, panels, strict=True)):
        parts += _panel(name, lines, _LEFT + index * (_PANEL + _GAP), bounds)
    parts += _legend(height - 18)
    return "\n".join([*parts, "</svg>", ""])


def _lines(stream: str, results: Sequence[Result]) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for result in results:
        for program in _COLOURS:
            if result.name == stream and result.samples[program].runs:
                megabytes = result.size / MEGABYTE
                lines.setdefault(program, []).append((megabytes, result.samples[program].cpu / megabytes))
    return lines


def _panel(name: str, lines: dict[str, Line], left: float, bounds: tuple[int, int]) -> list[str]:
    low, high = bounds

    def across(megabytes: float) -> float:
        return left + (math.log10(megabytes) - _X[0]) / (_X[1] - _X[0]) * _PANEL

    def down(seconds: float) -> float:
        return _TOP + (high - math.log10(seconds)) / (high - low) * _HEIGHT

    bottom = _TOP + _HEIGHT
    parts = [
        f'<text x="{left}" y="{_TOP - 8}" font-weight="bold">{name}</text>',
        f'<rect x="{left}" y="{_TOP}" width="{_PANEL}" height="{_HEIGHT}" fill="none" stroke="#999"/>',
    ]
    for power in range(low, high + 1):
        y = down(10.0**power)
        parts.append(f'<path d="M{left} {y:.1f}h{_PANEL}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 4}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for megabytes in (1, 10, 100):
        x = across(megabytes)
        parts.append(f'<path d="M{x:.1f} {_TOP}v{_HEIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{megabytes}</text>')
    for program, line in lines.items():
        points = [(across(megabytes), down(seconds)) for megabytes, seconds in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        colour, stroke = _COLOURS[program], 3 if program == US else 1.5
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{stroke}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{stroke}" fill="{colour}"/>' for x, y in points]
    return parts


def _legend(y: float) -> list[str]:
    parts = []
    for index, (program, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + index * 115
        parts.append(f'<path d="M{x} {y - 4}h20" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 26}" y="{y}">{program}</text>')
    return parts
