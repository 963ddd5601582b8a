"""Operations written into text: what the new text looks like, shape by shape."""

from typing import TYPE_CHECKING

import pytest

from mlmesh.manifests.editor import edit, patched
from tests.plugin.manifests.oracle import Oracle, same
from tests.plugin.manifests.reading import add, document, edited, remove, replace

if TYPE_CHECKING:
    from mlmesh.model.patches import Operation

DEPLOYMENT = """\
# Source: c/templates/a.yaml
kind: Deployment # kind
spec:
  # above
  template:
    spec:
      containers:
        # first
        - name: a # name
          image: b

        # second
        - image: c
      nodeSelector: {} # none
  tail: |
    text

# end
"""
ANNOTATIONS = [
    add("/spec/template/metadata", {}),
    add("/spec/template/metadata/annotations", {}),
    add("/spec/template/metadata/annotations/sidecar.istio.io~1proxyCPU", "100m"),
    add("/spec/template/metadata/annotations/on", "1e3"),
]

CASES: list[tuple[str, str, list["Operation"], str]] = [
    (
        "missing maps are written once, below what is there",
        "spec:\n  template:\n    spec: {a: b} # c\n  # tail\nx: y\n",
        ANNOTATIONS,
        "spec:\n  template:\n    spec: {a: b} # c\n    metadata:\n      annotations:\n"
        '        sidecar.istio.io/proxyCPU: "100m"\n        "on": "1e3"\n  # tail\nx: y\n',
    ),
    (
        "an empty map makes room, its comment stays",
        "a:\n  metadata: {} # why\n  b: c\n",
        [add("/a/metadata/labels", {"x": "1"})],
        'a:\n  metadata: # why\n    labels:\n      x: "1"\n  b: c\n',
    ),
    (
        "null makes room",
        "a:\n  metadata:  # why\n  b: ~ # not\n",
        [add("/a/metadata", {}), add("/a/metadata/x", 1), replace("/a/b", {"c": []})],
        "a:\n  metadata:  # why\n    x: 1\n  b: # not\n    c: []\n",
    ),
    (
        "a scalar is replaced in its place",
        "a: 'x' # c\nb: >-\n  folded\n  text\nc: plain\n  goes on # d\nd: |\n  last\n",
        [replace("/a", "y"), replace("/b", 1), replace("/c", None), replace("/d", "z\n")],
        'a: "y" # c\nb: 1\nc: null # d\nd: "z\\n"\n',
    ),
    (
        "a map becomes a scalar and a list, and a scalar a map",
        "a: # c\n  b: 1\n\n  c: 2 # d\ne:\n- f\ng: h # i\n",
        [replace("/a", "x"), replace("/e", {"l": ["m"]}), replace("/g", {"j": "k"})],
        'a: "x" # c\ne:\n  l:\n    - "m"\ng: # i\n  j: "k"\n',
    ),
    (
        "entries go with their lines",
        "a: 1 # c\nb:\n  c: 2\n  d: 3\n  # of d or e\ne: |\n  x\n\nf: 4\n",
        [remove("/a"), remove("/b/d"), remove("/e")],
        "b:\n  c: 2\n  # of d or e\nf: 4\n",
    ),
    ("the last entry leaves {}", "a:\n  b: 1 # c\nd: 2\n", [remove("/a/b")], "a: {}\nd: 2\n"),
    ("the last item leaves []", "a:\n- b\nd: 2\n", [remove("/a/0")], "a: []\nd: 2\n"),
    ("the whole object may go", "# head\na: 1\n# tail\n", [remove("/a")], "# head\n{}\n# tail\n"),
    (
        "items come and go",
        "a:\n  - b # first\n  # second\n  - c\n  - d: e\n    f: g\n",
        [remove("/a/0"), add("/a/1", {"x": 1, "y": [2]}), add("/a/-", "z"), add("/a/0", [])],
        'a:\n  # second\n  - []\n  - c\n  - x: 1\n    "y":\n      - 2\n  - d: e\n    f: g\n  - "z"\n',
    ),
    (
        "an item's first key makes room for the next",
        "a:\n  - b: 1\n    # c\n    d: 2\n  - - x\n    - y\n",
        [remove("/a/0/b"), add("/a/0/e", "f"), remove("/a/1/0"), add("/a/1/0", "z")],
        'a:\n  - d: 2\n    e: "f"\n  - - "z"\n    - y\n',
    ),
    (
        "items without a line of their own are replaced",
        "a:\n-\n- b\n-\n  c: 1\n",
        [replace("/a/0", {"x": 1}), replace("/a/1", None), replace("/a/2", "y")],
        'a:\n- {"x": 1}\n- null\n- "y"\n',
    ),
    (
        "flow style stays flow style",
        "a: {b: 1, c: {}, d: [1, 2, {e: f}], g: } # h\n",
        [
            add("/a/x", "y"),
            add("/a/c/i", None),
            remove("/a/d/0"),
            add("/a/d/-", 3),
            remove("/a/d/1/e"),
            replace("/a/g", 4),
        ],
        'a: {"x": "y", b: 1, c: {"i": null}, d: [2, {}, 3], g: 4 } # h\n',
    ),
    (
        "flow entries go with one comma",
        "a: {b: 1, c: 2, d: 3}\ne: [1, 2, 3]\nf: {g: 1}\n",
        [remove("/a/b"), remove("/a/d"), remove("/e/2"), remove("/e/0"), remove("/f/g")],
        "a: {c: 2}\ne: [2]\nf: {}\n",
    ),
    (
        "a key without colon in braces gets one",
        "a: {b, c: d}\n",
        [replace("/a/b", {"x": 1})],
        'a: {b: {"x": 1}, c: d}\n',
    ),
    (
        "JSON stays JSON",
        '{\n  "a": {\n    "b": [1,2],\n    "c": {}\n  }\n}\n',
        [add("/a/x", "é"), add("/a/c/y", 1), remove("/a/b/1"), add("/z", [])],
        '{\n  "z": [],\n  "a": {\n    "x": "é",\n    "b": [1],\n    "c": {"y": 1}\n  }\n}\n',
    ),
    (
        "CR LF stays CR LF",
        "a: 1\r\nb:\r\n  c: 2\r\n",
        [add("/b/d", {"e": "f"}), add("/g", "h")],
        'a: 1\r\nb:\r\n  c: 2\r\n  d:\r\n    e: "f"\r\ng: "h"\r\n',
    ),
    ("a text without last line break keeps it so", "a: 1\nb: 2", [add("/c", 3), remove("/b")], "a: 1\nc: 3\n"),
    ("and with only an addition", "a: 1\nb: 2", [add("/c", 3)], "a: 1\nb: 2\nc: 3"),
    (
        "a block scalar without last line break stays as it is",
        "a: 1\nb:\n  c: |\n    x",
        [add("/b/d", 2), add("/e", 3)],
        "e: 3\na: 1\nb:\n  d: 2\n  c: |\n    x",
    ),
    ("the byte order mark stays", "\ufeffa: 1\n", [add("/b", 2)], "\ufeffa: 1\nb: 2\n"),
    ("of duplicate keys the last is edited", "a: 1\na: 2\n", [replace("/a", 3)], "a: 1\na: 3\n"),
    ("duplicate keys go together", "a: 1\nb: 2\na: 3\n", [remove("/a")], "b: 2\n"),
    (
        "an aliased map gets entries by a merge key",
        "a: &x {b: 1}\nc:\n  d: *x # e\nf: {g: *x}\n",
        [add("/c/d/h", "i"), add("/f/g/j", 2), add("/f/g/b", 3)],
        'a: &x {b: 1}\nc:\n  d: # e\n    <<: *x\n    h: "i"\nf: {g: {<<: *x, "j": 2, "b": 3}}\n',
    ),
    (
        "a merged key is overridden behind the merge key",
        "a: &x {b: 1}\nc: {<<: *x, d: 2}\ne:\n  <<: *x\n  f: 3\n",
        [add("/c/b", 4), replace("/e/b", 5)],
        'a: &x {b: 1}\nc: {<<: *x, d: 2, "b": 4}\ne:\n  <<: *x\n  f: 3\n  b: 5\n',
    ),
    ("an alias is replaced by a value", "a: &x [1]\nb: *x # c\n", [replace("/b", "d")], 'a: &x [1]\nb: "d" # c\n'),
    (
        "an object becomes a ConfigMap and keeps its comments",
        "# Source: p.yaml\napiVersion: mlmesh.dev/v1alpha1 # v\nkind: MeshPolicy\n"
        "metadata: {name: x} # n\nspec:\n  a: 1\n",
        [
            replace("/apiVersion", "v1"),
            replace("/kind", "ConfigMap"),
            remove("/spec"),
            add("/data", {"policy.json": '{"a": 1}'}),
        ],
        '# Source: p.yaml\napiVersion: "v1" # v\nkind: "ConfigMap"\nmetadata: {name: x} # n\n'
        'data:\n  policy.json: "{\\"a\\": 1}"\n',
    ),
    (
        "items of a List are edited from the document's root",
        "kind: List\nitems:\n- kind: Pod\n  metadata: {name: x}\n- kind: Pod\n",
        [add("/items/0/metadata/labels", {}), add("/items/0/metadata/labels/a", "b"), add("/items/1/spec", {"c": {}})],
        'kind: List\nitems:\n- kind: Pod\n  metadata: {"labels": {"a": "b"}, name: x}\n'
        "- kind: Pod\n  spec:\n    c: {}\n",
    ),
    (
        "what is added, changed and removed again leaves no trace",
        "a:\n  b: 1\n",
        [
            add("/a/c", {}),
            add("/a/c/d", [1]),
            add("/a/c/d/0", 2),
            remove("/a/c"),
            replace("/a/b", {"e": 1}),
            remove("/a/b/e"),
        ],
        "a:\n  b: {}\n",
    ),
    (
        "keys that need quotes have them",
        "a: {}\n",
        [add("/a/on", 1), add("/a/a~1b~0c", 2), add("/a/", 3), add("/a/1", 4)],
        'a:\n  "on": 1\n  "a/b~c": 2\n  "": 3\n  "1": 4\n',
    ),
    (
        "keys are found by what Go makes of them",
        "yes: {a: 1}\n0x10:\n  b: 2\n",
        [add("/true/c", 3), remove("/16/b")],
        'yes: {"c": 3, a: 1}\n0x10: {}\n',
    ),
    (
        "a value below its key is replaced there",
        "a:\n  # c\n  'x' # d\nb:\n  {c: d}\ne:\n    - 1\nf: 2\n",
        [replace("/a", "y"), replace("/b", {"z": [1]}), replace("/e", {})],
        'a:\n  # c\n  "y" # d\nb:\n  z:\n    - 1\ne: {}\nf: 2\n',
    ),
    (
        "a comment that follows without a blank gets one",
        "a: []# c\nb: 'x'# d\ne: {f: [g]# h\n}\n",
        [add("/a/-", 1), replace("/b", "y"), replace("/e/f", 2)],
        'a: # c\n  - 1\nb: "y" # d\ne: {f: 2 # h\n}\n',
    ),
    (
        "blank lines behind what goes do not become text of a block scalar that keeps its own",
        "a: |+ # c\n  t\n\nb: 1\n\nc: 2\n\n# d\nd: |\n  t\ne: 3\n\nf: 4\n",
        [remove("/b"), remove("/c"), remove("/e")],
        "a: |+ # c\n  t\n\n# d\nd: |\n  t\n\nf: 4\n",
    ),
    (
        "nor do comments as deep as its text",
        "x:\n  - a: |-\n      t\n    b:\n      c: 1\n\n      # c\n    # b\n"
        "  - >2\n    t\n  - 3\n    # 3\n  # 4\n  - 4\n",
        [remove("/x/0/b"), remove("/x/2")],
        "x:\n  - a: |-\n      t\n    # b\n  - >2\n    t\n  # 4\n  - 4\n",
    ),
    (
        "values with tags and unused anchors are replaced with them",
        "a: !!str 1\nb: &x\n  c: 1\nd: &y [1]\ne: !!null\n",
        [replace("/a", "z"), replace("/b", 2), replace("/d", {"f": 3}), replace("/e", "g")],
        'a: "z"\nb: 2\nd:\n  f: 3\ne: "g"\n',
    ),
]


