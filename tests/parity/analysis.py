"""What the real `istioctl analyze` says: of files alone, and of a cluster that holds what is in them."""

import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.support.clusters import TestCluster

_PROCESSES = 2
_READY_SECONDS = 60


class Message(NamedTuple):
    """One message, and the object that it is about; without a namespace where that has none."""

    code: str
    level: str
    kind: str
    namespace: str
    name: str
    text: str


def analyze(istioctl: str, *files: Path, kubeconfig: Path | None = None) -> set[Message]:
    """What istioctl says of files alone, or else of the cluster of `kubeconfig`, in all namespaces."""
    base = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "ISTIO"))}
    source = ["--use-kube=false", *map(str, files)] if kubeconfig is None else ["--kubeconfig", str(kubeconfig)]
    done = subprocess.run(
        [istioctl, "analyze", "--all-namespaces", "--output", "json", *source],
        env=base,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "[" in done.stdout, done.stderr
    lines = done.stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("["))  # behind what it logs
    return set(map(_message, json.loads("\n".join(lines[start:]))))


def analyze_each(istioctl: str, files: Iterable[Path]) -> Iterator[tuple[Path, set[Message]]]:
    """Each file with what istioctl says of it alone."""
    files = list(files)
    with ThreadPoolExecutor(_PROCESSES) as pool:
        yield from zip(files, pool.map(lambda file: analyze(istioctl, file), files), strict=True)


def apply(cluster: TestCluster, files: Iterable[Path]) -> None:
    """Store the objects of files; those of a pod once its namespace has its ServiceAccount."""
    items = [item for file in files for item in yaml.safe_load_all(file.read_text())]
    namespaces = [item for item in items if item["kind"] == "Namespace"]
    deadline = time.monotonic() + _READY_SECONDS
    for part in (namespaces, [item for item in items if item["kind"] != "Namespace"]):
        text = yaml.safe_dump_all(part)
        done = cluster.kubectl("apply", "--server-side", "-f", "-", stdin=text)
        while done.returncode and "serviceaccount" in done.stderr and time.monotonic() < deadline:
            time.sleep(0.3)
            done = cluster.kubectl("apply", "--server-side", "-f", "-", stdin=text)
        assert done.returncode == 0, done.stderr


def objects(file: Path) -> set[tuple[str, str, str]]:
    """The kind, namespace and name of each object of a file."""
    named = ((item["kind"], item["metadata"]) for item in yaml.safe_load_all(file.read_text()) if item)
    return {(kind, metadata.get("namespace", ""), metadata["name"]) for kind, metadata in named}


def _message(said: dict[str, Any]) -> Message:
    kind, _, full = said["origin"].partition(" ")
    namespace, _, name = full.rpartition("/")
    return Message(said["code"], said["level"], kind, namespace, name, said["message"])
