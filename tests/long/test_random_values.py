"""Values that should not be, of every option: refused in the chart's own words, or rendered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.chart_values import defaults
from dev.helm import Helm
from dev.toolchain import ROOT
from mlmesh.model.errors import InputError
from tests.chart.charts import documents
from tests.chart.conftest import laid_over
from tests.chart.random_values import STAND_INS, drawn, in_file, places, rendered_or_refused, replaced, varied
from tests.support.clusters import TestCluster
from tests.support.streams import rendered

DRAWN = 2000
VARIED = 300
# A kind whose CRD is not in the cluster, and one that needs its ServiceAccount to be there: the pod of `helm test`.
LEFT_OUT = {"PodMonitor", "Pod"}


@pytest.fixture(scope="module")
def full() -> dict[str, Any]:
    """The default values with every option set."""
    values: dict[str, Any] = laid_over(defaults(), yaml.safe_load((ROOT / "tests/chart/full.yaml").read_text()))
    return values


@pytest.mark.parametrize("stand_in", STAND_INS, ids=repr)
def test_every_value_replaced(
    helm: Callable[[str], Helm], full: dict[str, Any], tmp_path: Path, stand_in: object
) -> None:
    """One at a time, at every path."""
    for path in places(full):
        values = replaced(full, path, stand_in)
        _, wrong = rendered_or_refused(helm("helm4"), in_file(values, tmp_path / "values.json"))
        assert not wrong, f"{'.'.join(path)}: {wrong}"


def test_several_replaced(helm: Callable[[str], Helm], full: dict[str, Any], tmp_path: Path) -> None:
    """Up to four at a time, drawn at random."""
    for seed in range(DRAWN):
        text, wrong = rendered_or_refused(helm("helm3"), in_file(drawn(full, seed), tmp_path / "values.json"))
        assert not wrong, f"seed {seed}: {wrong}"
        assert not text or documents(text)


def post_rendered(text: str) -> tuple[str, str]:
    """What the post-renderer makes of a release, or why it refuses it: objectives may contradict each other."""
    try:
        return b"".join(rendered(text).output).decode(), ""
    except InputError as error:
        return "", str(error)


def test_what_the_schema_takes_the_server_takes(
    helm: Callable[[str], Helm], cluster: TestCluster, full: dict[str, Any], tmp_path: Path
) -> None:
    """Other values of the right kind: chart or post-renderer refuse them, or a real API server takes every field."""
    schema = json.loads((ROOT / "chart" / "values.schema.json").read_text())
    taken = refused = 0
    for seed in range(VARIED):
        text, wrong = rendered_or_refused(helm("helm4"), in_file(varied(full, schema, seed), tmp_path / "values.json"))
        assert not wrong, f"seed {seed}: {wrong}"
        if not text:
            refused += 1
            continue
        output, refusal = post_rendered(text)
        if refusal:
            assert "MeshPolicy" in refusal, f"seed {seed}: {refusal}"
            refused += 1
            continue
        items = [each for each in documents(output) if each["kind"] not in LEFT_OUT]
        spaces = {each["metadata"].get("namespace") or "ml-mesh" for each in items if each["kind"] != "Namespace"}
        for space in spaces:
            if cluster.get("namespace", space) is None:
                cluster.kubectl("create", "namespace", space)
        arguments = ("apply", "--server-side", "--dry-run=server", "--force-conflicts", "--validate=strict", "-f", "-")
        done = cluster.kubectl(*arguments, stdin=yaml.safe_dump_all(items))
        assert done.returncode == 0, f"seed {seed}: {done.stderr}"
        taken += 1
    assert min(taken, refused) > VARIED // 20
