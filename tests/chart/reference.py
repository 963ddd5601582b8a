"""Each field of the reference design: where it stands in the cluster and what it must be.

REFERENCE is what the chart renders with its default values. DERIVED is what the post-renderer adds to that, and
SIDECARS what it adds to the inference pods of values/demo.yaml.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

SERVING = "ml-serving"


class Field(NamedTuple):
    """A section of the reference design, an object in the cluster, an RFC 6901 pointer into it, and the value there."""

    section: int
    api_version: str
    kind: str
    namespace: str
    name: str
    path: str
    value: Any


def _fields(
    section: int, api_version: str, kind: str, name: str, values: Mapping[str, Any], *, namespace: str = SERVING
) -> Iterator[Field]:
    for path, value in values.items():
        yield Field(section, api_version, kind, namespace, name, path, value)


def _breaker(name: str, host: str) -> Iterator[Field]:
    policy = "/spec/trafficPolicy"
    return _fields(
        5,
        "networking.istio.io/v1",
        "DestinationRule",
        name,
        {
            "/spec/host": host,
            f"{policy}/connectionPool/tcp/maxConnections": 1000,
            f"{policy}/connectionPool/http/h2UpgradePolicy": "UPGRADE",
            f"{policy}/connectionPool/http/http1MaxPendingRequests": 1000,
            f"{policy}/connectionPool/http/http2MaxRequests": 1000,
            f"{policy}/connectionPool/http/maxRequestsPerConnection": 100,
            f"{policy}/outlierDetection/consecutive5xxErrors": 5,
            f"{policy}/outlierDetection/interval": "30s",
            f"{policy}/outlierDetection/baseEjectionTime": "60s",
            f"{policy}/outlierDetection/maxEjectionPercent": 50,
            f"{policy}/loadBalancer/simple": "LEAST_REQUEST",
        },
    )


_INJECTED = {
    "/metadata/labels/istio-injection": "enabled",
    "/metadata/annotations/helm.sh~1resource-policy": "keep",
}
_TELEMETRY = {
    "/spec/accessLogging/0/providers/0/name": "envoy",
    "/spec/tracing/0/providers/0/name": "otel-tracing",
    "/spec/tracing/0/randomSamplingPercentage": 10,
}
_RULE = "/spec/http/0"

REFERENCE: list[Field] = [
    *_fields(2, "v1", "Namespace", "ml-serving", _INJECTED, namespace=""),
    *_fields(2, "v1", "Namespace", "ml-training", _INJECTED, namespace=""),
    *_fields(2, "telemetry.istio.io/v1", "Telemetry", "ml-telemetry", _TELEMETRY),
    *_fields(2, "telemetry.istio.io/v1", "Telemetry", "ml-telemetry", _TELEMETRY, namespace="ml-training"),
    *_fields(
        3,
        "gateway.networking.k8s.io/v1",
        "Gateway",
        "ml-gateway",
        {
            "/metadata/annotations/gateway.istio.io~1service-account": "gateway-sa",
            "/spec/gatewayClassName": "istio",
            "/spec/listeners/0/name": "http",
            "/spec/listeners/0/port": 80,
            "/spec/listeners/0/protocol": "HTTP",
            "/spec/listeners/1/name": "grpc",
            "/spec/listeners/1/port": 8081,
            # Gateway API has no protocol GRPC, and istiod leaves such a listener out.
            "/spec/listeners/1/protocol": "HTTP",
        },
    ),
    *_fields(
        3,
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        "inference-route",
        {
            "/spec/parentRefs/0/name": "ml-gateway",
            "/spec/hostnames": ["inference.ml.example.com"],
            "/spec/rules/0/matches/0/path/type": "PathPrefix",
            "/spec/rules/0/matches/0/path/value": "/v1/models",
            "/spec/rules/0/backendRefs/0/name": "kserve-predictor",
            "/spec/rules/0/backendRefs/0/port": 8080,
            "/spec/rules/0/backendRefs/0/weight": 100,
        },
    ),
    *_fields(4, "security.istio.io/v1", "PeerAuthentication", "ml-mtls", {"/spec/mtls/mode": "STRICT"}),
    *_fields(
        4,
        "security.istio.io/v1",
        "AuthorizationPolicy",
        "inference-access",
        {
            "/spec/selector/matchLabels": {"app": "inference-service"},
            "/spec/action": "ALLOW",
            "/spec/rules/0/from/0/source/principals": [
                "cluster.local/ns/ml-frontend/sa/frontend-sa",
                "cluster.local/ns/ml-serving/sa/gateway-sa",
            ],
            "/spec/rules/0/to/0/operation/methods": ["POST", "GET"],
            "/spec/rules/0/to/0/operation/paths": ["/v1/models/*", "/v2/models/*"],
        },
    ),
    *_fields(
        5,
        "networking.istio.io/v1",
        "VirtualService",
        "inference-routing",
        {
            "/spec/hosts": ["inference-service"],
            f"{_RULE}/match": [{"headers": {"x-model-version": {"exact": "v2"}}}],
            f"{_RULE}/route": [{"destination": {"host": "inference-v2", "port": {"number": 8080}}}],
            f"{_RULE}/timeout": "30s",
            f"{_RULE}/retries/attempts": 3,
            f"{_RULE}/retries/perTryTimeout": "10s",
            f"{_RULE}/retries/retryOn": "5xx,reset,connect-failure",
            "/spec/http/1/route": [
                {"destination": {"host": "inference-v1", "port": {"number": 8080}}, "weight": 90},
                {"destination": {"host": "inference-v2", "port": {"number": 8080}}, "weight": 10},
            ],
        },
    ),
    *_breaker("inference-destination", "inference-service"),
    # Envoy applies a DestinationRule to the host that a request is sent to: these two are what guards the versions.
    *_breaker("inference-destination-v1", "inference-v1"),
    *_breaker("inference-destination-v2", "inference-v2"),
    *_fields(
        6,
        "networking.istio.io/v1",
        "VirtualService",
        "llm-timeouts",
        {
            "/spec/hosts": ["llm-service"],
            "/spec/http/0/match": [{"uri": {"prefix": "/v1/chat/completions"}}],
            "/spec/http/0/route": [{"destination": {"host": "llm-service"}}],
            "/spec/http/1/match": [{"uri": {"prefix": "/v1/embeddings"}}],
            "/spec/http/1/route": [{"destination": {"host": "llm-service"}}],
            # Without a rule for all other paths they would be answered 404.
            "/spec/http/2": {"name": "rest", "route": [{"destination": {"host": "llm-service"}}]},
        },
    ),
]

DERIVED: list[Field] = list(
    _fields(
        6,
        "networking.istio.io/v1",
        "VirtualService",
        "llm-timeouts",
        {
            "/spec/http/0/timeout": "120s",
            "/spec/http/0/retries": {"attempts": 2, "perTryTimeout": "60s", "retryOn": "5xx,reset"},
            "/spec/http/1/timeout": "30s",
            "/spec/http/1/retries": {"attempts": 3, "perTryTimeout": "10s"},
        },
    )
)

_ANNOTATION = "/spec/template/metadata/annotations/sidecar.istio.io~1"

SIDECARS: list[Field] = list(
    _fields(
        7,
        "apps/v1",
        "Deployment",
        "inference-v1",
        {
            f"{_ANNOTATION}proxyCPU": "500m",
            f"{_ANNOTATION}proxyMemory": "512Mi",
            f"{_ANNOTATION}proxyCPULimit": "1000m",
            f"{_ANNOTATION}proxyMemoryLimit": "1Gi",
        },
    )
)


def value_at(document: Any, path: str) -> Any:
    """What the RFC 6901 pointer `path` names in `document`. Raises KeyError or IndexError where there is nothing."""
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document
