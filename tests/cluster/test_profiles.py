"""A profile through a release's life: what an upgrade keeps, and what it does not."""

import pytest

from tests.cluster.releases import INSTALL, Releases

UPGRADE = "upgrade ml-mesh chart/ --post-renderer mlmesh-post"


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_upgrades_that_reuse_values(releases: Releases, helm: str) -> None:
    """With --reuse-values the profile and what the user wrote under it stay, and another profile can take its place."""

    def mode(namespace: str) -> str | None:
        rule = releases.cluster.get("peerauthentications.security.istio.io", "ml-mtls", namespace)
        return str(rule["spec"]["mtls"]["mode"]) if rule else None

    releases.ok(helm, f"{INSTALL} --set profile=dev")
    assert mode("ml-serving") == "PERMISSIVE"
    releases.ok(helm, f"{UPGRADE} --reuse-values --set mtls.ml-mtls.mode=STRICT")
    assert mode("ml-serving") == "STRICT"
    releases.ok(helm, f"{UPGRADE} --reuse-values --set scopes.enabled=true")
    assert mode("ml-serving") == "STRICT"
    releases.ok(helm, f"{UPGRADE} --reset-then-reuse-values --set profile=prod")
    assert (mode("ml-serving"), mode("ml-training")) == ("STRICT", "STRICT")
    releases.ok(helm, f"{UPGRADE} --reuse-values --set mtls.ml-mtls.namespaces.training=false")
    assert (mode("ml-serving"), mode("ml-training")) == ("STRICT", None)
