"""A component's workload gets what ties it to the mesh: selector, labels, identity, Service; a Job also its name."""

from typing import Any

import pytest

from tests.chart.charts import Render, find, kinds

DEMO = ("-f", "values/demo.yaml")
TEMPLATES = {
    "Deployment": ("llm-service", "ml-serving", "inference"),
    "StatefulSet": ("feature-store", "ml-serving", "feature-store"),
    "DaemonSet": ("monitoring-stack", "ml-serving", "monitoring"),
    "Job": ("training-jobs", "ml-training", "training"),
    "CronJob": ("pipeline-controller", "ml-training", "pipeline"),
}

COMPONENTS = (
    "inference-service",
    "feature-store",
    "model-registry",
    "training-jobs",
    "pipeline-controller",
    "monitoring-stack",
)


def _template(document: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = document["spec"]
    if document["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: dict[str, Any] = spec["template"]
    return template


def _job(objects: list[dict[str, Any]]) -> str:
    (job,) = kinds(objects, "Job")
    name: str = job["metadata"]["name"]
    return name


def test_nothing_runs_by_default(render: Render) -> None:
    """Without a workload there are no pods, Services or ServiceAccounts."""
    objects = render("--skip-tests")
    assert not {document["kind"] for document in objects} & {*TEMPLATES, "Service", "ServiceAccount"}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_pods_carry_selector_role_and_identity(render: Render, kind: str) -> None:
    """Pods of each kind have the component's labels and role, run under its ServiceAccount, and are selected by it."""
    component, namespace, role = TEMPLATES[kind]
    objects = render(*DEMO)
    (document,) = [found for found in kinds(objects, kind) if found["metadata"]["name"].startswith(component)]
    template = _template(document)
    assert document["metadata"]["namespace"] == namespace
    assert template["metadata"]["labels"] == {
        "app": component,
        "app.kubernetes.io/part-of": "ml-mesh",
        "mlmesh.dev/role": role,
    }
    assert template["spec"]["serviceAccountName"] == component
    find(objects, "ServiceAccount", component, namespace)
    if kind not in {"Job", "CronJob"}:
        assert document["spec"]["selector"] == {"matchLabels": {"app": component}}


def test_the_demo_has_every_component_and_kind(render: Render) -> None:
    """All six components run in the demo, and what its routes send to; all kinds of workload occur."""
    objects = render(*DEMO)
    found = [document for kind in TEMPLATES for document in kinds(objects, kind)]
    labels = {_template(document)["metadata"]["labels"]["app"] for document in found}
    assert labels == {*COMPONENTS, "llm-service", "kserve-predictor"}
    assert {document["kind"] for document in found} == set(TEMPLATES)


def test_the_rest_of_the_spec_passes_through(render: Render) -> None:
    """Fields of the user's spec and labels of his pods are kept."""
    document = find(render("-f", "tests/chart/full.yaml"), "Deployment", "inference-service")
    assert document["spec"]["replicas"] == 2
    assert _template(document)["metadata"]["labels"]["tier"] == "gold"
    assert _template(document)["spec"]["containers"] == [{"name": "server", "image": "example.com/server:1"}]
    assert document["metadata"]["annotations"] == {"example.com/owner": "serving"}


def test_ports_make_a_service(render: Render) -> None:
    """Ports become a Service that selects the component's pods; a port that is switched off is not in it."""
    service = find(render("-f", "tests/chart/full.yaml"), "Service", "inference-service")
    assert service["spec"]["selector"] == {"app": "inference-service"}
    assert service["spec"]["ports"] == [
        {"name": "grpc", "port": 9000},
        {"name": "http", "port": 8080, "targetPort": 9090, "appProtocol": "http"},
    ]
    off = render(
        "--set", "components.inference-service.ports.http.port=80,components.inference-service.ports.http.enabled=false"
    )
    assert kinds(off, "Service") == []


def test_service_account_of_ones_own(render: Render) -> None:
    """An account can have another name and annotations; one that exists is used and not created."""
    objects = render("-f", "tests/chart/full.yaml")
    account = find(objects, "ServiceAccount", "predictor")
    assert account["metadata"]["annotations"] == {"example.com/cloud-role": "predictor"}
    store = find(objects, "StatefulSet", "feature-store")
    assert _template(store)["spec"]["serviceAccountName"] == "features"
    assert "features" not in [found["metadata"]["name"] for found in kinds(objects, "ServiceAccount")]


@pytest.mark.parametrize(
    "change",
    [
        "policy.sidecars.training.proxyCPU=300m",
        "policy.mesh.nativeSidecars=true",
        "components.training-jobs.workload.spec.backoffLimit=2",
        "components.training-jobs.selector.tier=gold",
        "components.training-jobs.serviceAccount.name=trainer",
        "components.training-jobs.workload.spec.template.metadata.annotations.a=b",
    ],
)
def test_a_job_with_another_template_is_another_job(render_once: Render, change: str) -> None:
    """Whatever changes a Job's template changes its name, since the API server refuses a change of the template."""
    before, after = _job(render_once(*DEMO)), _job(render_once(*DEMO, "--set", change))
    assert before != after
    assert before.startswith("training-jobs-")


@pytest.mark.parametrize("change", ["policy.sidecars.inference.proxyCPU=300m", "mtls.ml-mtls.mode=PERMISSIVE"])
def test_a_job_with_the_same_template_keeps_its_name(render_once: Render, change: str) -> None:
    """What does not concern a Job does not start it again."""
    assert _job(render_once(*DEMO)) == _job(render_once(*DEMO, "--set", change))


def test_both_helms_name_a_job_alike(render: Render, render_once: Render) -> None:
    """The hash does not depend on the Helm, so a change of Helm starts no Job again."""
    assert _job(render(*DEMO)) == _job(render_once(*DEMO))


def test_a_long_name_stays_a_name(render_once: Render) -> None:
    """The name of a Job is at most 63 characters, its hash whole."""
    name = "a" * 63
    values = (
        f"{name}.role=training,{name}.namespace=training,{name}.selector.app=a,{name}.workload.kind=Job,"
        f"{name}.workload.spec.template.spec.containers[0].name=a"
    )
    arguments = ",".join(f"components.{value}" for value in values.split(","))
    job = _job(render_once("--set", arguments))
    assert len(job) == 63
    assert job.rpartition("-")[0] == "a" * 54
