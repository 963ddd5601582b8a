"""Plain scalars as values and as keys: Go's rules, held against Go."""

from typing import Any

import pytest

from mlmesh.model.errors import InputError
from tests.plugin.manifests.oracle import GoError, Oracle, same
from tests.plugin.manifests.reading import data

WORDS = (
    "y Y yes Yes YES on On ON true True TRUE n N no No NO off Off OFF false False FALSE ~ null Null NULL yEs oN nULL"
)
INTEGERS = (
    "0 00 -0 7 -7 +7 017 -017 0o17 0O17 08 0_8 0o8 0x1F 0X1f -0x1 0x 0xG 0b101 0B1 -0b11 0b2 0o 1_000 1__0 _1 1_ "
    "+_1 -_ 0_x1 0x_1 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 "
    "18446744073709551615 18446744073709551616 +18446744073709551615 +9223372036854775808 "
    "0xFFFFFFFFFFFFFFFF 0xFFFFFFFFFFFFFFFFF 07777777777777777777777777 "
    "0b11111111111111111111111111111111111111111111111111111111111111111"
)
FLOATS = (
    "1.0 1. .5 -.5 +.5 5.e3 .e3 1e3 1E3 1e+3 1e-3 1e 1e+ .5_0 ._5 .5_ .1_0e1_0 09.5 1e20 1e21 1e300 1e999 -1e999 "
    ".5e999 1e-999 123456789012345678.0 9007199254740993.0 1.2345678901234567e18 9223372036854775807.0 1e-7 -0.0 "
    "0.1 25921e05 1_0.5 0x1p3 1.5Gi 1.2.3 12:30:45 190:20:30 2001-01-01 2001-01-01T00:00:00Z"
)
TEXTS = ". .. + = << --1 +-1 -+1 Inf NaN +Inf .infx nan 1.5e3x ² ٣ web x-y"
PLAIN = [*f"{WORDS} {INTEGERS} {FLOATS} {TEXTS}".split(), ""]


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_value_reads_as_in_go(text: str, oracle: Oracle) -> None:
    """A plain scalar is what Go makes of it, type included."""
    source = f"k: {text}\n".encode()
    assert same(data(source), oracle.read(source))


@pytest.mark.parametrize("text", [text for text in PLAIN if text])
def test_a_plain_key_reads_as_in_go_or_is_refused(text: str, oracle: Oracle) -> None:
    """A key becomes the string that Go makes of it; floats, which Go writes anew, and null are refused."""
    source = f"{text}: v\n".encode()
    go = oracle.read(source)
    ours: Any
    try:
        ours = data(source)
    except InputError as error:
        ours = error
    if isinstance(ours, InputError):
        assert isinstance(go, GoError) or " number" in ours.what
    else:
        assert same(ours, go)


@pytest.mark.parametrize("word", [".inf", "-.Inf", "+.INF", ".nan", ".NaN"])
def test_what_json_cannot_hold_is_refused(word: str, oracle: Oracle) -> None:
    """Infinity and NaN fail in Go; here the error has a line and a remedy."""
    source = f"a:\n  k: {word}\n"
    assert isinstance(oracle.read(source.encode()), GoError)
    with pytest.raises(InputError, match="not a number") as caught:
        data(source)
    assert "line 2" in caught.value.place


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{true: 1, 1: 2, 0x10: 3, on: 4}", {"true": 4, "1": 2, "16": 3}),
        ("a: 1\na: 2\n", {"a": 2}),
        ("1: a\n01: b\n", {"1": "b"}),
    ],
)
def test_keys_that_become_one(source: str, expected: Any, oracle: Oracle) -> None:
    """Keys that Go reads as equal are one key, and the last one counts."""
    assert data(source) == expected == oracle.read(source.encode())


@pytest.mark.parametrize("source", ['1: a\n"1": b\n', "'true': a\nyes: b\n"])
def test_keys_of_two_types_that_become_one_are_refused(source: str) -> None:
    """In Go chance decides which of them counts."""
    with pytest.raises(InputError, match="as a string and as a"):
        data(source)


@pytest.mark.parametrize("source", ["~: a\n", ": a\n", "? [a]\n: b\n", "? {a: b}\n: c\n", "18446744073709551615: a\n"])
def test_keys_that_go_refuses_are_refused(source: str, oracle: Oracle) -> None:
    """Null, lists, maps and unsigned integers are no keys."""
    assert isinstance(oracle.read(source.encode()), GoError)
    with pytest.raises(InputError):
        data(source)
