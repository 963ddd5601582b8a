"""Where each kind keeps its pods: the one table.

A row is (part, anchor, metadata, spec). ``anchor`` is the path from the object to the place whose presence means pods:
names with dots between them, ``[]`` behind a list, ``*`` for every key of a map. ``metadata`` leads from there to the
map whose keys are the pods' labels and annotations (``""`` the anchor itself, ``..`` the map that holds it), ``spec``
to the PodSpec; None: the kind has none. ``part`` tells several pods of one object apart; the name of a list's item or
the key of a map is added to it. A kind with a row is never searched by shape.

The paths are those of each project's types: k8s.io/api; kserve/kserve pkg/apis/serving; ray-project/kuberay
ray-operator/apis; kubeflow/{trainer,training-operator,mpi-operator,katib,spark-operator}; kubernetes-sigs/{jobset,lws};
argoproj/{argo-workflows,argo-rollouts}; SeldonIO/seldon-core; knative/serving; volcano-sh/apis; openkruise/kruise-api;
prometheus-operator/prometheus-operator; kaito-project/kaito; feast-dev/feast; ai-dynamo/grove; sgl-project/ome.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Row = tuple[str, str, str | None, str | None]
    Rows = tuple[Row, ...]

TRAIN_JOB = ("trainer.kubeflow.org", "TrainJob")
METADATA, SPEC = "metadata", "spec"
# A PodSpec that is made of an object's other fields, by a function of podspecs.py.
ARGO_STEP, SPARK = "=argo", "=spark"
# Some fields of a PodSpec among others: to be read, not to be written to.
FIELDS = "=fields"


def _template(*places: "str | tuple[str, str]") -> "Rows":
    """Rows of pod templates with `metadata` and `spec`, each by its path or by (part, path)."""
    pairs = (("", place) if isinstance(place, str) else place for place in places)
    return tuple((part, path, METADATA, SPEC) for part, path in pairs)


def _ray(base: str) -> "Rows":
    return _template(("head", f"{base}.headGroupSpec.template"), ("worker", f"{base}.workerGroupSpecs[].template"))


def _spark(base: str) -> "Rows":
    return tuple((part, f"{base}.{part}", "", SPARK) for part in ("driver", "executor"))


def _leader_worker(base: str) -> "Rows":
    return _template(("leader", f"{base}.leaderTemplate"), ("worker", f"{base}.workerTemplate"))


def _llm(main: str) -> "Rows":
    """Bare PodSpecs; labels and annotations beside them are for all pods of the map."""
    return (
        ("", main, "" if main == SPEC else "..", "template" if main == SPEC else ""),
        ("worker", "spec.worker", "..", ""),
        ("prefill", "spec.prefill", "", "template"),
        ("prefill worker", "spec.prefill.worker", "..", ""),
        ("scheduler", "spec.router.scheduler", "", "template"),
    )


def _ome(part: str) -> "Rows":
    return (
        (part, f"spec.{part}", "", ""),
        (f"{part} leader", f"spec.{part}.leader", "..", ""),
        (f"{part} worker", f"spec.{part}.worker", "..", ""),
    )


_WORKLOAD = _template("spec.template")
_TRAINING_RUNTIME = _template("spec.template.spec.replicatedJobs[].template.spec.template")
_RUNTIME: "Rows" = (("", "spec", "", FIELDS), ("worker", "spec.workerSpec", "", FIELDS))
_MONITOR: "Rows" = (("", "spec", "podMetadata", FIELDS),)
_COMPONENTS: "Rows" = (
    ("predictor", "spec.predictor", "", ""),
    ("predictor worker", "spec.predictor.workerSpec", "..", ""),
    ("transformer", "spec.transformer", "", ""),
    ("explainer", "spec.explainer", "", ""),
)
_STEPS: "Rows" = (("", "spec.templates[]", METADATA, ARGO_STEP),)

KINDS: "dict[tuple[str, str], Rows]" = {
    ("", "Pod"): (("", "", METADATA, SPEC),),
    ("", "PodTemplate"): _template("template"),
    ("", "ReplicationController"): _WORKLOAD,
    ("apps", "DaemonSet"): _WORKLOAD,
    ("apps", "Deployment"): _WORKLOAD,
    ("apps", "ReplicaSet"): _WORKLOAD,
    ("apps", "StatefulSet"): _WORKLOAD,
    ("batch", "CronJob"): _template("spec.jobTemplate.spec.template"),
    ("batch", "Job"): _WORKLOAD,
    ("extensions", "DaemonSet"): _WORKLOAD,
    ("extensions", "Deployment"): _WORKLOAD,
    ("extensions", "ReplicaSet"): _WORKLOAD,
    ("", "DeploymentConfig"): _WORKLOAD,  # OpenShift's, before it had a group
    ("apps.openshift.io", "DeploymentConfig"): _WORKLOAD,
    ("apps.kruise.io", "BroadcastJob"): _WORKLOAD,
    ("apps.kruise.io", "CloneSet"): _WORKLOAD,
    ("apps.kruise.io", "DaemonSet"): _WORKLOAD,
    ("apps.kruise.io", "StatefulSet"): _WORKLOAD,
    ("serving.kserve.io", "InferenceService"): _COMPONENTS,
    ("serving.kserve.io", "ServingRuntime"): _RUNTIME,
    ("serving.kserve.io", "ClusterServingRuntime"): _RUNTIME,
    ("serving.kserve.io", "LLMInferenceService"): _llm("spec"),
    ("serving.kserve.io", "LLMInferenceServiceConfig"): _llm(
        "spec.template"
    ),  # a piece of one: pods only where it says
    ("ome.io", "InferenceService"): (*_ome("engine"), *_ome("decoder"), ("router", "spec.router", "", "")),
    ("llm-d.ai", "ModelService"): (("decode", "spec.decode", None, FIELDS), ("prefill", "spec.prefill", None, FIELDS)),
    ("apps.nvidia.com", "NIMService"): (("", "spec", "", None),),
    ("kaito.sh", "Workspace"): _template("inference.template"),
    ("machinelearning.seldon.io", "SeldonDeployment"): _template("spec.predictors[].componentSpecs[]"),
    ("mlops.seldon.io", "Server"): (("", "spec", None, "podSpec"),),
    ("mlops.seldon.io", "SeldonConfig"): (("", "spec.components[]", "", "podSpec"),),
    ("serving.knative.dev", "Service"): _WORKLOAD,
    ("serving.knative.dev", "Configuration"): _WORKLOAD,
    ("ray.io", "RayCluster"): _ray("spec"),
    ("ray.io", "RayService"): _ray("spec.rayClusterConfig"),
    ("ray.io", "RayJob"): (*_ray("spec.rayClusterSpec"), *_template(("submitter", "spec.submitterPodTemplate"))),
    ("ray.io", "RayCronJob"): (
        *_ray("spec.jobTemplate.rayClusterSpec"),
        *_template(("submitter", "spec.jobTemplate.submitterPodTemplate")),
    ),
    ("kubeflow.org", "PyTorchJob"): _template("spec.pytorchReplicaSpecs.*.template"),
    ("kubeflow.org", "TFJob"): _template("spec.tfReplicaSpecs.*.template"),
    ("kubeflow.org", "XGBoostJob"): _template("spec.xgbReplicaSpecs.*.template"),
    ("kubeflow.org", "PaddleJob"): _template("spec.paddleReplicaSpecs.*.template"),
    ("kubeflow.org", "JAXJob"): _template("spec.jaxReplicaSpecs.*.template"),
    ("kubeflow.org", "MPIJob"): _template("spec.mpiReplicaSpecs.*.template", "spec.template"),  # the last: v1alpha1
    ("kubeflow.org", "Notebook"): (("", "spec.template", None, SPEC),),
    TRAIN_JOB: (),  # trainjobs.py: it depends on the version
    ("trainer.kubeflow.org", "TrainingRuntime"): _TRAINING_RUNTIME,
    ("trainer.kubeflow.org", "ClusterTrainingRuntime"): _TRAINING_RUNTIME,
    ("jobset.x-k8s.io", "JobSet"): _template("spec.replicatedJobs[].template.spec.template"),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): _leader_worker("spec.leaderWorkerTemplate"),
    ("disaggregatedset.x-k8s.io", "DisaggregatedSet"): _leader_worker("spec.roles[].spec.leaderWorkerTemplate"),
    ("inference.llmaz.io", "Service"): _leader_worker("spec.workloadTemplate"),
    ("grove.io", "PodCliqueSet"): (("", "spec.template.cliques[]", "", "spec.podSpec"),),
    ("batch.volcano.sh", "Job"): _template("spec.tasks[].template"),
    ("sparkoperator.k8s.io", "SparkApplication"): _spark("spec"),
    ("sparkoperator.k8s.io", "ScheduledSparkApplication"): _spark("spec.template"),
    ("argoproj.io", "Workflow"): _STEPS,
    ("argoproj.io", "WorkflowTemplate"): _STEPS,
    ("argoproj.io", "ClusterWorkflowTemplate"): _STEPS,
    ("argoproj.io", "CronWorkflow"): (("", "spec.workflowSpec.templates[]", METADATA, ARGO_STEP),),
    ("argoproj.io", "Rollout"): (*_WORKLOAD, ("", "spec.workloadRef", None, None)),
    ("argoproj.io", "Experiment"): _template("spec.templates[].template"),
    ("feast.dev", "FeatureStore"): (("", "spec", "services", None),),
    ("monitoring.coreos.com", "Prometheus"): _MONITOR,
    ("monitoring.coreos.com", "PrometheusAgent"): _MONITOR,
    ("monitoring.coreos.com", "Alertmanager"): _MONITOR,
    ("monitoring.coreos.com", "ThanosRuler"): _MONITOR,
}

# What the annotations are called in the metadata's place, where not `annotations`.
ANNOTATIONS_KEY = {("feast.dev", "FeatureStore"): "podAnnotations"}

# Where labels and annotations of an object's pods come from besides: paths from the object, the later over the earlier.
INHERITED: dict[tuple[str, str], tuple[str, ...]] = {
    ("serving.kserve.io", "InferenceService"): (METADATA,),
    ("kubeflow.org", "Notebook"): (METADATA,),
    ("argoproj.io", "Workflow"): ("spec.podMetadata", "spec.templateDefaults.metadata"),
    ("argoproj.io", "WorkflowTemplate"): ("spec.podMetadata", "spec.templateDefaults.metadata"),
    ("argoproj.io", "ClusterWorkflowTemplate"): ("spec.podMetadata", "spec.templateDefaults.metadata"),
    ("argoproj.io", "CronWorkflow"): ("spec.workflowSpec.podMetadata", "spec.workflowSpec.templateDefaults.metadata"),
}

# Kinds that some stage reads and that have no pods.
MESH = frozenset(
    {
        ("", "Namespace"),
        ("", "Secret"),
        ("", "Service"),
        ("", "ServiceAccount"),
        ("extensions.istio.io", "WasmPlugin"),
        ("gateway.networking.k8s.io", "GRPCRoute"),
        ("gateway.networking.k8s.io", "Gateway"),
        ("gateway.networking.k8s.io", "HTTPRoute"),
        ("gateway.networking.k8s.io", "BackendTLSPolicy"),
        ("gateway.networking.k8s.io", "ListenerSet"),
        ("gateway.networking.k8s.io", "ReferenceGrant"),
        ("gateway.networking.k8s.io", "TCPRoute"),
        ("gateway.networking.k8s.io", "TLSRoute"),
        ("inference.networking.k8s.io", "InferencePool"),
        ("inference.networking.x-k8s.io", "InferencePool"),
        ("mlmesh.dev", "MeshPolicy"),
        ("networking.istio.io", "DestinationRule"),
        ("monitoring.coreos.com", "PodMonitor"),
        ("monitoring.coreos.com", "ServiceMonitor"),
        ("networking.istio.io", "EnvoyFilter"),
        ("networking.istio.io", "Gateway"),
        ("networking.istio.io", "ProxyConfig"),
        ("networking.istio.io", "ServiceEntry"),
        ("networking.istio.io", "Sidecar"),
        ("networking.istio.io", "VirtualService"),
        ("networking.istio.io", "WorkloadEntry"),
        ("networking.istio.io", "WorkloadGroup"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("security.istio.io", "AuthorizationPolicy"),
        ("security.istio.io", "PeerAuthentication"),
        ("security.istio.io", "RequestAuthentication"),
        ("telemetry.istio.io", "Telemetry"),
    }
)
# Of these, kinds that only invariants read: parsed when one of them asks, which in most releases none does.
LATE = frozenset(
    {
        "BackendTLSPolicy",
        "EnvoyFilter",
        "NetworkPolicy",
        "PodMonitor",
        "ProxyConfig",
        "ReferenceGrant",
        "RequestAuthentication",
        "Secret",
        "ServiceMonitor",
        "Sidecar",
        "Telemetry",
        "WasmPlugin",
        "WorkloadEntry",
        "WorkloadGroup",
    }
)
# Kinds that hold whole objects of other kinds: those are read by their own rows.
WRAPPERS = frozenset({"AppWrapper", "Experiment", "Template"})
POD_KINDS = frozenset(kind for _, kind in KINDS) | WRAPPERS
MESH_KINDS = frozenset(kind for _, kind in MESH)
# Text in which pods are only spoken of: never searched, and not parsed for pods.
WITHOUT_PODS = frozenset(
    {
        "APIService",
        "Application",
        "ClusterPolicy",
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "ConstraintTemplate",
        "CustomResourceDefinition",
        "HorizontalPodAutoscaler",
        "MutatingAdmissionPolicy",
        "MutatingWebhookConfiguration",
        "Policy",
        "PrometheusRule",
        "Role",
        "RoleBinding",
        "Secret",
        "ValidatingAdmissionPolicy",
        "ValidatingWebhookConfiguration",
    }
)
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")  # what decides how many pods there are
