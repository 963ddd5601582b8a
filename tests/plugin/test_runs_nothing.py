"""The post-renderer runs nothing from its input, and needs no network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlmesh.invariants.registry import CODES
from tests.support.rule_cases import CASES
from tests.support.streams import pod, policy, route

# What Python tells its audit hooks: a program that is started, a connection, and a file that is opened, with its flags.
HOOKED = """\
import json, os, sys
seen = []
def hook(event, arguments):
    if event.startswith(("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.")):
        seen.append(event)
    elif event.startswith(("socket.", "urllib.", "http.", "ftplib.", "smtplib.")):
        seen.append(event)
    elif event in ("os.remove", "os.rename", "os.mkdir", "os.chmod", "shutil.rmtree", "ctypes.dlopen"):
        seen.append(event)
    elif event == "open" and isinstance(arguments[0], str | bytes) and isinstance(arguments[2], int):
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.append(f"write {arguments[0]}")
sys.addaudithook(hook)
from mlmesh.post_main import run
code = run(sys.argv[1:])
with os.fdopen(os.dup(2), "w") as told:
    told.write("\\nSEEN " + json.dumps(seen))
os._exit(code)
"""
TAGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  a: !!python/object/apply:os.system ["touch stolen"]
  b: !!python/object/new:subprocess.Popen [["touch", "stolen"]]
"""
COMMANDS = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  annotations:
    config.kubernetes.io/function: "exec: {path: ./touch-stolen}"
    mlmesh.dev/endpoint: "$(touch stolen)"
spec:
  selector: {matchLabels: {app: llm}}
  template:
    metadata: {labels: {app: llm, mlmesh.dev/role: "`touch stolen`"}}
    spec:
      containers:
        - name: server
          image: "http://127.0.0.1:1/image:$(touch stolen)"
          command: [sh, -c, "touch stolen; curl http://127.0.0.1:1/"]
"""
KUSTOMIZE = json.dumps(
    {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": [], "functionConfig": {}}
)


def seen(folder: Path, stream: str, *arguments: str) -> tuple[int, list[str]]:
    """The exit code of a run over the stream, and what it started, connected to or wrote."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", HOOKED, *arguments],
        cwd=folder, input=stream, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    told: list[str] = json.loads(done.stderr.rpartition("SEEN ")[2])
    return done.returncode, told


@pytest.mark.parametrize("helm4", [(), ("--called-by=helm4",)], ids=["helm3", "helm4"])
def test_a_hostile_stream_starts_nothing(tmp_path: Path, helm4: tuple[str, ...]) -> None:
    """YAML's tags, commands in any place, other tools' functions, and every rule's cases: nothing runs or connects."""
    broken = "".join(f"---\n{(CASES / code / 'bad.yaml').read_text()}" for code in sorted(CODES))
    for stream in (TAGS, COMMANDS, KUSTOMIZE, broken, f"{pod()}---\n{route()}---\n{policy()}"):
        _, told = seen(tmp_path, stream, *helm4)
        assert told == []
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_the_one_file_that_it_writes(tmp_path: Path) -> None:
    """And only where it was asked for: which shows that what is written is seen."""
    code, told = seen(tmp_path, f"{pod()}---\n{route()}", "--report", "report.txt")
    assert code == 0
    writes = [each for each in told if each.startswith("write ")]
    assert writes
    assert all("report.txt" in each for each in writes), told
    assert [path.name for path in tmp_path.iterdir()] == ["report.txt"]
