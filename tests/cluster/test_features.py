"""What the chart can do, row by row of docs/features.md: its values render it, and all who judge take it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.features import FEATURES, Feature
from dev.helm import Helm
from tests.chart.charts import documents
from tests.cluster.releases import Releases
from tests.parity.analysis import analyze
from tests.support.clusters import TestCluster
from tests.support.streams import rendered as post_rendered

# Kinds that come with other projects' operators; the schema of each is asked by the test of kubeconform.
FOREIGN = {"PodMonitor"}
VALUES = sorted({feature.values for feature in FEATURES})


@pytest.fixture(scope="module")
def rendered(helm: Callable[[str], Helm]) -> dict[tuple[str, ...], str]:
    """The release of each row's values, as the post-renderer passes it on. It passes none on that has an error."""
    streams = {}
    for values in VALUES:
        arguments = ["--skip-tests", *(word for file in values for word in ("--values", file))]
        done = helm("helm4").run("template", "ml-mesh", "chart", "--namespace", "ml-mesh", *arguments)
        assert done.returncode == 0, done.stderr
        result = post_rendered(done.stdout)
        errors = [f"{each.code} {each.name}: {each.message}" for each in result.findings if each.severity == "error"]
        assert not errors, (values, errors)
        streams[values] = b"".join(result.output).decode()
    return streams


def _key(item: dict[str, Any]) -> str:
    return f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


@pytest.mark.parametrize("feature", FEATURES, ids=lambda each: each.name)
def test_the_values_of_a_row_render_what_it_names(feature: Feature, rendered: dict[tuple[str, ...], str]) -> None:
    """Each object that the row names is there, and holds the words that the row names of it."""
    found = {_key(item): yaml.safe_dump(item) for item in documents(rendered[feature.values])}
    for name, words in feature.objects.items():
        assert name in found, sorted(found)
        assert not [word for word in words if word not in found[name]], found[name]


@pytest.mark.parametrize("values", VALUES, ids=lambda values: "+".join(values) or "defaults")
def test_a_real_api_server_takes_every_field(
    releases: Releases, rendered: dict[tuple[str, ...], str], values: tuple[str, ...]
) -> None:
    """With strict validation nothing is unknown to the server, and the CRDs' own rules hold."""
    items = [item for item in documents(rendered[values]) if item["kind"] not in FOREIGN]
    needed = {item["metadata"].get("namespace") or "ml-mesh" for item in items if item["kind"] != "Namespace"}
    for namespace in needed | {item["metadata"]["name"] for item in items if item["kind"] == "Namespace"}:
        if releases.cluster.get("namespace", namespace) is None:
            releases.cluster.kubectl("create", "namespace", namespace)
    _taken(releases.cluster, items)


def _taken(cluster: TestCluster, items: list[dict[str, Any]]) -> None:
    arguments = ("apply", "--server-side", "--dry-run=server", "--force-conflicts", "--validate=strict", "-f", "-")
    done = cluster.kubectl(*arguments, stdin=yaml.safe_dump_all(items))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("values", VALUES, ids=lambda values: "+".join(values) or "defaults")
def test_istioctl_has_no_error_of_it(
    tool: Callable[[str], str], rendered: dict[tuple[str, ...], str], values: tuple[str, ...], tmp_path: Path
) -> None:
    """`istioctl analyze` of the release as it leaves the post-renderer."""
    file = tmp_path / "release.yaml"
    file.write_text(rendered[values])
    told = analyze(tool("istioctl"), file)
    assert not [message for message in told if message.level == "Error"]
