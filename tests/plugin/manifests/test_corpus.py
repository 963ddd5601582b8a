"""Anybody's manifests: 81 streams of public charts where they are, excerpts of them always."""

import copy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml

from mlmesh.manifests.editor import edit
from mlmesh.manifests.stream import Document, read
from mlmesh.model.errors import InputError
from tests.plugin.manifests.oracle import GoError, Oracle, same
from tests.plugin.manifests.patches import random_operations, touches

HERE = Path(__file__).parent
EXCERPTS = HERE / "excerpts"
VERDICTS: dict[str, Any] = yaml.safe_load((HERE / "verdicts.yaml").read_text())


def test_excerpts(oracle: Oracle) -> None:
    """Excerpts of the corpus are read, touched and passed on as the whole corpus is."""
    counts, unexplained = walk(EXCERPTS, oracle)
    assert counts["streams"] == 8
    assert counts["touched"] >= 12
    assert not unexplained


def test_corpus(corpus: Path, oracle: Oracle, capsys: pytest.CaptureFixture[str]) -> None:
    """Every stream of the corpus: untouched documents byte for byte, touched ones as Go and jsonpatch have them."""
    counts, unexplained = walk(corpus, oracle)
    with capsys.disabled():
        print(  # noqa: T201 - the counts are part of the claim
            "\ncorpus:", ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))
        )
    assert not unexplained
    assert counts["documents"] >= 5_000
    assert counts["touched"] >= 1_200


def walk(folder: Path, oracle: Oracle) -> tuple[Counter[str], list[str]]:
    """Reads, touches and passes on every stream of a folder: counts, and what the verdicts do not explain."""
    counts: Counter[str] = Counter()
    unexplained: list[str] = []

    def judge(section: str, document: Document, problem: str) -> None:
        listed = VERDICTS[section].get(file.name, ())
        if any(reason in problem for reason in listed):
            counts["explained"] += 1
        else:
            unexplained.append(f"{section}: {file.name}: {document.place}: {problem}")

    for file in sorted(folder.glob("*.yaml")):
        counts["streams"] += 1
        raw = file.read_bytes()
        stream = read(raw)
        texts = {}
        for document in stream.documents:
            counts["documents"] += 1
            for problem in check_reading(document, oracle):
                judge("unread", document, problem)
            try:
                new = touch(document, oracle, counts)
            except InputError as error:
                judge("refused", document, error.what)
                new = None
            if new is not None:
                texts[document.index] = new
            for problem in check_random(document, oracle, counts):
                judge("random", document, problem)
        check_output(raw, texts)
    return counts, unexplained


def check_reading(document: Document, oracle: Oracle) -> Iterator[str]:
    """What differs between our reading and Go's."""
    go = oracle.read(document.text)
    try:
        if isinstance(go, GoError) or not same(document.data, go):
            yield f"reads otherwise than in Go: {go!s:.100}"
        if document.kind != document.data.get("kind", ""):
            yield "has another kind"
    except InputError as error:
        yield str(error)


def touch(document: Document, oracle: Oracle, counts: Counter[str]) -> bytes | None:
    """The text with annotations, timeouts and retries in it, if it has places for them. Raises InputError."""
    operations = touches(document.data)
    if not operations:
        return None
    new, reread = edit(document, operations)
    go = oracle.read(document.text)
    assert same(reread, oracle.read(new)), document.place
    assert same(reread, jsonpatch.apply_patch(copy.deepcopy(go), operations)), document.place
    again = read(new).documents[0]
    assert edit(again, touches(again.data))[0] == new, f"{document.place}: a second run changes it again"
    counts["touched"] += 1
    counts["operations"] += len(operations)
    counts["old lines changed"] += len(set(document.text.splitlines()) - set(new.splitlines()))
    return new


def check_random(document: Document, oracle: Oracle, counts: Counter[str]) -> Iterator[str]:
    """Why random operations were refused; what was written is right."""
    operations = random_operations(document.data, document.index, 1 + document.index % 4)
    try:
        new, _ = edit(document, operations)
    except InputError as error:
        yield error.what
        return
    counts["random edits"] += 1
    expected = jsonpatch.apply_patch(oracle.read(document.text), operations)
    assert same(expected, oracle.read(new)), f"{document.place}: {operations}"


def check_output(raw: bytes, texts: dict[int, bytes]) -> None:
    """The written stream holds the new texts, and every other byte as it came."""
    stream = read(raw)
    assert b"".join(stream.write({})) == raw
    out = b"".join(stream.write(texts))
    at = 0
    for document in stream.documents:
        between = raw[at : document.start]
        assert out.startswith(between)
        text = texts.get(document.index, document.text)
        assert out.startswith(text, len(between))
        out = out[len(between) + len(text) :]
        at = document.end
    assert out == raw[at:]
