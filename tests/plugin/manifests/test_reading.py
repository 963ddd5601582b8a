"""Documents as Go reads them: merge keys, aliases, tags, line ends, JSON; and what is refused."""

import pytest

from mlmesh.model.errors import InputError
from tests.plugin.manifests.oracle import GoError, Oracle, same
from tests.plugin.manifests.reading import data, document

READ_AS_GO = [
    "{}",
    "a: 1\r\nb: |\r\n  x\r\n  y\r\nc: >-\r\n  u\r\n  v\r\n",
    "\ufeffa: é 😀 \u2028 x\n",
    '{"a": [1, 2.5, null, true, "x\\u00e9\\n"], "b": {}}',
    "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: {x: 3, <<: *a}\n",
    "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc:\n  <<: [*a, *b]\n  z: 3\nd:\n  !!merge <<: *b\n  x: 4\n",
    "b: {! <<: {x: 1}, x: 2}\n",
    "b: {<<: {x: 1, y: 2}, y: 3}\nc: {'<<': 1}\nd: {!!str <<: 1}\n",
    "b: {<<: [{x: 1}, {x: 2, y: 2}]}\n",
    "a: &a [1, &b {c: d}]\nb: *a\nc: *b\nd: [*a, *b]\n",
    "a: &x 1\nb: &x 2\nc: *x\n",
    "&k key: 1\nb: *k\n*k : 2\n",
    "a: &a x\nb: {*a : 1}\n",
    "a: !!str 1\nb: !!int '5'\nc: !!float 1\nd: !!null ''\ne: !!bool 'yes'\nf: !foo 1\ng: !!set {h, i}\n",
    "a: !!binary aGVsbG8=\nb: !!binary |\n  aGVs\n  bG8=\nc: !!binary //8=\nd: !!str\ne: !!map\n  x: 1\nf: !!seq [1]\n",
    "a: ! '5'\nb: ! \"x\"\nc: ! 5\nd: [! 'on', ! on]\n! 7: é\ne: !\nf: ! &x 8\ng: &y ! 9\n",
    "a: 'it''s'\nb: \"a\\tb\\x41\\\n  c\"\nc: plain\n  goes on\n",
    "? a\n: b\n? c\n",
    "a: {b, c: , 'd', \"e\":}\n",
    "a:\n- - 1\n  - - 2\n- {x: y}\n-\n- \n",
    "a: # c\n  b\nc: #d\n",
    "a: >+\n\n  x\n\n\nb: |1\n  y\n",
    "a: *b*\nb: rbac * \nc: '!x'\nd: [ '*', \"!\" ]\n".replace("*b*", "'*b*'"),
    "!!map\na: 1\n",
    "a: 1\n...\n# end\n",
    "--- {a: 1}\n".removeprefix("--- "),
    "a: [a: b, c]\n",
    "kind: x\nkind: y\n",
    "a: 0x1F\nb: '0x1F'\nc: [on, 'on']\n",
]


@pytest.mark.parametrize("text", READ_AS_GO)
def test_reads_as_go(text: str, oracle: Oracle) -> None:
    """The data equals Go's, types included."""
    go = oracle.read(text.encode())
    assert not isinstance(go, GoError), go
    assert same(data(text), go)


REFUSED = [
    ("a: [\n", "line 2", "not valid YAML"),
    ("a: b: c\n", "line 1", "mapping values"),
    ("a: 1\n\tb: 2\n", "line 2", "tab|token|simple key"),
    ("a: @x\n", "line 1", "cannot start"),
    ("a: *x\n", "line 1", "undefined alias|not there"),
    ("a: 1\n b: 2\n", "line 2", "not valid YAML"),
    ("a: &a [*a]\n", "line 1", "contains itself"),
    ("a: &a {b: {c: *a}}\n", "line 1", "contains itself"),
    ("a: {<<: 1}\n", "line 1", "no map"),
    ("x: &x [1]\na: {<<: *x}\n", "line 2", "no map"),
    ("a: {<<: [1]}\n", "line 1", "no map"),
    ("a: !!int x\n", "line 1", "tagged !!int"),
    ("a: !!bool 1\n", "line 1", "tagged !!bool"),
    ("a: !!binary $\n", "line 1", "base64"),
    ("a: !!float .inf\n", "line 1", "not a number"),
    ("!!float 1: a\n", "line 1", "64-bit|floating"),
    ("a: 1\n\ufeffb: 2\n", "line 1", "byte order mark"),
    ("a: [!!str, b]\n", "line 1", "no blank behind"),
    ("a: \x07\n", "line 1", "control character"),
    ("a: \x00\n", "line 1", "control character"),
    ('a: "\\ud83d\\ude00"\n', "line 1", "Unicode"),
    ("- a\n", "line 1", "no object"),
    ("text\n", "line 1", "no object"),
    ("'a': 1\n'b' 2\n", "line 3", "not valid YAML"),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED)
def test_refuses(text: str, line: str, message: str) -> None:
    """What cannot be read is an error with document, line and remedy."""
    with pytest.raises(InputError, match=message) as caught:
        data("# one\n" * 3 + "---\n" + text)
    number = int(line.removeprefix("line ")) + 4
    assert caught.value.place.startswith("document 0")
    assert caught.value.place.endswith((f"line {number}", f"line {number - 1}"))
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text",
    ["a: 1\n...\nb: 2\n", "{a: 1}\nb: 2\n", "a: 1\n...\n--- \nb: 2\n".replace("\n--- ", "\n ---"), "{a: 1} }\n"],
)
def test_what_go_drops_silently_is_refused(text: str, oracle: Oracle) -> None:
    """Go reads up to the end of the first object and loses the rest: nobody means that."""
    assert oracle.read(text.encode()) == {"a": 1}
    with pytest.raises(InputError):
        data(text)


@pytest.mark.parametrize("raw", [b"a: \xff\n", b"a: \xe2\x82\n", b"\xff\xfea\x00:\x00 \x001\x00", b"\xfe\xff\x00a"])
def test_other_encodings_are_refused(raw: bytes) -> None:
    """Only UTF-8 is read."""
    with pytest.raises(InputError, match="UTF"):
        data(raw)


def test_messages_hold_no_value() -> None:
    """An error in a Secret tells the place, never the value."""
    for text in (
        "kind: Secret\ndata:\n  k: !!int hunter2\n",
        "kind: Secret\ndata:\n  k: hunter2: x\n",
        'kind: Secret\ndata:\n  k: "hunter2\n',
        "kind: Secret\ndata:\n  k: 'a' hunter2\n",
        "kind: Secret\ndata: [hunter2\nx: y\n",
    ):
        with pytest.raises(InputError) as caught:
            data(text)
        assert "hunter2" not in f"{caught.value} {caught.value.remedy}"


def test_an_alias_is_shared_not_copied() -> None:
    """What an alias names is read once."""
    read = data("a: &a {x: 1}\nb: *a\n")
    assert read["a"] is read["b"]


def test_texts_with_stars_and_exclamation_marks_are_not_special() -> None:
    """Only real aliases and tags make a document one that is edited with more care."""
    for text, special in (
        ("a: '*x'\nb: |\n  ! *y\n  [ ! -f x ]\n", False),
        ("a: &x 1\n", False),
        ("a: &x 1\nb: *x\n", True),
        ("a: !!str 1\n", True),
        ("a: !x {}\n", False),
    ):
        one = document(text)
        assert one.data
        assert one.tree.special is special, text
