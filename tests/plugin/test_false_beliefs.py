"""What is believed of Istio and is not so: nothing is said of it."""

from mlmesh.post_renderer import post_render
from tests.support.rule_cases import CASES
from tests.support.streams import codes, rendered

STRICT = """\
apiVersion: v1
kind: Namespace
metadata: {name: ml, labels: {istio-injection: enabled}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: ml}
spec: {mtls: {mode: STRICT}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: llm, namespace: ml}
spec:
  selector: {matchLabels: {app: llm}}
  template:
    metadata: {labels: {app: llm}}
    spec:
      initContainers:
        - name: cache
          image: example.com/cache:1
          restartPolicy: Always
          ports: [{name: http-cache, containerPort: 8001}]
          startupProbe: {httpGet: {path: /health, port: http-cache}}
      containers:
        - name: server
          image: example.com/llm:1
          ports: [{name: http, containerPort: 8000}]
          startupProbe: {httpGet: {path: /health, port: http}}
          readinessProbe: {grpc: {port: 8000}}
          livenessProbe: {tcpSocket: {port: http}}
"""
ALLOW = """\
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: llm, namespace: ml}
spec:
  selector: {matchLabels: {app: llm}}
  rules: [{from: [{source: {principals: [cluster.local/ns/ml/sa/default]}}], to: [{operation: {paths: [/v1/*]}}]}]
"""


def test_strict_and_allow_do_not_break_the_kubelets_probes() -> None:
    """The injector has probes of every kind sent to the agent, those of init containers too, past mTLS and policies."""
    assert codes(rendered(STRICT + ALLOW)) == []


GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: ml}
spec:
  gatewayClassName: istio
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: v1
kind: Service
metadata: {name: llm, namespace: ml}
spec: {selector: {app: llm}, ports: [{name: http, port: 8000}]}
---
"""
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: llm, namespace: ml}
spec:
  parentRefs: [{name: gw}]
  rules:
    - matches: [{path: {type: Exact, value: PATH}}]
      TIMEOUTS
      backendRefs: [{name: llm, port: 8000}]
"""


def spoken_of(path: str, timeouts: str) -> list[tuple[str, str]]:
    """What is said of a route on a gateway of Istio's as it is, in a release where nothing else is told."""
    text = GATEWAY + ROUTE.replace("PATH", path).replace("TIMEOUTS", timeouts)
    found = post_render(text.encode(), [], namespace="ml", as_it_is=True).findings
    return [(each.code, each.severity) for each in found if each.severity != "info"]


def test_a_gateway_does_not_end_a_stream_that_is_idle_for_five_minutes() -> None:
    """Istio sets Envoy's stream idle timeout to 0, but with the profile EDGE: a longer timeout holds."""
    assert spoken_of("/v1/chat/completions", "timeouts: {request: 3600s}") == []


def test_a_route_without_a_timeout_is_not_cut_at_15_seconds() -> None:
    """Envoy's 15 s never apply in Istio: of a route of unknown type without a timeout there is nothing to say."""
    assert spoken_of("/anything", "name: rule") == []


def test_a_503_is_not_repeated_by_default() -> None:
    """Istio's own retries are for what no server began: a generation without retries of its own is not run twice."""
    virtual_service = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: llm, namespace: ml}
spec:
  hosts: [llm]
  http:
  - match: [{uri: {exact: /v1/chat/completions}}]
    timeout: 600s
    route: [{destination: {host: llm}}]
"""
    found = post_render((GATEWAY + virtual_service).encode(), [], namespace="ml", as_it_is=True).findings
    assert [each.code for each in found] == []


def test_connection_limits_are_not_1024_by_default() -> None:
    """Istio lifts Envoy's limits: a DestinationRule without any has none that would be too low."""
    rule = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: llm, namespace: ml}
spec:
  host: llm
  trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}
"""
    found = post_render((GATEWAY + rule).encode(), [], namespace="ml", as_it_is=True).findings
    assert [each.code for each in found] == []


def test_a_pool_needs_no_limits_and_its_load_balancer_does_not_displace_the_picker() -> None:
    """Istio lifts the limits of 1024 where none is set, and puts the picker's choice before a rule's load balancer."""
    pool = (CASES / "MLM602" / "good.yaml").read_text()
    rule = """\
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: pool, namespace: ml}
spec:
  host: "*.ml.svc.cluster.local"
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
"""
    for text in (pool, pool + rule):
        assert [found for found in codes(rendered(text)) if found[1] != "info"] == []
