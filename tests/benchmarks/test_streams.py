"""The generated streams: the same everywhere, accepted by everybody, and really patched."""

import cProfile
import hashlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from benchmarks.contenders import Bench
from benchmarks.measure import Command, run
from benchmarks.streams import STREAMS, documents
from dev.helm import Helm
from dev.toolchain import ROOT
from mlmesh.graph.kinds import MESH_KINDS, POD_KINDS
from mlmesh.post_renderer import post_render

SIZE = 150_000
NAMES = list(STREAMS)
_DIGEST = """
import hashlib, sys
from benchmarks.streams import documents
print(hashlib.sha256("---".join(documents(sys.argv[1], int(sys.argv[2]))).encode()).hexdigest())
"""


def text(name: str, size: int = SIZE) -> str:
    return "".join(f"---\n{document}" for document in documents(name, size))


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_is_the_same_in_every_process(name: str) -> None:
    """Nothing in a stream depends on chance, on the time or on the order of hashes."""
    command = [sys.executable, "-c", _DIGEST, name, str(SIZE)]
    other = subprocess.run(command, cwd=ROOT, env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256("---".join(documents(name, SIZE)).encode()).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_a_larger_stream_begins_with_the_smaller_one(name: str) -> None:
    """Sizes differ in length only, so that the cost for each byte can be compared."""
    assert text(name, 2 * SIZE).startswith(text(name, SIZE))
    assert SIZE <= len(text(name, SIZE)) < 2 * SIZE


@pytest.mark.parametrize("name", NAMES)
def test_no_two_objects_have_one_name(name: str) -> None:
    """Kustomize refuses a stream in which an object is there twice."""
    objects = [
        (item["apiVersion"], item["kind"], item["metadata"]["name"])
        for item in yaml.load_all(text(name), yaml.CSafeLoader)
    ]
    assert len(objects) == len(set(objects))


@pytest.mark.parametrize("name", NAMES)
def test_the_post_renderer_accepts_a_stream_and_changes_it(name: str) -> None:
    """No finding is an error; pods that say their role, and chat routes, are patched: all of the work is measured."""
    result = post_render(text(name).encode())
    assert not result.failed
    assert {patch.kind for patch in result.patches} >= {"VirtualService", "Deployment"}
    sized = [pod for pod in result.pods if pod.role]
    assert len(sized) == pytest.approx(len(result.pods) / 2, abs=1)
    assert len(result.patches) >= len(sized)


@pytest.mark.parametrize("name", ["large chart", "small documents", "mesh"])
def test_the_work_grows_with_the_bytes_and_no_faster(name: str) -> None:
    """Four times the stream takes four times as many calls of functions: nothing asks everything of everything."""
    small, large = (text(name, size).encode() for size in (400_000, 1_600_000))
    assert calls(large) / calls(small) < 1.1 * len(large) / len(small)


def test_pods_and_unread_documents_have_the_shares_of_public_charts() -> None:
    """Of a large chart about three documents in ten have pods, and more than half of the bytes are never read."""
    result = post_render(text("large chart", 1_000_000).encode())
    kinds = [document.kind for document in result.stream.documents]
    with_pods = POD_KINDS - MESH_KINDS
    assert 0.25 < sum(kind in with_pods for kind in kinds) / len(kinds) < 0.35
    unread = [document for document in result.stream.documents if document.kind in {"ConfigMap", "PrometheusRule"}]
    assert sum(len(document.text) for document in unread) > 0.35 * len(result.stream.data)


@pytest.mark.parametrize("helm_name", ["helm3", "helm4"])
@pytest.mark.parametrize("name", NAMES)
def test_both_helms_render_a_stream_as_a_chart(
    helm: Callable[[str], Helm], bench: Bench, tmp_path: Path, name: str, helm_name: str
) -> None:
    """Wrapped as a chart, a stream comes out of Helm with every object in it, and passes the post-renderer there."""
    path = tmp_path / "stream.yaml"
    path.write_text(text(name))
    commands = {command.name: command for command in bench.commands(path)}
    plain = commands[helm_name]
    assert count(rendered(plain)) == count(text(name))
    assert "proxyCPU" in rendered(commands[f"{helm_name} + mlmesh-post"])
    assert run(plain).cpu > 0


def rendered(command: Command) -> str:
    done = subprocess.run(command.words, env=dict(command.environment), capture_output=True, text=True, check=True)
    return done.stdout


def calls(stream: bytes) -> int:
    """How many functions a run calls, in Python and in C: it does not depend on the machine."""
    profile = cProfile.Profile()
    profile.runcall(post_render, stream, planned=False)
    return sum(entry.callcount for entry in profile.getstats())


def count(stream: str) -> int:
    return sum(line.startswith("apiVersion: ") for line in stream.splitlines())


def test_ten_megabytes_of_a_mesh_are_ten_thousand_objects() -> None:
    """2,000 routes are among them, and none is left unread."""
    kinds = Counter(
        kind for each in documents("mesh", 10_000_000) for kind in re.findall(r"^kind: (.+)$", each, re.MULTILINE)
    )
    assert kinds.total() > 10_000
    assert kinds["VirtualService"] + kinds["HTTPRoute"] > 2_000
    assert kinds.keys() <= MESH_KINDS | POD_KINDS | {"Service", "ServiceAccount"}
