"""A release's life on both Helms: upgrade, a forgotten flag, rollback, uninstall, reinstall; who owns a namespace."""

import pytest

from tests.cluster.releases import INSTALL, Releases

UPGRADE = "upgrade ml-mesh chart/ --post-renderer mlmesh-post"
DEMO = "-f values/demo.yaml"


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_upgrade_rollback_uninstall_and_reinstall(releases: Releases, helm: str) -> None:
    """Injected values follow the upgrade and the rollback; namespaces survive the uninstall; a reinstall takes them."""
    cluster = releases.cluster

    def cpu() -> str:
        item = cluster.get("deployment", "inference-v1", "ml-serving")
        assert item is not None
        value: str = item["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/proxyCPU"]
        return value

    releases.ok(helm, f"{INSTALL} {DEMO}")
    assert cpu() == "500m"
    releases.ok(helm, f"{UPGRADE} {DEMO} --set policy.sidecars.inference.proxyCPU=750m")
    assert cpu() == "750m"
    releases.ok(helm, "rollback ml-mesh 1")
    assert cpu() == "500m"
    releases.ok(helm, "uninstall ml-mesh --wait")
    assert cluster.get("deployment", "inference-v1", "ml-serving") is None
    assert cluster.get("virtualservice.networking.istio.io", "llm-timeouts", "ml-serving") is None
    for namespace in ("ml-serving", "ml-training"):
        assert cluster.get("namespace", namespace) is not None
    releases.ok(helm, f"{INSTALL} {DEMO}")
    assert cpu() == "500m"


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_an_upgrade_that_forgets_the_flag_or_breaks_a_rule_changes_nothing(releases: Releases, helm: str) -> None:
    """Refused: the stored revision and every object in the cluster stay as they were."""
    releases.ok(helm, f"{INSTALL} {DEMO}")
    before = releases.generations()
    for command in (
        f"upgrade ml-mesh chart/ {DEMO} --set components.inference-v1.workload.spec.replicas=3",
        f"{UPGRADE} {DEMO} --set callers.frontend.namespace=serving "
        "--set components.inference-v1.workload.spec.replicas=3",
    ):
        releases.refused(helm, command)
        assert releases.generations() == before
        assert releases.revisions() == [(1, "deployed")]


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_jobs_survive_an_upgrade_that_changes_sidecar_sizes(releases: Releases, helm: str) -> None:
    """A Job's pod template cannot change, so the chart's Jobs take a new name when it would."""
    releases.ok(helm, f"{INSTALL} {DEMO}")
    before = {name for name in releases.names() if name.startswith("Job ")}
    releases.ok(helm, f"{UPGRADE} {DEMO} --set policy.sidecars.training.proxyCPU=200m")
    after = {name for name in releases.names() if name.startswith("Job ")}
    assert len(before) == len(after) == 1
    assert before != after
    releases.ok(helm, f"{UPGRADE} {DEMO} --set policy.sidecars.training.proxyCPU=200m")
    assert {name for name in releases.names() if name.startswith("Job ")} == after


@pytest.mark.parametrize(("first", "second"), [("helm3", "helm4"), ("helm4", "helm3")])
def test_the_other_helm_takes_over(releases: Releases, first: str, second: str) -> None:
    """An upgrade by the other Helm works, and so does a reinstall by it onto the kept namespaces."""
    releases.ok(first, f"{INSTALL} {DEMO}")
    releases.ok(second, f"{UPGRADE} {DEMO} --set policy.sidecars.inference.proxyCPU=750m")
    assert [revision for revision, _ in releases.revisions()] == [1, 2]
    releases.ok(first, "uninstall ml-mesh --wait")
    releases.ok(second, f"{INSTALL} {DEMO}")


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_the_three_namespace_cases(releases: Releases, helm: str) -> None:
    """A namespace of its own for the release; one made by hand needs a word; another release's is refused."""
    apart = "--namespace ml-mesh --create-namespace"
    releases.ok(helm, f"{INSTALL} {apart}")
    # another release name onto the namespaces that the first one keeps
    releases.ok(helm, "uninstall ml-mesh --namespace ml-mesh --wait")
    said = releases.refused(helm, f"install other chart/ --post-renderer mlmesh-post {apart}")
    assert "ml-serving" in said
    assert "ml-mesh" in said
    releases.clean()
    # a namespace made by hand
    releases.cluster.kubectl("create", "namespace", "ml-serving")
    said = releases.refused(helm, f"{INSTALL} {apart}")
    assert "ml-serving" in said
    releases.ok(helm, f"{INSTALL} {apart} --set namespaces.serving.create=false")
    releases.ok(helm, "uninstall ml-mesh --namespace ml-mesh --wait")
    releases.ok(helm, f"{INSTALL} {apart} --take-ownership")


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_the_release_in_its_own_serving_namespace(releases: Releases, helm: str) -> None:
    """`-n ml-serving --create-namespace` makes the namespace before the chart can: it needs `create=false`."""
    into = "--namespace ml-serving --create-namespace"
    releases.ok(helm, f"{INSTALL} {into} --set namespaces.serving.create=false")
    assert releases.cluster.get("configmap", "ml-mesh-mesh-policy", "ml-serving") is not None


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_the_stated_way_out(releases: Releases, helm: str) -> None:
    """`postRenderer.required=false` installs without the post-renderer: the ConfigMap is there, nothing is derived."""
    releases.ok(helm, "install ml-mesh chart/ --set postRenderer.required=false")
    assert releases.cluster.get("configmap", "ml-mesh-mesh-policy") is not None
    item = releases.cluster.get("virtualservice.networking.istio.io", "llm-timeouts", "ml-serving")
    assert item is not None
    assert "timeout" not in item["spec"]["http"][0]
