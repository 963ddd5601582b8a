"""Long runs of what the normal tests do for seconds: mutated texts, random edits, and texts in every style."""

import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlmesh.model.errors import MlmeshError
from tests.plugin.manifests.oracle import Oracle
from tests.plugin.manifests.test_cases import replay
from tests.plugin.manifests.test_properties import check
from tests.plugin.manifests.texts import anchored, documents

pytest_plugins = ("tests.plugin.manifests.conftest",)  # the oracle

HERE = Path(__file__).parents[1] / "plugin" / "manifests"
SEEDS = [file.read_bytes() for folder in ("excerpts", "cases") for file in sorted((HERE / folder).glob("*.yaml"))]
SNIPPETS = (
    *(
        b"---\n",
        b"--- x\n",
        b"...\n",
        b"\r\n",
        b"\r",
        b"\t",
        b" ",
        b"\n",
        b"#",
        b": ",
        b"- ",
        b"? ",
        b"&a ",
        b"*a",
        b"<<: *a",
    ),
    *(
        b"!!str ",
        b"! ",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b"'",
        b'"',
        b"|",
        b">-",
        b"|+",
        b"null",
        b"~",
        b"{}",
        b"[]",
        b"1e3",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\x00",
        b"\xff",
        b"\\",
        b"%YAML 1.1\n",
        b"kind: Pod\n",
        b"@",
        b"`",
    ),
)
SECONDS = float(os.environ.get("MLMESH_FUZZ_SECONDS", "300"))
LONG = settings(max_examples=20_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def mutated(chance: random.Random) -> bytes:
    """A few documents with something cut, doubled, moved or put in."""
    text = bytearray(chance.choice(SEEDS))
    if len(text) > 1500:
        at = chance.randrange(len(text) - 1000)
        text = text[at : at + 1000]
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.randint(0, 12))
        choice = chance.randrange(4)
        if choice == 0:
            del text[at:end]
        elif choice == 1:
            text[at:at] = text[at:end]
        elif choice == 2:
            text[at:end] = chance.choice(SNIPPETS)
        else:
            text[at:at] = chance.choice(SNIPPETS)
    return bytes(text)


def test_mutated_texts(oracle: Oracle, capsys: pytest.CaptureFixture[str]) -> None:
    """A text with random damage is read as Go reads it or refused; edits are right or refused. Found cases are kept."""
    seed = int(os.environ.get("MLMESH_FUZZ_SEED", time.time_ns() % 2**32))
    chance = random.Random(seed)  # noqa: S311 - told, so that a run can be repeated
    ends = time.monotonic() + SECONDS
    texts = edits = 0
    while time.monotonic() < ends:
        text = mutated(chance)
        texts += 1
        try:
            edits += replay(text, oracle, seeds=3)
        except (
            AssertionError,
            MlmeshError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as error:
            found = HERE / "cases" / f"found-{seed}-{texts}.yaml"
            found.write_bytes(text)
            pytest.fail(f"{found} holds a text that goes wrong: {error!r}")
    with capsys.disabled():
        print(  # noqa: T201 - the seed repeats the run
            f"\nfuzzing: seed {seed}, {texts:,} texts, {edits:,} edits"
        )


@LONG
@given(drawn=st.one_of(documents(), anchored()), seed=st.integers(0, 2**32), count=st.integers(0, 9))
def test_any_document_any_operations(drawn: tuple[object, str], seed: int, count: int, oracle: Oracle) -> None:
    """As in the normal tests, for long."""
    check(drawn[1], seed, count, oracle)
