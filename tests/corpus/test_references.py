"""The graph on other projects' streams: what refers to what, and what leads nowhere."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from mlmesh.post_renderer import post_render
from tests.corpus.references import references

LISTED: dict[str, dict[str, list[Any]]] = yaml.safe_load((Path(__file__).parent / "references.yaml").read_text())


def test_every_reference_that_leads_nowhere_is_explained(corpus: Path) -> None:
    """Each stream's unresolved references are counted by kind and explained; all others are resolved."""
    unresolved: dict[str, dict[str, int]] = {}
    resolved: Counter[str] = Counter()
    named: dict[str, list[str]] = {}
    for path in sorted(corpus.glob("*.yaml")):
        release = post_render(path.read_bytes(), namespace="ml").graph
        counts: Counter[str] = Counter()
        for kind, name, found in references(release):
            if found:
                resolved[kind] += 1
            else:
                counts[kind] += 1
                named.setdefault(f"{path.stem}, {kind}", []).append(name)
        if counts:
            unresolved[path.stem] = dict(counts)
    assert unresolved == {
        stem: {kind: count for kind, (count, _) in kinds.items()} for stem, kinds in LISTED.items()
    }, named
    assert resolved["Service to pods"] > 440
    assert resolved["HTTPRoute on Gateway"] > 130
    assert resolved["VirtualService to host"] > 45
    assert resolved["InferencePool to pods"] >= 10


def test_every_verdict_has_a_reason() -> None:
    """A count without an explanation explains nothing."""
    reasons = [reason for kinds in LISTED.values() for _, reason in kinds.values()]
    assert all(isinstance(reason, str) and len(reason) > 10 for reason in reasons)


def test_every_pod_template_of_the_corpus_is_found(corpus: Path) -> None:
    """Nothing that has the shape of a pod template is missed, whatever kind it stands in, but in text and schemas."""
    from mlmesh.graph.kinds import WITHOUT_PODS
    from mlmesh.graph.pods import pod_templates

    missed = []
    found = 0
    kinds = set()
    for path in sorted(corpus.glob("*.yaml")):
        for document in manifests.read(path.read_bytes()).documents:
            for item in objects(document, document.data):
                pods = pod_templates(item)
                found += len(pods)
                kinds |= {(pod.owner.group, pod.owner.kind) for pod in pods}
                pointers = {pod.spec_pointer for pod in pods}
                if item.kind not in WITHOUT_PODS:
                    missed += [
                        f"{path.stem}: {item.title} {at}"
                        for at in _specs(item.data, item.pointer)
                        if at not in pointers
                    ]
    assert found > 2000
    assert len(kinds) > 40
    # A ServingRuntime's spec is bare; Spark's templates are under the driver's and the executor's own fields; the last
    # is a template without metadata in a kind without a row.
    kinds_missed = {line.split(": ")[1].split()[0] for line in missed}
    assert kinds_missed == {"ClusterServingRuntime", "ServingRuntime", "SparkApplication", "VLLMRuntime"}


def _specs(node: Any, pointer: str) -> list[str]:
    """Pointers of every map that has a list of containers and is called `spec`."""
    found = []
    if isinstance(node, dict):
        spec = node.get("spec")
        if isinstance(spec, dict) and isinstance(spec.get("containers"), list):
            found.append(f"{pointer}/spec")
        for key, below in node.items():
            found += _specs(below, f"{pointer}/{key}")
    elif isinstance(node, list):
        for index, below in enumerate(node):
            found += _specs(below, f"{pointer}/{index}")
    return found
