"""The real kustomize over a stream of manifests: what it makes of it alone, and under a kustomization."""

import json
import subprocess
from pathlib import Path
from typing import Any

from dev.toolchain import tool
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects

Key = tuple[str, str, str, str]
ALONE = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
RESOURCES = "resources: [manifests.yaml]\n"


def build(folder: Path, stream: str | bytes, kustomization: str = ALONE) -> subprocess.CompletedProcess[str]:
    """`kustomize build` of the kustomization, with the stream as its resources; a failure is the caller's to judge."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifests.yaml").write_bytes(stream.encode() if isinstance(stream, str) else stream)
    (folder / "kustomization.yaml").write_text(kustomization + RESOURCES)
    return subprocess.run(
        [str(tool("kustomize")), "build", str(folder)], capture_output=True, text=True, check=False, timeout=300
    )


def by_key(stream: str | bytes) -> dict[Key, Any]:
    """Every object of a stream by apiVersion, kind, namespace and name, in Go's reading; the items of Lists, too."""
    found: dict[Key, Any] = {}
    for document in manifests.read(stream.encode() if isinstance(stream, str) else stream).documents:
        for item in objects(document, document.data):
            key = (item.api_version, item.kind, item.namespace, item.name)
            assert key not in found, key
            found[key] = item.data
    return found


def typed(found: dict[Key, Any]) -> dict[Key, str]:
    """The objects so that 1, 1.0 and true are three values."""
    return {key: json.dumps(item, sort_keys=True) for key, item in found.items()}
