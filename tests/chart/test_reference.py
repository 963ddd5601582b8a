"""The default values render the reference design, field by field."""

from collections.abc import Callable

import pytest

from dev.helm import Helm
from tests.chart.charts import Render, documents, find, key
from tests.chart.reference import DERIVED, REFERENCE, SIDECARS, Field, value_at


@pytest.mark.parametrize("field", REFERENCE, ids=lambda field: f"{field.section}-{field.kind}-{field.name}{field.path}")
def test_default_values_render_the_field(render: Render, field: Field) -> None:
    """The object stands under its name in its namespace with the API version of today, and the field has its value."""
    document = find(render(), field.kind, field.name, field.namespace)
    assert document["apiVersion"] == field.api_version
    assert value_at(document, field.path) == field.value


def test_nothing_else_is_rendered(render: Render) -> None:
    """Besides the reference design's there is the MeshPolicy, and what `helm test` makes; no object comes twice."""
    hooks = [document for document in render() if "helm.sh/hook" in document["metadata"].get("annotations", {})]
    assert {document["metadata"]["annotations"]["helm.sh/hook"] for document in hooks} == {"test"}
    rendered = [key(document) for document in render() if document not in hooks]
    expected = {(field.kind, field.namespace, field.name) for field in REFERENCE}
    assert set(rendered) == expected | {("MeshPolicy", "ml-mesh", "ml-mesh-mesh-policy")}
    assert len(rendered) == len(set(rendered))


@pytest.mark.parametrize("path", [field.path for field in DERIVED])
def test_derived_fields_are_left_to_the_post_renderer(render: Render, path: str) -> None:
    """Rules of llm-timeouts come without timeout and retries, else nothing would be derived into them."""
    with pytest.raises(KeyError):
        value_at(find(render(), "VirtualService", "llm-timeouts"), path)


@pytest.mark.parametrize("field", SIDECARS, ids=lambda field: field.path.rpartition("~1")[2])
def test_sidecar_annotations_are_left_to_the_post_renderer(render: Render, field: Field) -> None:
    """The demo's inference pods come without sidecar annotations, and with the role that gets them."""
    document = find(render("-f", "values/demo.yaml"), field.kind, field.name)
    assert value_at(document, "/spec/template/metadata/labels/mlmesh.dev~1role") == "inference"
    with pytest.raises(KeyError):
        value_at(document, field.path)


@pytest.mark.parametrize(("oldest", "newest"), [("helm3-min", "helm3"), ("helm4-min", "helm4")])
@pytest.mark.parametrize("file", ["values/demo.yaml", "tests/chart/full.yaml"])
def test_oldest_helm_renders_the_same(helm: Callable[[str], Helm], oldest: str, newest: str, file: str) -> None:
    """The oldest supported Helm of each line renders what the newest does."""
    old, new = (
        helm(name).run("template", "ml-mesh", "chart", "--namespace", "ml-mesh", "-f", file)
        for name in (oldest, newest)
    )
    assert old.returncode == 0, old.stderr
    assert documents(old.stdout) == documents(new.stdout)
