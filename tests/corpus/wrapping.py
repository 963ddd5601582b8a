"""Other projects' streams as charts: what each Helm makes of them without, and with, a post-renderer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dev.helm import Helm
from mlmesh.graph.pods import pod_templates
from mlmesh.graph.release import is_read
from mlmesh.invariants.registry import rules
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from tests.support.dialects import COPY

FILE_NAME = "postrenderer.helm.sh/postrender-filename"


def chart_of(text: str, folder: Path) -> Path:
    """A chart whose one template is the stream, as it is."""
    (folder / "templates").mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: wrapped\nversion: 1.0.0\n")
    (folder / "files" / "stream.yaml").write_bytes(text.encode())
    (folder / "templates" / "all.yaml").write_text('{{ .Files.Get "files/stream.yaml" }}\n')
    return folder


def policy_for(text: str) -> str:
    """A policy that finds every labelled pod of a stream: one component for each first label, all of one role."""
    stream = manifests.read(text.encode())
    found = (
        pod
        for document in stream.documents
        if is_read(document)
        for item in objects(document, document.data)
        for pod in pod_templates(item)
    )
    selectors = {tuple(next(iter(pod.labels.items()))) for pod in found if pod.labels}
    components = {
        f"c{number}": {"role": "training", "selector": {key: value}}
        for number, (key, value) in enumerate(sorted(selectors))
        if isinstance(value, str)
    }
    spec = {
        "components": components,
        # One stream, of Istio's injector tests, has a list of ports that the injector must refuse: nobody looks at it.
        "sidecars": {"training": {"excludePorts": None}},
        "invariants": {"severity": {rule.code: "warning" for rule in rules() if rule.severity == "error"}},
    }
    return json.dumps(
        {"apiVersion": "mlmesh.dev/v1alpha1", "kind": "MeshPolicy", "metadata": {"name": "p"}, "spec": spec}
    )


def rendered(helm: Helm, chart: Path, renderer: str = "", policy: Path | None = None) -> tuple[str, str]:
    """`helm template` of the chart: (what it prints, its error); through `copy`, or `mlmesh-post` with a policy."""
    arguments = ["template", "rel", str(chart), "--namespace", "ml"]
    taken = chart / f"taken-{helm.name}.yaml"
    if renderer == "copy" and helm.has_plugins:
        plugin = Path(helm.environment["HELM_DATA_HOME"]) / "plugins" / "copy"
        plugin.mkdir(parents=True, exist_ok=True)
        (chart / "plugin.yaml").write_text(COPY)
        (chart / "plugin.yaml").replace(plugin / "plugin.yaml")  # at once: another thread's Helm may be reading it
        arguments += ["--post-renderer", "copy"]
    elif renderer == "copy":
        arguments += ["--post-renderer", "tee", "--post-renderer-args", str(taken)]
    elif renderer:
        arguments += ["--post-renderer", renderer]
    environment = {"COPY_TO": str(taken), "MLMESH_POLICY": str(policy) if policy else ""}
    done = helm.run(*arguments, env=environment)
    return done.stdout, done.stderr if done.returncode else ""


def key(item: dict[str, Any]) -> tuple[str, str, str, str]:
    """apiVersion, kind, namespace and name of an object."""
    metadata = item.get("metadata") or {}
    return (
        str(item.get("apiVersion")),
        str(item.get("kind")),
        str(metadata.get("namespace", "")),
        str(metadata.get("name") or metadata.get("generateName", "")),
    )


def with_annotations(item: dict[str, Any]) -> dict[str, Any]:
    """The object with the map that Helm 4's file name annotation made, and whose removal left nothing of it."""
    copy: dict[str, Any] = json.loads(json.dumps(item))
    metadata = copy.setdefault("metadata", {})
    if metadata.get("annotations") is None:
        metadata["annotations"] = {}
    return copy


def comparable(items: list[Any]) -> list[str]:
    """The objects in an order of their own: Helm sorts anew behind a renderer."""
    return sorted(json.dumps(item, sort_keys=True) for item in items)


def _opened(item: Any) -> list[Any]:
    return item["items"] if isinstance(item, dict) and item.get("kind") == "List" and "items" in item else [item]


def _without_file_name(item: Any) -> list[Any]:
    copy = json.loads(json.dumps(item))
    metadata = copy.get("metadata") if isinstance(copy, dict) else None
    if isinstance(metadata, dict) and "annotations" in metadata:
        annotations = metadata["annotations"] or {}
        annotations.pop(FILE_NAME, None)
        if not annotations:
            del metadata["annotations"]
    return [copy]


def _without_blanks(item: Any) -> list[Any]:
    return ["".join(json.dumps(item, sort_keys=True).replace("\\n", "").split())]


def _empty_for_null(item: Any) -> list[Any]:
    return [item.replace(":null", ':""') if isinstance(item, str) else item]


# What Helm itself changes around any renderer, by name in helms_own.yaml, and how two outputs are made alike in it.
NORMAL: dict[str, Callable[[Any], list[Any]]] = {
    "lists": _opened,
    "annotations": _without_file_name,
    "line-breaks": _without_blanks,
    "bare-keys": _empty_for_null,
}
