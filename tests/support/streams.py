"""Streams for the post-renderer's tests, and the post-renderer as its users have it: a process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from mlmesh.post_renderer import Result, post_render

BIN = Path(sys.executable).parent


def rendered(text: str, *policies: str, namespace: str = "") -> Result:
    """The stream post-rendered in this process, with policy texts laid over it."""
    files = [(f"policy-{number}.yaml", policy.encode()) for number, policy in enumerate(policies)]
    return post_render(text.encode(), files, namespace=namespace)


def documents(result: Result) -> list[dict[str, Any]]:
    """The objects of a result, as a strict YAML reader has them."""
    return [item for item in yaml.safe_load_all(b"".join(result.output)) if item is not None]


def codes(result: Result) -> list[tuple[str, str]]:
    """(code, severity) of every finding."""
    return [(finding.code, finding.severity) for finding in result.findings]


def run(
    *arguments: str, stdin: bytes | str = b"", command: str = "mlmesh-post", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The installed command as a process; the user's MLMESH_ variables are not passed on."""
    base = {name: value for name, value in os.environ.items() if not name.startswith("MLMESH_")}
    return subprocess.run(
        [str(BIN / command), *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        env={**base, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )


def policy(**spec: Any) -> str:
    """A MeshPolicy with this spec."""
    return json.dumps(
        {"apiVersion": "mlmesh.dev/v1alpha1", "kind": "MeshPolicy", "metadata": {"name": "p"}, "spec": spec}
    )


def pod(kind: str = "Deployment", role: str = "inference", name: str = "llm", **annotations: str) -> str:
    """A workload whose pod template names its role by label; `annotations` go onto the template, `_` for `/`."""
    template: dict[str, Any] = {
        "metadata": {"labels": {"app": name, "mlmesh.dev/role": role}, "annotations": annotations},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    api_version, spec = {
        "Pod": ("v1", None),
        "Job": ("batch/v1", {"template": template}),
        "CronJob": ("batch/v1", {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}),
    }.get(kind, ("apps/v1", {"selector": {"matchLabels": {"app": name}}, "template": template}))
    item = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "ml"}}
    if spec is None:
        item["metadata"] = {**template["metadata"], "name": name, "namespace": "ml"}
        spec = template["spec"]
    return yaml.safe_dump({**item, "spec": spec}, sort_keys=False)


def route(path: str = "/v1/chat/completions") -> str:
    """A VirtualService with one rule, for a path's prefix, that has neither timeout nor retries."""
    return f"""\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: llm, namespace: ml}}
spec:
  hosts: [llm]
  http:
  - match: [{{uri: {{prefix: {path}}}}}]
    route: [{{destination: {{host: llm}}}}]
"""
