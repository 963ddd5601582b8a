"""What the editor refuses rather than changing another place, and what it calls our own defect."""

import re
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from mlmesh.manifests import editor
from mlmesh.model.errors import DefectError, InputError
from tests.plugin.manifests.reading import add, edited, remove, replace

if TYPE_CHECKING:
    from mlmesh.model.patches import Operation

REFUSED: list[tuple[str, str, "Operation", str]] = [
    ("inside an anchor in use", "a: &x {b: 1}\nc: *x\n", add("/a/d", 1), "anchor &x"),
    ("below an anchor in use", "a: &x\n  b: {e: 1}\nc: *x\n", replace("/a/b/e", 1), "anchor &x"),
    ("an anchor in use would go", "a: &x {b: 1}\nc: *x\n", remove("/a"), "would go"),
    ("an anchor in use would be replaced", "a: {b: &x 1}\nc: *x\n", replace("/a", 1), "would go"),
    ("an item's anchor would go", "a: [&x 1]\nc: *x\n", remove("/a/0"), "would go"),
    ("a key's anchor would go", "&x a: 1\nc: *x\n", remove("/a"), "would go"),
    ("through an alias", "a: &x {b: {c: 1}}\nd: *x\n", add("/d/b/e", 1), "'b' comes through"),
    ("out of an alias", "a: &x {b: 1}\nd: *x\n", remove("/d/b"), "'b' comes through"),
    ("inside an aliased list", "a: &x [1]\nd: *x\n", add("/d/-", 1), "aliased list"),
    ("out of a merge key", "a: &x {b: 1}\nc: {<<: *x, d: 1}\n", remove("/c/b"), "'b' comes through"),
    ("what a merge key has, too", "a: &x {b: 1}\nc:\n  <<: *x\n  b: 2\n", remove("/c/b"), "'b' comes through"),
    ("before a merge key", "a: &x {b: 1}\nc: {b: 2, <<: *x}\n", replace("/c/b", 3), "'b' comes through"),
    ("through a merge key", "a: &x {b: {}}\nc: {<<: [*x]}\n", add("/c/b/e", 1), "'b' comes through"),
    ("a key with ?", "? a\n: b\n", replace("/a", 1), "`\\?`"),
    ("removing a key with ?", "? a\n: b\nc: d\n", remove("/a"), "`\\?`"),
    ("behind a key with ?", "? a\n: b\n", add("/c", 1), "`\\?`"),
    ("a flow key with ?", "a: {? b : c, d: e}\n", remove("/a/b"), "`\\?`"),
    ("a map without braces", "a: [b: 1]\n", add("/a/0/c", 1), "without braces"),
    ("a list that ends without line break", "a:\n- |\n  x", add("/a/-", 1), "line break"),
    ("a merged key that is a number", "a: &x {1: b}\nc: *x\n", add("/c/1", 2), "'1' comes through"),
    ("a merged key that is a boolean", "a: &x {on: b}\nc: {<<: *x}\n", add("/c/true", 2), "'true' comes through"),
    ("behind an empty value with a tag", "a: [!!str ]\n", add("/a/-", 2), "without a value"),
    ("a last key with ? and no value", "a:\n  ? b\nc: d\n", remove("/a"), "`\\?`"),
    ("a key over two lines", "a: {b\n  c, d}\n", replace("/a/b c", 1), "without a colon"),
    ("an entry that shares its line", "a: 1\u2028b: 2\n", remove("/b"), "shares its line"),
    ("an inner byte order mark", "a:\n  \ufeffb: 1\n", add("/c", 1), "byte order mark"),
    ("line breaks that overlap", "a:\n-\rc: d\n", remove("/a"), "line breaks"),
    ("line breaks of old Macs", "a: {b: 1}\rc: # x\rd: 1\n", add("/c", {"e": 1}), "line breaks"),
]


@pytest.mark.parametrize(
    ("text", "operation", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_would_change_another_place_is_refused(text: str, operation: "Operation", message: str) -> None:
    """The error names the document, the line, the reason and a remedy."""
    with pytest.raises(InputError, match=message) as caught:
        edited("# head\n" + text, operation)
    assert re.fullmatch(r"document 0, line [1-9]", caught.value.place)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "operations"),
    [
        ("a: 1\nb: |\n  x", [remove("/a"), add("/c", 1)]),
        ("a: &x {y: 1}\nb:\n  <<: *x\n  c: |\n    z", [add("/b/d", 1)]),
    ],
    ids=["the first key goes", "before a merge key"],
)
def test_no_place_before_the_first_key(text: str, operations: "list[Operation]") -> None:
    """Where a text ends in a block scalar without line break, new entries need the place before the first key."""
    with pytest.raises(InputError, match="without line break"):
        edited(text, *operations)


def test_the_error_names_the_line_of_the_change() -> None:
    """The line is the one that was to be changed."""
    with pytest.raises(InputError) as caught:
        edited("kind: A\na: &x\n  b: 1\nc: *x\n", add("/a/b", 2))
    assert caught.value.place == "document 0 (A), line 3"


@pytest.mark.parametrize(
    "operation", [remove("/x"), add("/x/y", 1), add("/a/b", 1), remove("/l/2"), add("/l/x", 1), remove("")]
)
def test_a_path_that_leads_nowhere_is_our_defect(operation: "Operation") -> None:
    """Callers name places that are there."""
    with pytest.raises(DefectError, match="nowhere"):
        edited("a: 1\nl: [1]\n", operation)


def test_a_text_that_reads_otherwise_is_our_defect() -> None:
    """The new text is read again: what does not equal the patched data is not given out."""
    with patch.object(editor, "patched", lambda *_: {"a": 2}), pytest.raises(DefectError, match="does not read"):
        edited("a: 1\n", replace("/a", 3))


def test_a_text_that_cannot_be_read_is_our_defect() -> None:
    """A new text that is no YAML is our fault, not the user's."""
    with patch("mlmesh.manifests.blocks.dump", lambda _: "'"), pytest.raises(DefectError, match="cannot be read"):
        edited("a: 1\n", replace("/a", 3))
