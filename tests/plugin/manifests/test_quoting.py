"""Values written as text come back equal from Go, libyaml and JSON."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given

from mlmesh.manifests.quoting import block, dump, key
from mlmesh.model.errors import DefectError, InputError
from tests.plugin.manifests.oracle import Oracle, same
from tests.plugin.manifests.reading import data
from tests.plugin.manifests.texts import DATA, OBJECTS


def test_every_character_survives(oracle: Oracle) -> None:
    """Every character of Unicode comes back from Go, from libyaml and from JSON."""
    points = [point for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]
    for start in range(0, len(points), 20_000):
        text = "".join(map(chr, points[start : start + 20_000]))
        line = dump({"k": text})
        assert json.loads(line) == {"k": text}
        assert data(line) == {"k": text}
        assert oracle.read(line.encode()) == {"k": text}
        assert yaml.load(line, Loader=yaml.CSafeLoader) == {"k": text}


@given(DATA)
def test_a_value_survives(value: Any) -> None:
    """Any value on one line, and as lines, reads as itself."""
    line = dump(value)
    assert "\n" not in line
    assert same(json.loads(line), value)
    assert same(data(f"k: {line}\n")["k"], value)
    if isinstance(value, (dict, list)) and value:
        assert same(data(f"k:\n    {block(value, 4, chr(10))}\n")["k"], value)


@given(OBJECTS)
def test_lines_read_as_go_reads_them(oracle: Oracle, value: dict[str, Any]) -> None:
    """Lines of block style are what Go reads, too."""
    assert same(oracle.read(block(value, 0, "\r\n").encode()), value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("app.kubernetes.io/name", "app.kubernetes.io/name"),
        ("on", '"on"'),
        ("Yes", '"Yes"'),
        ("null", '"null"'),
        ("1", '"1"'),
        ("", '""'),
        ("a b", '"a b"'),
        ("-x", '"-x"'),
        ("é", '"é"'),
    ],
)
def test_keys_are_bare_where_nobody_can_misread_them(name: str, text: str) -> None:
    """A key that some reader takes for something else comes in quotes."""
    assert key(name) == text


def test_keys_beyond_yaml_are_refused() -> None:
    """YAML reads no key of more than 1,024 characters."""
    assert data(f"{key('k' * 1000)}: 1\n")
    assert data("{" + key("é" * 990) + ": 1}\n")
    with pytest.raises(InputError, match="1000 characters"):
        key("k" * 1001)
    with pytest.raises(InputError):
        key("\x01" * 200)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x", "\ud800", {"a": ["\udfff"]}])
def test_what_json_has_not_is_our_defect(value: Any) -> None:
    """A patch holds plain JSON."""
    with pytest.raises(DefectError):
        dump(value)
