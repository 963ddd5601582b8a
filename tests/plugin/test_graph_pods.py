"""Pod templates of every kind: where they are found, where their metadata goes, and what is never taken for one."""

import json
from typing import Any

import pytest

from mlmesh.graph.kinds import KINDS
from mlmesh.graph.pods import PodTemplate
from mlmesh.manifests import stream as manifests
from mlmesh.model.errors import InputError
from mlmesh.post_renderer import post_render
from tests.support.graphs import pods_of

POD: dict[str, Any] = {"containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"spec": POD}
META = {"labels": {"a": "1"}, "annotations": {"b": "2"}}


def pods(api_version: str, kind: str, **fields: Any) -> list[PodTemplate]:
    """The pod templates of an object with these top-level fields."""
    item = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "ml"}, **fields}
    return pods_of(json.dumps(item))


def at(path: str, value: Any) -> dict[str, Any]:
    """Nested maps with a value at a dotted path; a part that ends in `[]` is a list of one."""
    for name in reversed(path.split(".")):
        value = {name.removesuffix("[]"): [value] if name.endswith("[]") else value}
    return value  # type: ignore[no-any-return]


# (apiVersion, kind): (path of what is put there, what is put there, [(part, holder, spec_pointer)])
T = "template"
CASES: dict[tuple[str, str], tuple[str, Any, list[tuple[str, str | None, str | None]]]] = {}


def template(api_version: str, kind: str, path: str, part: str = "", value: Any = TEMPLATE) -> None:
    """A case of a template with `metadata` and `spec`."""
    pointer = "/" + path.replace("[]", ".0").replace(".", "/")
    CASES[api_version, kind] = path, value, [(part, f"{pointer}/metadata", f"{pointer}/spec")]


for _kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"):
    template("apps/v1", _kind, "spec.template")
for _kind in ("CloneSet", "StatefulSet", "DaemonSet", "BroadcastJob"):
    template("apps.kruise.io/v1beta1", _kind, "spec.template")
for _kind in ("TrainingRuntime", "ClusterTrainingRuntime"):
    template("trainer.kubeflow.org/v1alpha1", _kind, "spec.template.spec.replicatedJobs[].template.spec.template", "0")
for _kind, _key in (
    ("PyTorchJob", "pytorch"),
    ("TFJob", "tf"),
    ("MPIJob", "mpi"),
    ("XGBoostJob", "xgb"),
    ("PaddleJob", "paddle"),
    ("JAXJob", "jax"),
):
    template("kubeflow.org/v1", _kind, f"spec.{_key}ReplicaSpecs.Worker.template", "worker")
