"""Durations and quantities: what Istio and Kubernetes refuse is refused here."""

import pytest

from mlmesh.model.units import duration_ms, milli


@pytest.mark.parametrize(
    ("text", "expected"),
    [("120s", 120_000), ("1h30m", 5_400_000), ("250ms", 250), ("1.5s", 1500), ("2m", 120_000), ("0s", 0), ("0", 0)],
)
def test_durations_are_read_as_go_reads_them(text: str, expected: float) -> None:
    """Every form that time.ParseDuration takes has its milliseconds."""
    assert duration_ms(text) == expected


@pytest.mark.parametrize("text", ["", "5d", "120", "s", "1.2.3s", "10 s", "-5s", "1s2", "10S", "ten", ".s"])
def test_a_wrong_duration_is_refused(text: str) -> None:
    """A unit that Go does not have, none at all, a sign or a blank: a ValueError, never a guess."""
    with pytest.raises(ValueError, match="duration"):
        duration_ms(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500m", 500),
        ("1", 1000),
        ("1Gi", 1000 * 2**30),
        ("512Mi", 1000 * 2**29),
        ("0.5", 500),
        ("1e3", 10**6),
        ("1E", 10**21),
        ("2k", 2 * 10**6),
    ],
)
def test_quantities_are_read_as_kubernetes_reads_them(text: str, expected: float) -> None:
    """Binary, decimal and exponent suffixes all count."""
    assert milli(text) == expected


@pytest.mark.parametrize("text", ["", "1gb", "Mi", "1 Gi", "1.2.3", "--1", "1e", "cpu", "1K"])
def test_a_wrong_quantity_is_refused(text: str) -> None:
    """What resource.ParseQuantity refuses is a ValueError."""
    with pytest.raises(ValueError, match="quantity"):
        milli(text)
