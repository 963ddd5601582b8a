"""What a kind tells: roles by API group and kind.

A kind has a row where every pod of it plays that role, whoever wrote it. Kinds that run anything (Deployment, Job,
RayCluster, LeaderWorkerSet, a Knative Service, a Volcano Job, a Notebook) have none. Names are told apart by their
group: InferenceService, Job, Experiment and Service are kinds of several projects.
"""

# (API group, kind): role
KINDS = {
    # KServe (kserve/kserve pkg/apis/serving); its inference graph is a router in front of model servers
    ("serving.kserve.io", "ClusterServingRuntime"): "inference",
    ("serving.kserve.io", "InferenceGraph"): "inference",
    ("serving.kserve.io", "InferenceService"): "inference",
    ("serving.kserve.io", "LLMInferenceService"): "inference",
    ("serving.kserve.io", "LLMInferenceServiceConfig"): "inference",
    ("serving.kserve.io", "ServingRuntime"): "inference",
    # other model servers' operators
    ("apps.nvidia.com", "NIMService"): "inference",
    ("inference.llmaz.io", "BackendRuntime"): "inference",
    ("inference.llmaz.io", "Playground"): "inference",
    ("inference.llmaz.io", "Service"): "inference",
    ("llm-d.ai", "ModelService"): "inference",
    ("machinelearning.seldon.io", "SeldonDeployment"): "inference",
    ("mlops.seldon.io", "SeldonRuntime"): "inference",
    ("mlops.seldon.io", "Server"): "inference",
    ("mlops.seldon.io", "ServerConfig"): "inference",
    ("nvidia.com", "DynamoComponentDeployment"): "inference",
    ("nvidia.com", "DynamoGraphDeployment"): "inference",
    ("ome.io", "ClusterServingRuntime"): "inference",
    ("ome.io", "InferenceService"): "inference",
    ("ome.io", "ServingRuntime"): "inference",
    ("orchestration.aibrix.ai", "RayClusterFleet"): "inference",
    ("orchestration.aibrix.ai", "RoleSet"): "inference",
    ("orchestration.aibrix.ai", "StormService"): "inference",
    ("production-stack.vllm.ai", "VLLMRouter"): "inference",
    ("production-stack.vllm.ai", "VLLMRuntime"): "inference",
    ("ray.io", "RayService"): "inference",
    # jobs that train
    ("kubeflow.org", "JAXJob"): "training",
    ("kubeflow.org", "MPIJob"): "training",
    ("kubeflow.org", "MXJob"): "training",
    ("kubeflow.org", "PaddleJob"): "training",
    ("kubeflow.org", "PyTorchJob"): "training",
    ("kubeflow.org", "TFJob"): "training",
    ("kubeflow.org", "Trial"): "training",
    ("kubeflow.org", "XGBoostJob"): "training",
    ("ray.io", "RayCronJob"): "training",
    ("ray.io", "RayJob"): "training",
    ("sagemaker.amazonaws.com", "HyperPodPyTorchJob"): "training",
    ("sparkoperator.k8s.io", "ScheduledSparkApplication"): "training",
    ("sparkoperator.k8s.io", "SparkApplication"): "training",
    ("trainer.kubeflow.org", "ClusterTrainingRuntime"): "training",
    ("trainer.kubeflow.org", "TrainJob"): "training",
    ("trainer.kubeflow.org", "TrainingRuntime"): "training",
    # steps of pipelines
    ("argoproj.io", "ClusterWorkflowTemplate"): "pipeline",
    ("argoproj.io", "CronWorkflow"): "pipeline",
    ("argoproj.io", "Workflow"): "pipeline",
    ("argoproj.io", "WorkflowTemplate"): "pipeline",
    ("tekton.dev", "PipelineRun"): "pipeline",
    ("tekton.dev", "Task"): "pipeline",
    ("tekton.dev", "TaskRun"): "pipeline",
    # stores
    ("feast.dev", "FeatureStore"): "feature-store",
    ("modelregistry.opendatahub.io", "ModelRegistry"): "model-registry",
    # monitoring
    ("grafana.integreatly.org", "Grafana"): "monitoring",
    ("jaegertracing.io", "Jaeger"): "monitoring",
    ("monitoring.coreos.com", "Alertmanager"): "monitoring",
    ("monitoring.coreos.com", "Prometheus"): "monitoring",
    ("monitoring.coreos.com", "PrometheusAgent"): "monitoring",
    ("monitoring.coreos.com", "ThanosRuler"): "monitoring",
    ("opentelemetry.io", "OpenTelemetryCollector"): "monitoring",
    # proxies
    ("gateway.envoyproxy.io", "EnvoyProxy"): "gateway",
}

# Kinds of jobs that mostly train, but run servers and anything else too: they hold where nothing else tells.
WEAK = {("jobset.x-k8s.io", "JobSet"): "training"}

# Kinds whose pods are one program over several: one that tells nothing itself plays the role that another tells.
GROUPS = frozenset(
    {
        ("disaggregatedset.x-k8s.io", "DisaggregatedSet"),
        ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"),
        ("ray.io", "RayCluster"),
    }
)

# Kinds that run to an end: a server in one fetches, converts or applies for itself, and serves nobody.
ENDING = frozenset({("batch", "CronJob"), ("batch", "Job")})

# The end of a pointer to an object inside another: Katib's trials train, whatever kind of job they are.
TRIAL = "/spec/trialTemplate/trialSpec"

# (API group, kind): the part of it whose pods play another role. KServe's scheduler of an LLM is an endpoint picker.
PARTS = {
    ("serving.kserve.io", "LLMInferenceService"): {"scheduler": "picker"},
    ("serving.kserve.io", "LLMInferenceServiceConfig"): {"scheduler": "picker"},
}