template("kubeflow.org/v2beta1", "MPIJob", "spec.mpiReplicaSpecs.Launcher.template", "launcher")
template("kubeflow.org/v1alpha1", "MPIJob", "spec.template")
template("v1", "ReplicationController", "spec.template")
template("apps.openshift.io/v1", "DeploymentConfig", "spec.template")
template("batch/v1", "Job", "spec.template")
template("batch/v1", "CronJob", "spec.jobTemplate.spec.template")
template("ray.io/v1", "RayCluster", "spec.headGroupSpec.template", "head")
template("ray.io/v1", "RayService", "spec.rayClusterConfig.workerGroupSpecs[].template", "worker 0")
template("ray.io/v1", "RayJob", "spec.submitterPodTemplate", "submitter")
template("ray.io/v1", "RayCronJob", "spec.jobTemplate.rayClusterSpec.headGroupSpec.template", "head")
template("jobset.x-k8s.io/v1alpha2", "JobSet", "spec.replicatedJobs[].template.spec.template", "0")
template("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "spec.leaderWorkerTemplate.workerTemplate", "worker")
template(
    "disaggregatedset.x-k8s.io/v1alpha1",
    "DisaggregatedSet",
    "spec.roles[].spec.leaderWorkerTemplate.leaderTemplate",
    "leader 0",
)
template("machinelearning.seldon.io/v1", "SeldonDeployment", "spec.predictors[].componentSpecs[]", "0 0")
template("serving.knative.dev/v1", "Service", "spec.template")
template("serving.knative.dev/v1", "Configuration", "spec.template")
template("batch.volcano.sh/v1alpha1", "Job", "spec.tasks[].template", "0")
template("argoproj.io/v1alpha1", "Rollout", "spec.template")
template("argoproj.io/v1alpha1", "Experiment", "spec.templates[].template", "0")
template("kaito.sh/v1beta1", "Workspace", "inference.template")
CASES |= {
    ("serving.kserve.io/v1beta1", "InferenceService"): (
        "spec.predictor",
        {**POD, "workerSpec": POD},
        [
            ("predictor", "/spec/predictor", "/spec/predictor"),
            ("predictor worker", "/spec/predictor", "/spec/predictor/workerSpec"),
        ],
    ),
    ("serving.kserve.io/v1alpha1", "ServingRuntime"): (
        "spec",
        {**POD, "workerSpec": POD},
        [("", "/spec", None), ("worker", "/spec/workerSpec", None)],
    ),
    ("serving.kserve.io/v1alpha1", "ClusterServingRuntime"): ("spec", POD, [("", "/spec", None)]),
    ("serving.kserve.io/v1alpha1", "LLMInferenceService"): (
        "spec",
        {"template": POD, "worker": POD, "prefill": {"template": POD}, "router": {"scheduler": {}}},
        [
            ("", "/spec", "/spec/template"),
            ("worker", "/spec", "/spec/worker"),
            ("prefill", "/spec/prefill", "/spec/prefill/template"),
            ("scheduler", "/spec/router/scheduler", "/spec/router/scheduler/template"),
        ],
    ),
    ("serving.kserve.io/v1alpha1", "LLMInferenceServiceConfig"): (
        "spec",
        {"router": {"scheduler": {"template": POD}}},
        [("scheduler", "/spec/router/scheduler", "/spec/router/scheduler/template")],
    ),
    ("argoproj.io/v1alpha1", "Workflow"): (
        "spec.templates[]",
        {"name": "step", "container": {"image": "i"}},
        [("step", "/spec/templates/0/metadata", None)],
    ),
    ("argoproj.io/v1alpha1", "CronWorkflow"): (
        "spec.workflowSpec.templates[]",
        {"name": "step", "script": {"image": "i"}},
        [("step", "/spec/workflowSpec/templates/0/metadata", None)],
    ),
    ("sparkoperator.k8s.io/v1beta2", "SparkApplication"): (
        "spec",
        {"driver": {}, "executor": {}},
        [("driver", "/spec/driver", None), ("executor", "/spec/executor", None)],
    ),
    ("sparkoperator.k8s.io/v1beta2", "ScheduledSparkApplication"): (
        "spec.template.driver",
        {},
        [("driver", "/spec/template/driver", None)],
    ),
    ("monitoring.coreos.com/v1", "Prometheus"): ("spec", {}, [("", "/spec/podMetadata", None)]),
    ("monitoring.coreos.com/v1", "Alertmanager"): ("spec", {}, [("", "/spec/podMetadata", None)]),
    ("mlops.seldon.io/v1alpha1", "Server"): ("spec.podSpec", POD, [("", None, "/spec/podSpec")]),
    ("mlops.seldon.io/v1alpha1", "SeldonConfig"): (
        "spec.components[]",
        {"name": "mlserver", "podSpec": POD},
        [("mlserver", "/spec/components/0", "/spec/components/0/podSpec")],
    ),
    ("kubeflow.org/v1beta1", "Notebook"): ("spec.template", TEMPLATE, [("", None, "/spec/template/spec")]),
    ("grove.io/v1alpha1", "PodCliqueSet"): (
        "spec.template.cliques[]",
        {"name": "decode", "spec": {"podSpec": POD}},
        [("decode", "/spec/template/cliques/0", "/spec/template/cliques/0/spec/podSpec")],
    ),
    ("ome.io/v1beta1", "InferenceService"): ("spec.engine", POD, [("engine", "/spec/engine", "/spec/engine")]),
    ("apps.nvidia.com/v1alpha1", "NIMService"): ("spec", {}, [("", "/spec", None)]),
    ("v1", "Pod"): ("spec", POD, [("", "/metadata", "/spec")]),
}


@pytest.mark.parametrize(("key", "case"), CASES.items(), ids=[f"{kind} of {version}" for version, kind in CASES])
def test_each_kind_keeps_its_pods_where_its_types_say(key: tuple[str, str], case: tuple[str, Any, list[Any]]) -> None:
    """Which pods an object has, where their labels and annotations go, and where their PodSpec is."""
    path, value, expected = case
    found = pods(*key, **at(path, value))
    assert [(pod.part, pod.holder, pod.spec_pointer) for pod in found] == expected
    assert not any(pod.shape for pod in found)


ELSEWHERE = {
    # other tests here
    ("argoproj.io", "ClusterWorkflowTemplate"),
    ("argoproj.io", "WorkflowTemplate"),
    ("feast.dev", "FeatureStore"),
    ("trainer.kubeflow.org", "TrainJob"),
    # the rows of a kind that has a case, under another name
    ("", "DeploymentConfig"),
    ("", "PodTemplate"),
    ("extensions", "DaemonSet"),
    ("extensions", "Deployment"),
    ("extensions", "ReplicaSet"),
    ("inference.llmaz.io", "Service"),
    ("llm-d.ai", "ModelService"),
    ("monitoring.coreos.com", "PrometheusAgent"),
    ("monitoring.coreos.com", "ThanosRuler"),
}


def test_the_cases_cover_the_table() -> None:
    """Each row of the table has a case, and each case a row: nothing in them was found by shape."""
    assert {(version.rpartition("/")[0], kind) for version, kind in CASES} == set(KINDS) - ELSEWHERE


def test_a_kind_counts_with_its_group_only() -> None:
    """InferenceService, Job and Service are kinds of several projects, each with pods of its own or none."""
    assert not pods("networking.example.com/v1", "Deployment", **at("spec.template.spec", {}))
    assert not pods("v1", "Service", spec={"template": TEMPLATE})
    assert [pod.part for pod in pods("ome.io/v1beta1", "InferenceService", spec={"predictor": POD, "router": POD})] == [
        "router"
    ]


def test_several_templates_of_one_object_are_told_apart() -> None:
    """A Ray cluster's head and each of its worker groups, by the group's name."""
    spec = {
        "headGroupSpec": {"template": TEMPLATE},
        "workerGroupSpecs": [{"groupName": "gpu", "template": TEMPLATE}, {"groupName": "cpu", "template": TEMPLATE}],
    }
    found = pods("ray.io/v1", "RayCluster", spec=spec)
    assert [pod.part for pod in found] == ["head", "worker gpu", "worker cpu"]
    assert found[2].pointer == "/spec/workerGroupSpecs/1/template"


@pytest.mark.parametrize(
    ("bad", "word"), [("text", "a string"), (7, "a number"), (["x"], "a list"), (True, "a boolean")]
)
@pytest.mark.parametrize("path", ["spec.template", "spec.template.spec"])
def test_a_template_that_is_no_map_is_an_error_with_its_place(bad: Any, word: str, path: str) -> None:
    """A value in a template's place, or in its PodSpec's, is told by kind, document and pointer."""
    with pytest.raises(InputError, match=f"is {word}, not a map") as caught:
        pods("apps/v1", "Deployment", **at(path, bad))
    assert caught.value.place == f"document 0 (Deployment ml/x), line 1, at /{path.replace('.', '/')}"


def test_a_template_that_is_null_or_missing_is_none() -> None:
    """Helm renders an empty value as null: the API server has its own words for that."""
    assert not pods("apps/v1", "Deployment", spec={"template": None})
    assert not pods("apps/v1", "Deployment")
    (pod,) = pods("apps/v1", "Deployment", spec={"template": {"metadata": None, "spec": None}})
    assert (pod.labels, pod.annotations, pod.spec) == ({}, {}, {})


def test_what_has_a_template_s_shape_in_an_unknown_kind_is_found_and_says_so() -> None:
    """`metadata` beside a `spec` that has containers, at any depth, in lists too; the pointer is escaped."""
    holder = {"a/b": [{"metadata": META, **TEMPLATE}]}
    (pod,) = pods("example.com/v1", "Farm", spec=holder)
    assert (pod.pointer, pod.holder, pod.shape) == ("/spec/a~1b/0", "/spec/a~1b/0/metadata", True)
    assert (pod.labels, pod.annotations) == ({"a": "1"}, {"b": "2"})


@pytest.mark.parametrize(
    ("api_version", "kind", "fields"),
    [
        ("example.com/v1", "Bare", {"spec": POD}),  # an object's own metadata is not its pods'
        ("example.com/v1", "Bare", {"spec": {"template": TEMPLATE}}),  # nothing says that it takes metadata
        ("serving.kserve.io/v1", "InferenceGraph", {"spec": {"nodes": {"a": {"spec": {"containers": "c"}}}}}),
        ("kyverno.io/v1", "ClusterPolicy", {"spec": {"rules": [{"pattern": {"metadata": META, **TEMPLATE}}]}}),
        ("v1", "ConfigMap", {"data": {"metadata": META, **TEMPLATE}}),
        ("kubeflow.org/v1", "PyTorchJob", {"spec": {"other": {"metadata": META, **TEMPLATE}}}),  # a kind with a row
    ],
)
def test_what_only_looks_like_a_template_is_none(api_version: str, kind: str, fields: dict[str, Any]) -> None:
    """Neither an object's own metadata, nor patterns of policies, nor what stands elsewhere in a kind with a row."""
    assert not pods(api_version, kind, **fields)


def test_a_serving_runtime_is_not_read_by_shape() -> None:
    """It has metadata beside spec.containers, but its pods take spec.annotations."""
    (pod,) = pods("serving.kserve.io/v1alpha1", "ServingRuntime", spec={**POD, "annotations": {"k": "v"}})
    assert (pod.holder, pod.annotations) == ("/spec", {"k": "v"})


def test_objects_within_objects_are_read_by_their_own_kind() -> None:
    """Of a Template, an AppWrapper, a trial: owner and pointers are the inner object's, and the name if it has one."""
    job = {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": {"name": "inner"}}
    job |= at("spec.pytorchReplicaSpecs.Worker.template", {"metadata": META, **TEMPLATE})
    (pod,) = pods("workload.codeflare.dev/v1beta2", "AppWrapper", spec={"components": [{"template": job}]})
    assert (pod.owner.kind, pod.owner.name, pod.owner.pointer) == ("PyTorchJob", "inner", "/spec/components/0/template")
    assert pod.pointer == "/spec/components/0/template/spec/pytorchReplicaSpecs/Worker/template"
    del job["metadata"]
    (pod,) = pods("kubeflow.org/v1beta1", "Experiment", **at("spec.trialTemplate.trialSpec", job))
    assert (pod.owner.kind, pod.owner.name, pod.owner.namespace, pod.shape) == ("PyTorchJob", "x", "ml", False)
    (pod,) = pods("template.openshift.io/v1", "Template", objects=[job])
    assert pod.owner.kind == "PyTorchJob"


def test_a_template_written_as_a_whole_pod_is_a_template() -> None:
    """Flink's podTemplate has apiVersion and kind of a Pod: its owner is the operator's object, not the Pod."""
    inner = {"apiVersion": "v1", "kind": "Pod", "metadata": META, **TEMPLATE}
    (pod,) = pods("flink.apache.org/v1beta1", "FlinkDeployment", spec={"podTemplate": inner})
    assert (pod.owner.kind, pod.holder, pod.shape) == ("FlinkDeployment", "/spec/podTemplate/metadata", True)


def test_labels_and_annotations_that_are_passed_down_count() -> None:
    """KServe passes an InferenceService's own on, Argo the workflow's; what stands nearer wins."""
    item = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    item["metadata"] = {"name": "x", "labels": {"a": "far", "b": "far"}}  # type: ignore[assignment]
    item["spec"] = {"predictor": {"labels": {"a": "near"}, "model": {}}}  # type: ignore[assignment]
    (pod,) = pods_of(json.dumps(item))
    assert pod.labels == {"a": "near", "b": "far"}
    spec = {"podMetadata": {"labels": {"a": "1"}}, "templates": [{"name": "s", "container": {}, "metadata": {}}]}
    assert not pods("argoproj.io/v1alpha1", "Workflow", spec=spec)  # an empty container is none
    spec["templates"][0]["container"] = {"image": "i"}  # type: ignore[index]
    (pod,) = pods("argoproj.io/v1alpha1", "Workflow", spec=spec)
    assert pod.labels == {"a": "1"}


def test_steps_that_run_nothing_make_no_pod() -> None:
    """Of a Workflow's templates `steps`, `dag` and `suspend` make none; the others' images and accounts are known."""
    templates = [
        {"name": "main", "steps": [[{"name": "a", "template": "b"}]]},
        {"name": "wait", "suspend": {}},
        {"name": "set", "containerSet": {"containers": [{"name": "x", "image": "one"}]}},
        {"name": "run", "script": {"image": "two"}, "sidecars": [{"name": "s", "image": "three"}]},
    ]
    found = pods("argoproj.io/v1alpha1", "Workflow", spec={"serviceAccountName": "argo", "templates": templates})
    assert [pod.part for pod in found] == ["set", "run"]
    assert [[each["image"] for each in pod.spec["containers"]] for pod in found] == [["one"], ["two", "three"]]
    assert {pod.spec["serviceAccountName"] for pod in found} == {"argo"}


def test_spark_s_own_fields_are_its_pods() -> None:
    """Image and account stand beside the template that Spark 3 has, and so do the labels."""
    driver = {"labels": {"a": "1"}, "serviceAccount": "spark", "template": {"spec": {"hostNetwork": True}}}
    (pod,) = pods("sparkoperator.k8s.io/v1beta2", "SparkApplication", spec={"image": "spark:3", "driver": driver})
    assert pod.labels == {"a": "1"}
    assert pod.spec["containers"] == [{"name": "spark", "image": "spark:3"}]
    assert (pod.spec["serviceAccountName"], pod.spec["hostNetwork"]) == ("spark", True)
    inner = {"image": "spark:4", "driver": {}}
    (pod,) = pods("sparkoperator.k8s.io/v1beta2", "ScheduledSparkApplication", spec={"template": inner})
    assert pod.spec["containers"] == [{"name": "spark", "image": "spark:4"}]


PATCH = {"manager": "m", **at("trainingRuntimeSpec.template.spec.replicatedJobs[].template.spec.template", TEMPLATE)}


@pytest.mark.parametrize(
    ("spec", "holder"),
    [
        ({"labels": {"a": "1"}}, "/spec"),
        ({"podTemplateOverrides": [TEMPLATE]}, "/spec/podTemplateOverrides/0/metadata"),
        (
            {"runtimePatches": [PATCH]},
            "/spec/runtimePatches/0/trainingRuntimeSpec/template/spec/replicatedJobs/0/template/spec/template/metadata",
        ),
        ({}, None),
        ({"runtimePatches": []}, None),
    ],
)
def test_a_train_job_s_fields_tell_its_version(spec: dict[str, Any], holder: str | None) -> None:
    """2.0, 2.1 and 2.2 keep pod metadata in three places; a job that has none of them has none that is known."""
    (pod,) = pods("trainer.kubeflow.org/v1alpha1", "TrainJob", spec={"trainer": {"image": "i"}, **spec})
    assert pod.holder == holder
    assert {"image": "i"} in pod.spec["containers"] or pod.spec["containers"] == POD["containers"]


def test_a_rollout_of_another_s_template_has_no_place() -> None:
    """With workloadRef the Deployment's template counts; there is nothing to write here."""
    (pod,) = pods("argoproj.io/v1alpha1", "Rollout", spec={"workloadRef": {"kind": "Deployment", "name": "d"}})
    assert (pod.holder, pod.spec) == (None, {})


def test_feast_calls_annotations_by_another_name() -> None:
    """Its operator copies services.podAnnotations to the pods, and no labels."""
    (pod,) = pods("feast.dev/v1", "FeatureStore", spec={"services": {"podAnnotations": {"k": "v"}}})
    assert (pod.annotations, pod.labels) == ({"k": "v"}, {})
    assert pod.annotations_pointer == "/spec/services/podAnnotations"


UNREAD = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data:
  x: |
    containers: []
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: c}
spec: {containers: {}}
---
apiVersion: example.com/v1
kind: Words
metadata: {name: c}
spec: {text: the containers of a pod}
"""


def test_what_cannot_hold_pods_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """ConfigMaps and CRDs are large, and what they say of containers is text: parsing them costs every upgrade."""

    def refused(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(manifests.Document, "reading", refused)
    post_render(UNREAD.encode())
    with pytest.raises(AssertionError, match="parsed"):
        post_render(UNREAD.replace("text: the containers", '"containers" : the').encode())
