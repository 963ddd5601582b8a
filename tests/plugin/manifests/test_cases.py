"""Found cases: texts that once went wrong, or nearly, read and edited again."""

from pathlib import Path

import pytest

from mlmesh.manifests.editor import edit
from mlmesh.manifests.stream import Document, read
from mlmesh.model.errors import InputError
from tests.plugin.manifests.oracle import GoError, Oracle, same
from tests.plugin.manifests.patches import random_operations

FILES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_found_case(file: Path, oracle: Oracle) -> None:
    """Read as Go reads it or refused with a remedy; edits are right or refused."""
    replay(file.read_bytes(), oracle)


def replay(text: bytes, oracle: Oracle, seeds: int = 20) -> int:
    """Reads and edits each document of a text at random; the number of edits made. Only InputErrors may come of it."""
    try:
        stream = read(text)
    except InputError:
        return 0
    assert b"".join(stream.write({each.index: each.text for each in stream.documents})) == text
    return sum(replay_document(each, oracle, seeds) for each in stream.documents)


def replay_document(document: Document, oracle: Oracle, seeds: int) -> int:
    """Reads one document and edits it at random, held against Go where Go reads it."""
    go = oracle.read(document.text)
    try:
        data = document.data
    except InputError:
        return 0
    known = not isinstance(go, GoError) and b"\xef\xbb\xbf" not in document.text[3:]  # Go reads over those by chance
    assert same(data, go) or not known
    made = 0
    for seed in range(seeds):
        operations = random_operations(data, seed, 1 + seed % 3)
        try:
            new, reread = edit(document, operations)
        except InputError:
            continue
        made += 1
        assert not known or same(reread, oracle.read(new)), operations
    return made
