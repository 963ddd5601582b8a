"""Anybody's chart that breaks an invariant does not install; with an allowance that says why, it does."""

from pathlib import Path

import pytest
import yaml

from tests.cluster.releases import Releases
from tests.support.rule_cases import CASES

CODES = ("MLM101", "MLM401", "MLM405", "MLM502", "MLM701")


def chart(folder: Path, text: str) -> Path:
    """A chart that renders `text` as it is."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: theirs\nversion: 0.1.0\n")
    (folder / "templates" / "all.yaml").write_text(text)
    return folder


def allowed(text: str, code: str) -> str:
    """The same objects, each with an allowance of the code."""
    items = [item for item in yaml.safe_load_all(text) if item]
    for item in items:
        item["metadata"].setdefault("annotations", {})[f"allow.mlmesh.dev/{code}"] = (
            "it is mended by hand in the cluster"
        )
    return "---\n".join(map(yaml.safe_dump, items))


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
@pytest.mark.parametrize("code", CODES)
def test_a_chart_that_breaks_a_rule_installs_only_with_a_reason(
    releases: Releases, helm: str, code: str, tmp_path: Path
) -> None:
    """Refused by Helm with the finding in its own error, and nothing made; with a reason on the object it installs."""
    text = (CASES / code / "bad.yaml").read_text()
    install = "install theirs {} --post-renderer mlmesh-post --namespace theirs --create-namespace"
    said = releases.refused(helm, install.format(chart(tmp_path / "bad", text)))
    assert f"ERROR {code} " in said, said
    assert "remedy:" in said
    assert releases.revisions("theirs", "theirs") == []
    releases.ok(helm, install.format(chart(tmp_path / "allowed", allowed(text, code))))
    assert releases.revisions("theirs", "theirs") == [(1, "deployed")]
