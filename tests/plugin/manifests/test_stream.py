"""What a document tells about itself: kind, source, lines, place, and the dialect of its stream."""

import pytest

from mlmesh.manifests.stream import read
from mlmesh.model.errors import InputError
from tests.plugin.manifests.reading import document


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("kind: Pod\n", "Pod"),
        ("apiVersion: v1\nkind:   Pod # why\nspec: {kind: x}\n", "Pod"),
        ("# c\nkind: 'Pod'\n", "Pod"),
        ('{"kind": "Pod"}', "Pod"),
        ('"kind": Pod\n', "Pod"),
        ("spec:\n  kind: Pod\n", ""),
        ("spec: 1\n", ""),
        ("kind: Pod\nkind: Service\n", "Service"),
        ("kind: yes\n", ""),
        ("kind: 12\n", ""),
        ("kind:\n  Pod\n", "Pod"),
        ("kind: &k Pod\n", "Pod"),
        ('"k\\x69nd": Pod\n', "Pod"),
        ("kind: Pod\r\nspec: x\r\n", "Pod"),
        ("  kind: Pod\n  spec: x\n", "Pod"),
        ("? kind\n: Pod\n", "Pod"),
    ],
)
def test_kind(text: str, kind: str) -> None:
    """The kind is the one that Kubernetes reads, however it is written."""
    assert document(text).kind == kind
    parsed = document(text)
    assert parsed.data is not None
    assert parsed.kind == kind


def test_a_kind_line_is_enough() -> None:
    """A document whose kind stands on the one line `kind: word` is not parsed for it."""
    assert document("kind: Pod\nspec: [\n").kind == "Pod"
    with pytest.raises(InputError):
        document("kind: Pod\nspec: [\nkind: Service\n").kind  # noqa: B018


@pytest.mark.parametrize(
    ("stream", "dialect", "source"),
    [
        ("---\n# Source: c/templates/a.yaml\nkind: Pod\n", "plain", "c/templates/a.yaml"),
        ("kind: Pod\n", "plain", ""),
        ("", "plain", None),
        (
            "kind: Pod\nmetadata:\n  annotations:\n    postrenderer.helm.sh/postrender-filename: 'c/it''s.yaml'\n",
            "helm4",
            "c/it''s.yaml",
        ),
        (
            '{"kind":"Pod","metadata":{"annotations":{postrenderer.helm.sh/postrender-filename: c/a.yaml}}}',
            "helm4",
            "c/a.yaml",
        ),
        ("---\n#### file: c/templates/a.yaml\nkind: Pod\n", "helm-unittest", "c/templates/a.yaml"),
        ("---\n#### file: c/templates/a.yaml\n---\n# x\nkind: Pod\n", "helm-unittest", "c/templates/a.yaml"),
        ("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: []\n", "resource-list", ""),
        ("apiVersion: v1\nkind: ConfigMap\ndata: {a: ResourceList}\n", "plain", ""),
    ],
)
def test_dialect_and_source(stream: str, dialect: str, source: str | None) -> None:
    """The host that sent a stream, and the chart template that it names."""
    read_stream = read(stream.encode())
    assert read_stream.dialect == dialect
    assert [each.source for each in read_stream.documents] == ([] if source is None else [source])


def test_helm_unittest_names_each_file_once() -> None:
    """Documents behind one head are all of that file; the next head begins another."""
    stream = read(b"---\n#### file: a.yaml\nkind: A\n---\nkind: B\n---\n#### file: b.yaml\n---\nkind: C\n")
    assert [each.source for each in stream.documents] == ["a.yaml", "a.yaml", "b.yaml"]


STREAM = b"""# head
---
# Source: a.yaml
kind: A
---
apiVersion: v1
kind: Pod
metadata:
  name: x
  namespace: "ml"
spec:
  containers:
  - name: a
  - {name: b,
     image: c}
"""


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("", 6),
        ("/kind", 7),
        ("/metadata/namespace", 10),
        ("/metadata/annotations/x", 8),
        ("/spec/containers/0/name", 13),
        ("/spec/containers/1", 14),
        ("/spec/containers/1/image", 15),
        ("/spec/containers/7/image", 12),
        ("/spec/containers/x", 12),
        ("/kind/x", 7),
    ],
)
def test_line_of(pointer: str, line: int) -> None:
    """The line of a key or item, else of the nearest parent that is there."""
    assert read(STREAM).documents[1].line_of(pointer) == line


def test_line_of_duplicates_and_aliases() -> None:
    """Of duplicate keys the last one counts; an alias stands where it is written."""
    assert document("a: &a {b: 1}\na: *a\n").line_of("/a") == 2
    assert document("a: &a {b: 1}\nc: [\n  *a\n]\n").line_of("/c/0") == 3
    assert document("a: &a {b: 1}\nc: *a\n").line_of("/c/b") == 2


def test_place_names_the_object_without_parsing() -> None:
    """Messages name the document's number, object and line, even of a document that cannot be parsed."""
    stream = read(STREAM + b"---\nkind: Bad\nmetadata:\n  # c\n  name: y # d\nspec: {\n---\n[1\n")
    assert [each.place for each in stream.documents] == [
        "document 0 (A), line 3",
        "document 1 (Pod ml/x), line 6",
        "document 2 (Bad y), line 17",
        "document 3, line 23",
    ]
    assert stream.documents[1].data
    assert stream.documents[1].place == "document 1 (Pod ml/x), line 6"


def test_errors_name_the_line_of_the_input() -> None:
    """A refusal inside the third document names its line in the whole stream."""
    stream = read(STREAM + b"---\nkind: Bad\nspec:\n  1.5: x\n")
    with pytest.raises(InputError, match="64-bit") as caught:
        stream.documents[2].data  # noqa: B018
    assert caught.value.place == "document 2 (Bad), line 19"
    assert "quote" in caught.value.remedy


def test_a_document_is_parsed_once() -> None:
    """The data is kept, and stays the same object."""
    one = document("a: {b: 1}\n")
    assert one.data is one.data
