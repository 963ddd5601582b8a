"""Every fix on other projects' streams: none is a defect, none makes room for a new finding, all come to rest."""

from collections import Counter
from pathlib import Path

import pytest

from mlmesh.commands.fixes import mend
from mlmesh.commands.inputs import Inputs
from mlmesh.model.findings import INFO, Finding
from mlmesh.post_renderer import post_render

MESH = b"""\
apiVersion: v1
kind: Namespace
metadata: {name: ml, labels: {istio-injection: enabled}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: ml}
spec: {mtls: {mode: STRICT}}
---
"""


@pytest.mark.parametrize("around", [b"", MESH], ids=["as they are", "in a strict mesh"])
def test_fixes_of_unmodified_streams_come_to_rest(corpus: Path, around: bytes) -> None:
    """All fixes are made in each stream; what is left offers none that changes a byte, and no code is new."""
    mended: Counter[str] = Counter()
    for path in sorted(corpus.glob("*.yaml")):
        inputs = Inputs.of([str(path)], [around + path.read_bytes()])

        def judged(inputs: Inputs = inputs) -> list[Finding]:
            return post_render(inputs.stream, namespace="ml", as_it_is=True).findings

        before = judged()
        if not any(each.fix != "none" for each in before):
            continue
        left = mend(inputs, before, judged, unsafe=True)
        kept = {(each.fingerprint, each.severity) for each in left}
        codes = {each.code for each in before}
        assert [each for each in left if each.code not in codes and each.severity != INFO] == [], path.stem
        mended.update(each.code for each in before if (each.fingerprint, each.severity) not in kept)
        text = inputs.texts[0]
        mend(inputs, left, judged, unsafe=True)
        assert inputs.texts[0] == text, path.stem
    assert mended["MLM602"]
