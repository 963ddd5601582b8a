"""`helm install ml-mesh chart/ --post-renderer mlmesh-post`, to the letter, with both Helms on a real API server."""

from functools import cache
from typing import Any

import pytest

from tests.chart.reference import DERIVED, REFERENCE, SIDECARS, Field, value_at
from tests.cluster.releases import INSTALL, Releases

HELMS = ["helm3", "helm4", "helm3-min", "helm4-min"]
BROKEN = "--set callers.frontend.namespace=serving"
RESOURCES = {
    "Gateway": "gateways.gateway.networking.k8s.io",
    "HTTPRoute": "httproutes.gateway.networking.k8s.io",
}


def wrong(releases: Releases, fields: list[Field]) -> list[str]:
    """Which fields are not in the cluster as the reference design has them."""
    found = []

    @cache
    def stored(kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        return releases.cluster.get(kind.lower(), name, namespace)

    for field in fields:
        kind = RESOURCES.get(field.kind, f"{field.kind}.{field.api_version.rpartition('/')[0]}".rstrip("."))
        item = stored(kind, field.name, field.namespace or "default")
        try:
            value = value_at(item, field.path) if item else "no such object"
        except (KeyError, IndexError):
            value = "nothing"
        if value != field.value:
            found.append(f"section {field.section}: {field.kind} {field.name} {field.path} is {value!r}")
    return found


@pytest.mark.parametrize("helm", HELMS)
def test_the_literal_command_installs_every_field_of_the_reference_design(releases: Releases, helm: str) -> None:
    """Each field stands in the cluster under its name, in its namespace, with its value; LLM blocks are derived."""
    assert len(REFERENCE) > 60
    releases.ok(helm, INSTALL)
    assert wrong(releases, [*REFERENCE, *DERIVED]) == []
    assert releases.revisions() == [(1, "deployed")]


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_objectives_give_the_blocks_of_the_reference_design_too(releases: Releases, helm: str) -> None:
    """Times and lengths in place of seconds: the same timeouts and retries come of them, and others of other times."""
    objectives = "-f tests/cluster/objectives.yaml"
    releases.ok(helm, f"{INSTALL} {objectives}")
    assert wrong(releases, DERIVED) == []
    slower = "--set policy.endpoints.objectives.types.chat.outputTokens=2000"
    releases.ok(helm, f"upgrade ml-mesh chart/ --post-renderer mlmesh-post {objectives} {slower}")
    assert wrong(releases, DERIVED) != []


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_the_demo_s_pods_carry_the_sizes_of_their_roles(releases: Releases, helm: str) -> None:
    """All six components run, each workload kind with the four annotations on its pods."""
    releases.ok(helm, f"{INSTALL} -f values/demo.yaml")
    assert wrong(releases, SIDECARS) == []
    sized = 0
    for item in releases.objects():
        path = "/spec/jobTemplate/spec/template" if item["kind"] == "CronJob" else "/spec/template"
        if item["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"):
            annotations = value_at(item, path)["metadata"]["annotations"]
            assert len([key for key in annotations if key.startswith("sidecar.istio.io/proxy")]) == 4, item
            sized += 1
    assert sized == 9


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_the_settings_stay_as_a_configmap_and_no_policy_object_does(releases: Releases, helm: str) -> None:
    """What later runs and `helm test` read is in the release's namespace, and goes with the release."""
    releases.ok(helm, f"{INSTALL} --namespace ml-mesh --create-namespace")
    held = releases.cluster.get("configmap", "ml-mesh-mesh-policy", "ml-mesh")
    assert held is not None
    assert held["metadata"]["labels"]["mlmesh.dev/policy"] == "true"
    assert '"kind":"MeshPolicy"' in held["data"]["policy.json"]
    releases.ok(helm, "uninstall ml-mesh --namespace ml-mesh --wait")
    assert releases.cluster.get("configmap", "ml-mesh-mesh-policy", "ml-mesh") is None


@pytest.mark.parametrize("helm", HELMS)
def test_without_the_post_renderer_an_install_is_refused_and_changes_nothing(releases: Releases, helm: str) -> None:
    """The guard: the cluster has no kind MeshPolicy, and Helm asks before it creates anything."""
    said = releases.refused(helm, "install ml-mesh chart/ -f values/demo.yaml")
    assert 'no matches for kind "MeshPolicy"' in said
    assert releases.names() == set()
    assert releases.revisions() == []


@pytest.mark.parametrize("helm", HELMS)
def test_a_broken_invariant_is_refused_and_read_in_helm_s_own_error(releases: Releases, helm: str) -> None:
    """Code, place and remedy are in what Helm prints, on Helm 4 as on Helm 3, line by line; nothing is created."""
    said = releases.refused(helm, f"{INSTALL} -f values/demo.yaml {BROKEN}")
    for part in (
        "ERROR MLM401 principal-nobody-has\n",
        "no workload of this release runs as cluster.local/ns/ml-serving/sa/frontend-sa",
        "Gateway ml-gateway runs as gateway-sa",
        "AuthorizationPolicy ml-serving/inference-access",
        "from ml-mesh/templates/security/authorizationpolicies.yaml",
        "remedy: name the identity that the caller has",
        "No manifests were passed on: nothing changes in the cluster.",
    ):
        assert part in said, said
    assert releases.names() == set()
    assert releases.revisions() == []


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_bad_input_is_heard_as_a_broken_invariant_is(releases: Releases, helm: str) -> None:
    """Exit codes 2 of every kind are in Helm's own error too: on Helm 4 nothing else would tell."""
    for settings, message in (
        ("--set policy.sidecars.inference.proxyCPU=1gb", "'1gb' is not a resource quantity"),
        ("-f values/demo.yaml --post-renderer-args --polcy",
         "--polcy"),
        ("--post-renderer-args --policy=nowhere.yaml", "nowhere.yaml"),
    ):  # fmt: skip
        said = releases.refused(helm, f"{INSTALL} {settings}")
        assert message in said, said
        assert "Traceback" not in said
    assert releases.revisions() == []


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_the_report_is_written_where_helm_is_silent(releases: Releases, helm: str, tmp_path: object) -> None:
    """`MLMESH_REPORT` gets the findings on every host, warnings of a release that passes too."""
    report = f"{tmp_path}/report.json"
    releases.ok(helm, INSTALL, MLMESH_REPORT=report, MLMESH_REPORT_FORMAT="json")
    with open(report) as passed:
        assert '"code": "MLM202"' in passed.read()
    releases.refused(helm, f"upgrade ml-mesh chart/ --post-renderer mlmesh-post {BROKEN}", MLMESH_REPORT=report)
    with open(report) as refused:
        assert "ERROR MLM401" in refused.read()
