"""Where documents begin and end, and what is refused there."""

import pytest

from mlmesh.manifests.stream import read
from mlmesh.model.errors import InputError


@pytest.mark.parametrize(
    ("stream", "texts"),
    [
        (b"a: 1\n---\nb: 2\n", [b"a: 1\n", b"b: 2\n"]),
        (b"---\na: 1\n---\n---\nb: 2", [b"a: 1\n", b"b: 2"]),
        (b"a: 1\n--- # next\nb: 2\n---\t\nc: 3\n---  \r\nd: 4\n", [b"a: 1\n", b"b: 2\n", b"c: 3\n", b"d: 4\n"]),
        (b"a: 1\r\n---\r\nb: 2\r\n", [b"a: 1\r\n", b"b: 2\r\n"]),
        (b"a: |\n  x\n  ---\n  y\n---\nb: 2\n", [b"a: |\n  x\n  ---\n  y\n", b"b: 2\n"]),
        (b"\xef\xbb\xbf---\na: 1\n", [b"a: 1\n"]),
        (b"\xef\xbb\xbfa: 1\n", [b"\xef\xbb\xbfa: 1\n"]),
        (b"---\n# only a comment\n---\n\n \n---\n# with\na: 1\n", [b"# with\na: 1\n"]),
        (b"a: 1\n...\n---\n...\n---\nnull\n---\n{}\n", [b"a: 1\n...\n", b"{}\n"]),
        (b"", []),
        (b"---", []),
        (b"# nothing", []),
        (b"a: '\n---\n'\n", [b"a: '\n", b"'\n"]),
        (b"{a: 1}\n---\n[b]\n---\n- c\n", [b"{a: 1}\n", b"[b]\n", b"- c\n"]),
    ],
)
def test_documents_are_the_pieces_that_hold_an_object(stream: bytes, texts: list[bytes]) -> None:
    """Pieces are cut before every line that begins with ---, and pieces without an object do not count."""
    assert [document.text for document in read(stream).documents] == texts


@pytest.mark.parametrize("line", [b"---x", b"----", b"--- {a: b}", b"--- text", b"---#c", b"--- |"])
def test_broken_separators_are_refused(line: bytes) -> None:
    """What Kubernetes calls an invalid document separator is refused, with its line."""
    with pytest.raises(InputError, match="broken separator") as caught:
        read(b"a: 1\nb: 2\n" + line + b"\nc: 3\n")
    assert caught.value.place == "line 3"
    assert caught.value.remedy


@pytest.mark.parametrize("stream", [b"%YAML 1.1\n---\na: 1\n", b"a: 1\n---\n# c\n%TAG ! x\n---\nb: 1\n"])
def test_directives_are_refused(stream: bytes) -> None:
    """Go cannot read the piece that a directive stands in."""
    with pytest.raises(InputError, match="directive"):
        read(stream)


def test_what_is_not_changed_comes_back_byte_for_byte() -> None:
    """Separators, comments, line ends and the byte order mark stay; a changed document takes its text's place."""
    stream = b"\xef\xbb\xbf# head\n---\r\na: 1\r\n--- # c\nb: 2\n\n---\n# tail\n---\nc: 3"
    read_stream = read(stream)
    assert b"".join(read_stream.write({})) == stream
    assert b"".join(read_stream.write({d.index: d.text for d in read_stream.documents})) == stream
    assert b"".join(read_stream.write({1: b"B\n"})) == stream.replace(b"b: 2\n\n", b"B\n")


def test_nothing_is_parsed_to_split() -> None:
    """Broken YAML passes as long as nobody asks what is in it."""
    stream = read(b"kind: CustomResourceDefinition\nx: [\n---\nkind: ConfigMap\ny: }\n")
    assert [document.kind for document in stream.documents] == ["CustomResourceDefinition", "ConfigMap"]
    assert stream.documents[1].mentions(b"y: }")
    assert not stream.documents[0].mentions(b"y: }")
