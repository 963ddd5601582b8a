"""The post-renderer on this chart's own release, with every overlay, as each Helm hands it over."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.support.dialects import handed_over
from tests.support.streams import rendered

OVERLAYS = ["", *sorted(path.name for path in (ROOT / "values").glob("*.yaml"))]
HELMS = ["helm3", "helm4"]


def stream(helm: Helm, folder: Path, overlay: str) -> str:
    values = ["--values", f"values/{overlay}"] if overlay else []
    return handed_over(helm, folder, "ml-mesh", "chart/", "--namespace", "ml-mesh", *values)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", HELMS)
def test_a_second_run_gives_the_same_bytes(
    helm: Callable[[str], Helm], tmp_path: Path, name: str, overlay: str
) -> None:
    """post(post(x)) is post(x) for every overlay, in the text of either Helm."""
    once = b"".join(rendered(stream(helm(name), tmp_path, overlay)).output)
    result = rendered(once.decode())
    assert not result.patches
    assert b"".join(result.output) == once


def test_only_what_the_plan_names_has_changed(helm: Callable[[str], Helm], tmp_path: Path) -> None:
    """The demo's policy, nine workloads, the routes of LLM and gRPC change, and no other byte of the stream."""
    text = stream(helm("helm3"), tmp_path, "demo.yaml")
    result = rendered(text)
    assert sorted((patch.kind, patch.role) for patch in result.patches) == [
        ("CronJob", "pipeline"),
        ("DaemonSet", "monitoring"),
        *[("Deployment", "inference")] * 4,
        ("Deployment", "model-registry"),
        ("HTTPRoute", ""),
        ("Job", "training"),
        ("MeshPolicy", ""),
        ("StatefulSet", "feature-store"),
        *[("VirtualService", "")] * 2,
    ]
    changed = {patch.document for patch in result.patches}
    before = [part for index, part in enumerate(text.split("\n---\n")) if index not in changed]
    after = [
        part for index, part in enumerate(b"".join(result.output).decode().split("\n---\n")) if index not in changed
    ]
    assert before == after
