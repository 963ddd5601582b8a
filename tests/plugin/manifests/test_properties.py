"""Any document, any operations: what is written reads as what was meant, in Go's own reading."""

import copy

import jsonpatch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlmesh.manifests.editor import edit
from mlmesh.model.errors import InputError
from tests.plugin.manifests.oracle import Oracle, same
from tests.plugin.manifests.patches import random_operations
from tests.plugin.manifests.reading import document
from tests.plugin.manifests.texts import anchored, documents

BOUNDED = settings(
    max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def check(text: str, seed: int, count: int, oracle: Oracle) -> str:
    """Edits a document at random; "" where the edit was made, else why it was refused."""
    before = document(text)
    go = oracle.read(before.text)
    assert same(before.data, go)
    operations = random_operations(before.data, seed, count)
    try:
        new, reread = edit(before, operations)
    except InputError as error:
        return error.what
    after = oracle.read(new)
    assert same(reread, after)
    assert same(jsonpatch.apply_patch(copy.deepcopy(go), operations), after)
    return ""


@BOUNDED
@given(drawn=documents(), seed=st.integers(0, 2**32), count=st.integers(0, 6))
def test_any_document_any_operations(drawn: tuple[object, str], seed: int, count: int, oracle: Oracle) -> None:
    """Documents in every style take every operation, none refused but at a list's end without line break."""
    assert check(drawn[1], seed, count, oracle) in ("", ENDS)


@BOUNDED
@given(drawn=anchored(), seed=st.integers(0, 2**32), count=st.integers(1, 2))
def test_anchors_are_edited_or_refused(drawn: tuple[object, str], seed: int, count: int, oracle: Oracle) -> None:
    """With anchors, aliases and merge keys an edit is right or refused, never wrong."""
    assert same(document(drawn[1]).data, drawn[0])
    check(drawn[1], seed, count, oracle)


@BOUNDED
@given(documents())
def test_the_texts_are_what_they_seem(drawn: tuple[object, str]) -> None:
    """The texts of these tests read as the data that they were written from, save a cut last line break."""
    data, text = drawn
    assert text[-1:] != "\n" or same(document(text).data, data)


ENDS = "cannot change the text: the text ends in a block scalar without line break"