@pytest.mark.parametrize(
    ("text", "operations", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_new_text(text: str, operations: "list[Operation]", expected: str, oracle: Oracle) -> None:
    """The text is changed where it must, and Go reads the patched object from it."""
    new, reread = edit(document(text), operations)
    assert new.decode() == expected
    assert same(reread, patched(document(text).data, operations))
    assert same(reread, oracle.read(new))


def test_a_whole_deployment() -> None:
    """Only the lines that a change needs are new; all others stay, comments and blank lines too."""
    operations = [
        *ANNOTATIONS,
        replace("/spec/template/spec/containers/0/image", "d:1"),
        add("/spec/template/spec/containers/1/env", [{"name": "A", "value": "1"}]),
        add("/spec/template/spec/nodeSelector/disk", "ssd"),
    ]
    new = edited(DEPLOYMENT, *operations)
    gone = {"          image: b", "      nodeSelector: {} # none"}
    assert [line for line in DEPLOYMENT.splitlines() if line not in new.splitlines()] == sorted(gone)
    assert [line for line in new.splitlines() if line not in DEPLOYMENT.splitlines()] == [
        '          image: "d:1"',
        "          env:",
        '            - name: "A"',
        '              value: "1"',
        "      nodeSelector: # none",
        '        disk: "ssd"',
        "    metadata:",
        "      annotations:",
        '        sidecar.istio.io/proxyCPU: "100m"',
        '        "on": "1e3"',
    ]


def test_no_operations_no_change() -> None:
    """Without operations the text stays byte for byte."""
    assert edited(DEPLOYMENT) == DEPLOYMENT


def test_operations_are_not_changed() -> None:
    """Later operations inside an added value do not reach back into the caller's."""
    value: dict[str, object] = {}
    assert edited("a: 1\n", add("/b", value), add("/b/c", 1)) == "a: 1\nb:\n  c: 1\n"
    assert value == {}
    assert edited("a: 1\n", add("/b", []), add("/b/-", value), add("/b/0/c", 1)) == "a: 1\nb:\n  - c: 1\n"
    assert value == {}
