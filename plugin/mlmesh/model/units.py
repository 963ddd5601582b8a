"""Durations as Go writes them and resource quantities as Kubernetes writes them.

Both are strict: what istiod or the API server would refuse is a ValueError here.
"""

from functools import lru_cache

_DURATION_NS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_QUANTITY = {
    "": 1000,
    "m": 1,
    "k": 1000 * 1000,
    "M": 1000 * 1000**2,
    "G": 1000 * 1000**3,
    "T": 1000 * 1000**4,
    "P": 1000 * 1000**5,
    "E": 1000 * 1000**6,
    "Ki": 1000 * 1024,
    "Mi": 1000 * 1024**2,
    "Gi": 1000 * 1024**3,
    "Ti": 1000 * 1024**4,
    "Pi": 1000 * 1024**5,
    "Ei": 1000 * 1024**6,
}
_SIGNS = ("", "+", "-")


@lru_cache(1024)  # a policy's few durations are asked for once a pod and once a route
def duration_ms(text: str) -> float:
    """Milliseconds of a Go duration such as ``120s``, ``1h30m`` or ``250ms``.

    Raises ValueError for everything that time.ParseDuration refuses (``5d``, ``120``, an empty string) and for
    negative durations, which no Istio field takes.
    """
    rest = text
    if not rest:
        raise ValueError("an empty string is not a duration")
    if rest == "0":
        return 0.0
    total = 0.0
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        number, rest = rest[:digits], rest[digits:]
        letters = len(rest) - len(rest.lstrip("abcdefghijklmnopqrstuvwxyzµ"))
        unit, rest = rest[:letters], rest[letters:]
        if not number.strip(".") or number.count(".") > 1 or unit not in _DURATION_NS:
            raise ValueError(f"{text!r} is not a duration: write a number and a unit, such as 120s, 2m or 500ms")
        total += float(number) * _DURATION_NS[unit]
    return total / 10**6


def milli(text: str) -> float:
    """Thousandths of a Kubernetes resource quantity such as ``500m``, ``512Mi``, ``2`` or ``1e3``.

    Raises ValueError where resource.ParseQuantity fails.
    """
    digits = len(text) - len(text.lstrip("+-0123456789."))
    number, unit = text[:digits], text[digits:]
    scale: float | None = _QUANTITY.get(unit)
    if scale is None and unit[:1] in ("e", "E") and unit[1:].lstrip("+-").isdecimal() and len(unit) <= 4:
        scale = 1000 * 10.0 ** int(unit[1:])
    if scale is None or not number.strip("+-.") or number.count(".") > 1 or number.strip("0123456789.") not in _SIGNS:
        raise ValueError(f"{text!r} is not a resource quantity: write such as 500m, 2, 512Mi or 1Gi")
    return float(number) * scale


def cpu_text(milli_cores: float) -> str:
    """Thousandths of a core as a quantity: ``2``, ``1500m``."""
    return f"{milli_cores:.0f}m" if milli_cores % 1000 else f"{milli_cores / 1000:.0f}"


def memory_text(milli_bytes: float) -> str:
    """Thousandths of a byte as a quantity in the largest binary unit that is exact, else in mebibytes."""
    for unit in ("Gi", "Mi", "Ki"):
        if milli_bytes % _QUANTITY[unit] == 0:
            return f"{milli_bytes / _QUANTITY[unit]:.0f}{unit}" if milli_bytes else "0"
    return f"{milli_bytes / _QUANTITY['Mi']:.1f}Mi"
