"""`mlmesh check` as a process, releases to check, and what it found."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema

from dev.toolchain import ROOT
from mlmesh.model.findings import Finding
from tests.support.rule_cases import CASES
from tests.support.streams import run

WARNS = (CASES / "MLM203" / "bad.yaml").read_text()
BAD = (CASES / "MLM701" / "bad.yaml").read_text().split("---\n", 1)[1]  # WARNS has the Namespace
LISTENER = "  listeners: [{name: http, port: 80, protocol: GRPC}]"
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "findings.schema.json").read_text())


def check(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The installed command; the user's MLMESH_ variables are not passed on."""
    return run("check", *arguments, stdin=stdin, command="mlmesh", **environment)


def found(done: subprocess.CompletedProcess[bytes]) -> list[tuple[str, str, int]]:
    """(code, file, line) of each finding of a report in JSON, which must be as its schema says."""
    shape = json.loads(done.stdout)
    jsonschema.validate(shape, SCHEMA)
    return [(each["code"], each["file"], each["line"]) for each in shape["findings"]]


def line_of(text: str, part: str) -> int:
    """The number, from 1, of the first line that holds the part."""
    return next(number for number, line in enumerate(text.split("\n"), 1) if part in line)


def write_folder(folder: Path) -> Path:
    """Two files below a folder, one of them without a line break at its end, and one that holds no manifest."""
    (folder / "deep").mkdir()
    (folder / "a.yaml").write_text(WARNS.rstrip("\n"))
    (folder / "deep" / "b.yml").write_text("# comment\n" + BAD)
    (folder / "README.md").write_text("kind: Gateway\n")
    return folder


def finding(**changes: Any) -> Finding:
    """A finding as a rule gives it."""
    file = changes.pop("file", "")
    plain: dict[str, Any] = {
        "code": "MLM701",
        "rule": "listener-protocol-unknown",
        "severity": "error",
        "confidence": "object",
        "message": "listener grpc has protocol GRPC",
        "remedy": "protocol HTTP",
        "api_version": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "namespace": "ml",
        "name": "gw",
        "document": 3,
        "line": 40,
        "pointer": "/spec/listeners/0/protocol",
        "source": "",
        "fingerprint": "MLM701-0",
    }
    made = Finding(**{**plain, **changes})
    if file:
        made.put_in(file, 31)
    return made
