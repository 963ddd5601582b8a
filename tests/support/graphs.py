"""Releases as graphs, from a few objects."""

import json
from typing import Any

from mlmesh.graph.pods import PodTemplate, pod_templates
from mlmesh.graph.release import Release
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from mlmesh.post_renderer import post_render


def item(api_version: str, kind: str, name: str, spec: Any = None, namespace: str = "ml", **metadata: Any) -> str:
    """An object as JSON."""
    fields = {"name": name, "namespace": namespace, **metadata}
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": fields, "spec": spec or {}})


def graph(*items: str, context: tuple[str, ...] = (), policy: Any = None) -> Release:
    """The release that a stream of these objects is, in namespace ml."""
    policies = []
    if policy:
        body = {"apiVersion": "mlmesh.dev/v1alpha1", "kind": "MeshPolicy", "metadata": {"name": "p"}, "spec": policy}
        policies = [("p", json.dumps(body).encode())]
    files = [("c", text.encode()) for text in context]
    return post_render("\n---\n".join(items).encode(), policies, context=files, namespace="ml").graph


def pods_of(text: str) -> list[PodTemplate]:
    """The pod templates of one document."""
    (document,) = manifests.read(text.encode()).documents
    return [pod for found in objects(document, document.data) for pod in pod_templates(found)]
