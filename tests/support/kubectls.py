"""kubectl as a test wants it: one that only answers, and the real one with its calls written down."""

import json
import sys
from pathlib import Path

CONFIG = {
    "current-context": "prod",
    "contexts": [{"name": "prod", "context": {"cluster": "c", "namespace": "ml"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443"}}],
}
KINDS = """\
namespaces   ns    v1                              false   Namespace
services     svc   v1                              true    Service
deployments  deploy apps/v1                        true    Deployment
jobs               batch/v1                        true    Job
virtualservices vs networking.istio.io/v1          true    VirtualService
secrets            v1                              true    Secret
"""
SCRIPT = """\
#!{python}
import json, sys
words = " ".join(sys.argv[1:])
with open({log!r}, "a") as log:
    log.write(words + "\\n")
for needle, code, out, err in json.loads({answers!r}):
    if needle in words:
        sys.stdout.write(out)
        sys.stderr.write(err)
        sys.exit(code)
sys.exit("unexpected: " + words)
"""


def fake(folder: Path, *answers: tuple[str, int, str, str], items: object = ()) -> Path:
    """A kubectl that gives the first answer whose needle is in its arguments: (needle, exit code, output, error).

    After those a cluster that knows KINDS and holds `items`, without Istio's control plane.
    """
    rest = [
        ("config view", 0, json.dumps(CONFIG), ""),
        ("api-resources", 0, KINDS, ""),
        ("--selector=", 0, json.dumps({"items": []}), ""),
        ("get ", 0, json.dumps({"items": items}), ""),
    ]
    return _script(
        folder, SCRIPT.format(python=sys.executable, log=str(folder / "calls"), answers=json.dumps([*answers, *rest]))
    )


def noted(folder: Path, kubectl: str) -> Path:
    """The real kubectl, whose arguments are written to the folder's file `calls` first."""
    return _script(folder, f'#!/bin/sh\necho "$@" >>{folder}/calls\nexec {kubectl} "$@"\n')


def calls(folder: Path) -> list[str]:
    """The arguments of each call."""
    return (folder / "calls").read_text().splitlines()


def _script(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "kubectl"
    program.write_text(text)
    program.chmod(0o755)
    return program


def item(kind: str, name: str, namespace: str = "ml", api_version: str = "v1", **fields: object) -> dict[str, object]:
    """An object as an API server gives it; `metadata` adds to its own."""
    extra = fields.pop("metadata", {})
    assert isinstance(extra, dict)
    metadata = {"name": name, "uid": "1", **({"namespace": namespace} if namespace else {}), **extra}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
