"""What well-known labels tell: keys of projects' own, on the pod template or on its object.

``app``, ``app.kubernetes.io/name``, ``tier`` and ``role`` name whatever their author liked, a test's pods too; a
queue's label (Kueue's, Volcano's) is on servers and on training alike. None of them has a row.
"""

# key: the role, whatever the value; or the role by value
LABELS: dict[str, str | dict[str, str]] = {
    # proxies: Istio's gateways, and what controllers deploy for a Gateway (gateway-api geps/gep-1762)
    "gateway.envoyproxy.io/owning-gateway-name": "gateway",
    "gateway.networking.k8s.io/gateway-name": "gateway",
    "istio": {"eastwestgateway": "gateway", "egressgateway": "gateway", "ingressgateway": "gateway"},
    # endpoint pickers: the charts of the Inference Extension and of llm-d
    "inferencepool": "picker",
    # model servers
    "ai.gke.io/inference-server": "inference",
    "ai.gke.io/model": "inference",
    "app.kubernetes.io/component": {
        "metrics": "monitoring",  # exporters, kube-state-metrics
        "serving-engine": "inference",  # vLLM's production stack
    },
    "component": {"model-registry-server": "model-registry"},  # Kubeflow's model registry
    "llm-d.ai/component": {
        "decode": "inference",
        "encode": "inference",
        "prefill": "inference",
    },
    "llm-d.ai/engine-type": "inference",
    "llm-d.ai/inference-serving": {"true": "inference"},
    "llm-d.ai/inferenceServing": {"true": "inference"},
    "llm-d.ai/role": "inference",
    "serving.kserve.io/inferenceservice": "inference",
    "serving.kserve.io/servingruntime": "inference",
    # training, and what controllers set on the pods of a running cluster
    "trainer.kubeflow.org/framework": "training",
    "trainer.kubeflow.org/trainjob-ancestor-step": "training",
    "training.kubeflow.org/job-name": "training",
    "ray.io/originated-from-crd": {"RayJob": "training", "RayService": "inference"},
    # pipelines
    "katib.kubeflow.org/component": {"controller": "pipeline", "db-manager": "pipeline"},
    "tekton.dev/pipelineRun": "pipeline",
    "workflows.argoproj.io/workflow": "pipeline",
}

# The same for annotations of the pod template: Istio's gateways are injected from a template of their own.
ANNOTATIONS: dict[str, str | dict[str, str]] = {"inject.istio.io/templates": {"gateway": "gateway"}}
