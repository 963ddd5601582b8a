"""Values that contradict each other, each with what the chart says about them and the nearest values that do not."""

from typing import Any, NamedTuple


class Case(NamedTuple):
    """Values that are refused with `message`, and the nearest ones that are not."""

    name: str
    message: str
    wrong: dict[str, Any]
    right: dict[str, Any]


CONTAINERS = {"template": {"spec": {"containers": [{"name": "a", "image": "a"}]}}}
SECOND_MODEL = {
    "namespace": "serving",
    "versions": {"v1": {"host": "other-v1", "port": 8080, "weight": 1}},
    "route": {"name": "other-routing"},
    "circuitBreaker": {"name": "other-destination", "trafficPolicy": {}},
}


def _component(**fields: Any) -> dict[str, Any]:
    return {"components": {"inference-service": fields}}


def _workload(kind: str, spec: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return _component(workload={"kind": kind, "spec": spec}, **fields)


def _template(metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"template": {"metadata": metadata, "spec": {**CONTAINERS["template"]["spec"], **spec}}}


def _second_model(**fields: Any) -> dict[str, Any]:
    return {"models": {"other": {**SECOND_MODEL, **fields}}}


def _versions(**versions: dict[str, Any]) -> dict[str, Any]:
    return {"models": {"inference-service": {"versions": versions}}}


def _llm(**fields: Any) -> dict[str, Any]:
    return {"llm": {"llm-service": fields}}


def _gateway(**fields: Any) -> dict[str, Any]:
    return {"gateways": {"ml-gateway": fields}}


def _route(**fields: Any) -> dict[str, Any]:
    return {"routes": {"inference-route": fields}}


def _access(**fields: Any) -> dict[str, Any]:
    return {"authorization": {"inference-access": fields}}


CASES = [
    Case(
        "namespace-name-twice",
        "namespaces.serving.name: ml-serving is the name of namespaces.frontend too",
        {"namespaces": {"frontend": {"name": "ml-serving"}}},
        {"namespaces": {"frontend": {"name": "ml-front"}}},
    ),
    Case(
        "revision-without-injection",
        "namespaces.serving.revision: canary would inject sidecars, but namespaces.serving.injection is disabled",
        {"namespaces": {"serving": {"revision": "canary", "injection": "disabled"}}},
        {"namespaces": {"serving": {"revision": "canary"}}},
    ),
    Case(
        "component-namespace",
        "components.inference-service.namespace: there is no namespaces.nowhere",
        _component(namespace="nowhere"),
        _component(namespace="training"),
    ),
    Case(
        "mtls-namespace",
        "mtls.ml-mtls.namespaces.nowhere: there is no namespaces.nowhere",
        {"mtls": {"ml-mtls": {"namespaces": {"nowhere": True}}}},
        {"mtls": {"ml-mtls": {"namespaces": {"nowhere": False}}}},
    ),
    Case(
        "telemetry-namespace",
        "telemetry.ml-telemetry.namespaces.nowhere: there is no namespaces.nowhere",
        {"telemetry": {"ml-telemetry": {"namespaces": {"nowhere": True}}}},
        {"telemetry": {"ml-telemetry": {"namespaces": {"frontend": True}}}},
    ),
    Case(
        "caller-namespace",
        "authorization.inference-access.callers.frontend.namespace: there is no namespaces.nowhere",
        _access(callers={"frontend": {"namespace": "nowhere"}}),
        _access(callers={"frontend": {"namespace": "nowhere", "enabled": False}}),
    ),
    Case(
        "selector-twice",
        "components.model-registry.selector: it is the selector of components.inference-service too, and a pod"
        " has one role",
        {"components": {"model-registry": {"selector": {"app": "inference-service"}}}},
        {"components": {"model-registry": {"selector": {"app": "inference-service"}, "namespace": "training"}}},
    ),
    Case(
        "no-pod-template",
        "components.inference-service.workload.spec.template: a Deployment needs a pod template with containers there",
        _workload("Deployment", {"replicas": 2}),
        _workload("Deployment", {"replicas": 2, **CONTAINERS}),
    ),
    Case(
        "no-pod-template-cronjob",
        "components.inference-service.workload.spec.jobTemplate.spec.template: a CronJob needs a pod template with"
        " containers there",
        _workload("CronJob", {"schedule": "@daily", **CONTAINERS}),
        _workload("CronJob", {"schedule": "@daily", "jobTemplate": {"spec": CONTAINERS}}),
    ),
    Case(
        "own-selector",
        "components.inference-service.workload.spec.selector: the selector is components.inference-service.selector",
        _workload("Deployment", {**CONTAINERS, "selector": {"matchLabels": {"app": "a"}}}),
        _workload("Deployment", CONTAINERS),
    ),
    Case(
        "own-service-account",
        "components.inference-service.workload.spec: the pod's serviceAccountName is"
        " components.inference-service.serviceAccount.name",
        _workload("Deployment", _template({}, {"serviceAccountName": "mine"})),
        _workload("Deployment", CONTAINERS, serviceAccount={"name": "mine", "create": False}),
    ),
    Case(
        "label-against-selector",
        "components.inference-service.workload.spec: the pod's label app contradicts"
        " components.inference-service.selector",
        _workload("Deployment", _template({"labels": {"app": "other"}}, {})),
        _workload("Deployment", _template({"labels": {"app": "inference-service", "tier": "gold"}}, {})),
    ),
    Case(
        "service-account-twice",
        "components.model-registry.serviceAccount.name: components.inference-service creates shared too; write"
        " create: false in one of them",
        {
            "components": {
                "inference-service": {
                    "workload": {"kind": "Deployment", "spec": CONTAINERS},
                    "serviceAccount": {"name": "shared"},
                },
                "model-registry": {
                    "workload": {"kind": "Deployment", "spec": CONTAINERS},
                    "serviceAccount": {"name": "shared"},
                },
            }
        },
        {
            "components": {
                "inference-service": {
                    "workload": {"kind": "Deployment", "spec": CONTAINERS},
                    "serviceAccount": {"name": "shared"},
                },
                "model-registry": {
                    "workload": {"kind": "Deployment", "spec": CONTAINERS},
                    "serviceAccount": {"name": "shared", "create": False},
                },
            }
        },
    ),
    Case(
        "virtual-service-twice",
        "models.other.route.name: inference-routing is the name of models.inference-service.route too",
        _second_model(route={"name": "inference-routing"}),
        _second_model(),
    ),
    Case(
        "virtual-service-twice-llm",
        "llm.llm-service.route.name: inference-routing is the name of models.inference-service.route too",
        _llm(route={"name": "inference-routing"}),
        _llm(route={"name": "llm-routing"}),
    ),
    Case(
        "destination-rule-twice",
        "models.other.circuitBreaker.name: inference-destination-v1 is the name of the rule of"
        " models.inference-service.versions.v1 too",
        _second_model(circuitBreaker={"name": "inference-destination-v1", "trafficPolicy": {}}),
        _second_model(circuitBreaker={"name": "inference-destination-v3", "trafficPolicy": {}}),
    ),
    Case(
        "host-twice-in-a-model",
        "models.inference-service.versions.v2.host: inference-v1 is the host of models.inference-service.versions.v1"
        " too",
        _versions(v2={"host": "inference-v1"}),
        _versions(v2={"host": "inference-v3"}),
    ),
    Case(
        "host-twice",
        "models.other.versions.v1: the host inference-v1 has the circuit breaker of"
        " models.inference-service.versions.v1 already; Istio takes only one",
        _second_model(versions={"v1": {"host": "inference-v1", "port": 8080, "weight": 1}}),
        _second_model(
            versions={"v1": {"host": "inference-v1", "port": 8080, "weight": 1}},
            circuitBreaker={"enabled": False, "name": "unused", "trafficPolicy": {}},
        ),
    ),
    Case(
        "no-weight",
        "models.inference-service.versions: no version that is switched on has a weight above 0, so requests would"
        " have nowhere to go",
        _versions(v1={"enabled": False}, v2={"weight": 0}),
        _versions(v1={"enabled": False}),
    ),
    Case(
        "pinned-without-header",
        "models.inference-service.versionHeader: a version is pinned, and no header names it",
        {"models": {"inference-service": {"versionHeader": ""}}},
        {"models": {"inference-service": {"versionHeader": "", "versions": {"v2": {"pinned": None}}}}},
    ),
    Case(
        "llm-host-is-a-model",
        "llm.inference-service: models.inference-service routes this host already, and Istio takes only one of them",
        {"llm": {"inference-service": {"namespace": "serving", "route": {"name": "other"}, "endpoints": {}}}},
        {"llm": {"inference-service": {"namespace": "training", "route": {"name": "other"}, "endpoints": {}}}},
    ),
    Case(
        "prefix-twice",
        "llm.llm-service.endpoints.embeddings.prefix: /v1/chat/completions is the prefix of endpoint chat too, which"
        " hides it",
        _llm(endpoints={"embeddings": {"prefix": "/v1/chat/completions"}}),
        _llm(endpoints={"embeddings": {"prefix": "/v1/chat"}}),
    ),
    Case(
        "no-listener",
        "gateways.ml-gateway.listeners: no listener is switched on",
        _gateway(listeners={"http": {"enabled": False}, "grpc": {"enabled": False}}),
        _gateway(listeners={"grpc": {"enabled": False}}),
    ),
    Case(
        "gateway-account-of-a-component",
        "gateways.ml-gateway.serviceAccount: components.inference-service creates it, and istiod must create the"
        " ServiceAccount of a gateway itself",
        _workload("Deployment", CONTAINERS, serviceAccount={"name": "gateway-sa"}),
        _workload("Deployment", CONTAINERS, serviceAccount={"name": "gateway-sa", "create": False}),
    ),
    Case(
        "no-gateway",
        "routes.inference-route.gateway: there is no gateways.ml-gateway, or it is switched off",
        _gateway(enabled=False),
        {**_gateway(enabled=False), **_route(enabled=False)},
    ),
    Case(
        "no-such-listener",
        "routes.inference-route.listener: gateways.ml-gateway.listeners has no https, or it is switched off",
        _route(listener="https"),
        _route(listener="http"),
    ),
    Case(
        "closed-listener",
        "routes.inference-route.namespace: gateways.ml-gateway is in another namespace, and none of its listeners has"
        " allowedRoutes.namespaces.from All or Selector",
        _route(namespace="training"),
        {
            **_route(namespace="training"),
            **_gateway(listeners={"http": {"allowedRoutes": {"namespaces": {"from": "All"}}}}),
        },
    ),
    Case(
        "no-rule",
        "routes.inference-route.rules: no rule is switched on",
        _route(rules={"models": {"enabled": False}}),
        _route(rules={"models": {"enabled": True}}),
    ),
    Case(
        "no-backend",
        "routes.inference-route.rules.models.backends: no backend is switched on, so the gateway would answer 500",
        _route(rules={"models": {"backends": {"kserve-predictor": {"enabled": False}}}}),
        _route(rules={"models": {"backends": {"kserve-predictor": {"enabled": False}, "other": {"port": 80}}}}),
    ),
    Case(
        "mtls-twice",
        "mtls.other.namespaces.serving: mtls.ml-mtls holds there already, and Istio takes only one for a namespace",
        {"mtls": {"other": {"mode": "PERMISSIVE", "namespaces": {"serving": True}}}},
        {"mtls": {"other": {"mode": "PERMISSIVE", "namespaces": {"training": True}}}},
    ),
    Case(
        "telemetry-twice",
        "telemetry.other.namespaces.serving: telemetry.ml-telemetry holds there already, and Istio takes only one for a"
        " namespace",
        {"telemetry": {"other": {"namespaces": {"serving": True}}}},
        {"telemetry": {"other": {"namespaces": {"frontend": True}}}},
    ),
    Case(
        "no-component-to-guard",
        "authorization.inference-access.component: there is no components.inference-service, or it is switched off",
        _component(enabled=False),
        {**_component(enabled=False), **_access(component="model-registry")},
    ),
    Case(
        "everybody-may-call",
        "authorization.inference-access.callers: no caller is switched on, and a rule that names nobody means"
        " everybody",
        _access(callers={"frontend": {"enabled": False}, "gateway": {"enabled": False}}),
        _access(callers={"frontend": {"enabled": False}}),
    ),
]
