"""Operations on plain data, held against the jsonpatch library."""

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlmesh.manifests.editor import patched
from mlmesh.model.errors import DefectError
from tests.plugin.manifests.oracle import same
from tests.plugin.manifests.patches import random_operations
from tests.plugin.manifests.reading import add, remove, replace
from tests.plugin.manifests.texts import OBJECTS


@given(OBJECTS, st.integers(0, 2**32))
def test_patches_as_jsonpatch(value: dict[str, Any], seed: int) -> None:
    """The result is jsonpatch's; the input and the operations stay as they are."""
    operations = random_operations(value, seed, 8)
    before = copy.deepcopy((value, operations))
    assert same(patched(value, operations), jsonpatch.apply_patch(value, operations))
    assert same([value, operations], list(before))


def test_an_aliased_part_is_changed_in_one_place() -> None:
    """A map that stands in two places is changed in the one that the path names."""
    shared: dict[str, Any] = {"x": {"y": 1}}
    operations = [add("/a/x/z", 2), remove("/a/x/y")]
    assert patched({"a": shared, "b": shared}, operations) == {"a": {"x": {"z": 2}}, "b": shared}
    assert shared == {"x": {"y": 1}}


def test_a_value_given_twice_is_two_values() -> None:
    """Operations that bring the same list do not share it."""
    value: list[int] = []
    assert patched({}, [add("/a", value), add("/b", value), add("/a/-", 1)]) == {"a": [1], "b": []}
    assert value == []


@pytest.mark.parametrize(
    "operation",
    [
        remove("/x"),
        replace("/x", 1),
        add("/x/y", 1),
        add("/l/3", 1),
        replace("/l/2", 1),
        remove("/l/-"),
        add("/l/01", 1),
        add("/l/x", 1),
        add("/s/x", 1),
        remove("/l/0/x"),
        replace("", {}),
        add("x", 1),
        remove("/l/-1"),
        remove("/l/²"),
    ],
)
def test_a_path_that_leads_nowhere_is_our_defect(operation: Any) -> None:
    """Callers name places that are there."""
    with pytest.raises(DefectError, match="nowhere"):
        patched({"l": [1, 2], "s": "t"}, [operation])
