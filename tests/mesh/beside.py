"""A release of the chart with values of one's own, in namespaces of its own beside the release that runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from dev.mesh.lab import Mesh
from mlmesh.post_renderer import post_render


def rendered(mesh: Mesh, own: dict[str, Any], release: str) -> list[dict[str, Any]]:
    """What the chart gives with values of one's own, after the post-renderer; an error of it is none that may be."""
    file = Path(mesh.home) / f"{release}.json"
    file.write_text(json.dumps(own))
    done = mesh.helm.run("template", release, "chart/", "--skip-tests", "--namespace", release, "--values", str(file))
    assert done.returncode == 0, done.stderr
    result = post_render(done.stdout.encode(), [])
    assert [each.message for each in result.findings if each.severity == "error"] == []
    return [each for each in yaml.safe_load_all(b"".join(result.output)) if each]


@contextmanager
def beside(mesh: Mesh, own: dict[str, Any], release: str, *first: dict[str, Any]) -> Iterator[None]:
    """The chart with values of one's own beside the release that runs, `first` in its namespaces; then gone again.

    `release` is the name, and one of the namespaces that it makes.
    """
    objects = rendered(mesh, own, release)
    spaces = [each for each in objects if each["kind"] == "Namespace"]
    mesh.apply(yaml.safe_dump_all([*spaces, *first]))
    try:
        mesh.apply(yaml.safe_dump_all([each for each in objects if each["kind"] != "Namespace"]))
        mesh.wait_for_pods()
        yield
    finally:
        names = [each["metadata"]["name"] for each in spaces]
        mesh.cluster.kubectl("delete", "namespace", *names, "--wait=false")
