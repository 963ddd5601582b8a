"""The way of docs/adopting.md from values/adopt.yaml to a strict mesh, walked with Helm in an API server."""

import json
from pathlib import Path

import pytest

from tests.cluster.releases import INSTALL, Releases
from tests.support import adoption

NAMESPACE = "--namespace ml-mesh --create-namespace"
SOFT = "Still soft"


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_every_step_is_an_upgrade(releases: Releases, helm: str, tmp_path: Path) -> None:
    """Into namespaces that others made, the overlay installs and each step upgrades; the notes tell what is soft."""
    for name in ("ml-serving", "ml-training"):
        releases.cluster.kubectl("create", "namespace", name)
    files = ""
    said = ""
    for index, values in enumerate([adoption.platform(), *(step.values for step in adoption.steps())]):
        file = tmp_path / f"{index}.json"
        file.write_text(json.dumps(values))
        files += f" --values {file}"
        command = INSTALL if not index else "upgrade ml-mesh chart/ --post-renderer mlmesh-post"
        before, said = said, releases.ok(helm, f"{command} {NAMESPACE} {files}")
        if not index:
            assert "plaintext is let in in ml-serving (mtls.ml-mtls.mode: PERMISSIVE)" in said
            assert "policies in ml-serving refuse nobody" in said
            assert "policies in ml-training refuse nobody" in said
        assert said.count("\n") <= (before or said).count("\n"), "a step has made something soft"
    assert SOFT not in said
    assert releases.revisions(namespace="ml-mesh")[-1] == (len(adoption.steps()) + 1, "deployed")
    assert "NetworkPolicy ml-serving/inference-service" in releases.names()
    releases.ok(helm, "uninstall ml-mesh --namespace ml-mesh --wait")
    # They were never the release's.
    assert releases.cluster.get("namespace", "ml-serving") is not None
