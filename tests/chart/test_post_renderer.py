"""What the chart renders and what the post-renderer makes of it fit together, with every overlay."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dev.toolchain import ROOT
from tests.chart.charts import documents, find
from tests.chart.reference import DERIVED, REFERENCE, SIDECARS, Field, value_at
from tests.support.streams import rendered

OVERLAYS = sorted(f"values/{path.name}" for path in (ROOT / "values").glob("*.yaml"))
Stream = Callable[..., str]


def _severities(text: str) -> set[str]:
    return {finding.severity for finding in rendered(text).findings}


def _completed(text: str) -> str:
    return b"".join(rendered(text).output).decode()


@pytest.mark.parametrize("field", [*REFERENCE, *DERIVED], ids=lambda field: f"{field.section}-{field.name}{field.path}")
def test_completed_release_has_the_field(stream: Stream, field: Field) -> None:
    """After the post-renderer every field of the reference design is there, those that are derived included."""
    document = find(documents(_completed(stream())), field.kind, field.name, field.namespace)
    assert value_at(document, field.path) == field.value


@pytest.mark.parametrize("field", SIDECARS, ids=lambda field: field.path.rpartition("~1")[2])
def test_demo_has_the_sidecar_sizes(stream: Stream, field: Field) -> None:
    """The demo's inference pods get the four sizes of the reference design."""
    document = find(documents(_completed(stream("-f", "values/demo.yaml"))), field.kind, field.name, field.namespace)
    assert value_at(document, field.path) == field.value


def test_demo_has_what_each_role_gets(stream: Stream) -> None:
    """Beside the sizes, the pods of every component get exactly what sidecars.yaml lists."""
    expected = yaml.safe_load((Path(__file__).parent / "sidecars.yaml").read_text())
    found = {}
    for document in documents(_completed(stream("-f", "values/demo.yaml"))):
        spec = document.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            annotations = template["metadata"]["annotations"]
            sizes = [key for key in annotations if key.startswith("sidecar.istio.io/proxy")]
            assert len(sizes) == 4
            name = next(name for name in expected if document["metadata"]["name"].startswith(name))
            found[name] = {key: value for key, value in annotations.items() if key not in sizes}
    assert found == expected


def test_findings_are_those_explained(stream: Stream) -> None:
    """The default values cause no error, and exactly the findings that findings.yaml explains."""
    explained = yaml.safe_load((Path(__file__).parent / "findings.yaml").read_text())
    assert all(entry.pop("why") for entry in explained)
    assert explained == [
        {
            "code": finding.code,
            "severity": finding.severity,
            "object": f"{finding.kind} {finding.namespace}/{finding.name}",
            "pointer": finding.pointer,
        }
        for finding in rendered(stream()).findings
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_have_no_errors(stream: Stream, overlay: str) -> None:
    """No overlay causes an error; laid over any of them, recommended.yaml leaves no warning either."""
    assert _severities(stream("-f", overlay)) <= {"warning", "info"}
    assert _severities(stream("-f", overlay, "-f", "values/recommended.yaml")) <= {"info"}


@pytest.mark.parametrize("overlay", [*OVERLAYS, "tests/chart/full.yaml"])
def test_post_rendering_twice_is_post_rendering_once(stream: Stream, overlay: str) -> None:
    """The post-renderer's own output passes through it unchanged."""
    once = _completed(stream("-f", overlay))
    assert _completed(once) == once


@pytest.mark.parametrize("overlay", [*OVERLAYS, "tests/chart/full.yaml"])
def test_the_charts_config_map_holds_what_the_post_renderers_does(stream: Stream, overlay: str) -> None:
    """With postRenderer.required=false the policy's ConfigMap says what the post-renderer's would."""
    theirs, ours = (
        yaml.safe_load(find(documents(text), "ConfigMap", "ml-mesh-mesh-policy", "ml-mesh")["data"]["policy.json"])
        for text in (
            _completed(stream("-f", overlay)),
            stream("-f", overlay, "--set", "postRenderer.required=false"),
        )
    )
    assert ours == theirs
