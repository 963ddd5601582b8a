"""Documents of a mesh that is all rules: the post-renderer reads each of them, and each refers to others.

Every function takes a number and returns one document's text, another one for every number.
"""

from benchmarks.words import NAMESPACE, head
from benchmarks.workloads import app


def gateway_route(number: int) -> str:
    """An HTTPRoute of a shared gateway: a chat rule, which gets a timeout, and a rule that is left alone."""
    name = app(number)
    backends = f"    backendRefs:\n    - name: {name}\n      port: 8080\n"
    rules = ""
    for path in ("/v1/chat/completions", "/health"):
        rules += f"  - matches:\n    - path:\n        type: Exact\n        value: {path}\n{backends}"
    parents = "  parentRefs:\n  - name: ml-gateway\n    sectionName: https\n"
    hosts = f"  hostnames:\n  - {name}.ml.example.com\n"
    return head("gateway.networking.k8s.io/v1", "HTTPRoute", name) + f"spec:\n{parents}{hosts}  rules:\n{rules}"


def scope(number: int) -> str:
    """A Sidecar that lets the app see its own namespace, the mesh's, and one host of another."""
    name = app(number)
    selector = f"  workloadSelector:\n    labels:\n      app: {name}\n"
    other = f"ml-registry/{name}.ml-registry.svc.cluster.local"
    egress = f'  egress:\n  - hosts:\n    - "./*"\n    - "istio-system/*"\n    - "{other}"\n'
    return head("networking.istio.io/v1", "Sidecar", name) + f"spec:\n{selector}{egress}"


def outside(number: int) -> str:
    """A ServiceEntry for a host that the app downloads from."""
    name = app(number)
    ports = "  ports:\n  - number: 443\n    name: tls\n    protocol: TLS\n"
    hosts = f"  hosts:\n  - {name}.store.example.com\n"
    spec = f'spec:\n{hosts}  exportTo:\n  - "."\n  location: MESH_EXTERNAL\n  resolution: DNS\n{ports}'
    return head("networking.istio.io/v1", "ServiceEntry", name) + spec


def strictness(number: int) -> str:
    """A PeerAuthentication of the app, with one port that takes plaintext."""
    name = app(number)
    ports = '  portLevelMtls:\n    "9090":\n      mode: PERMISSIVE\n'
    spec = f"spec:\n  selector:\n    matchLabels:\n      app: {name}\n  mtls:\n    mode: STRICT\n{ports}"
    return head("security.istio.io/v1", "PeerAuthentication", name) + spec


def callers(number: int) -> str:
    """An AuthorizationPolicy that lets another app's identity send requests of one method to some paths."""
    name = f"{app(number)}-callers"
    source = f'  - from:\n    - source:\n        principals: ["cluster.local/ns/{NAMESPACE}/sa/{app(number // 2)}"]\n'
    methods = '    to:\n    - operation:\n        methods: ["POST"]\n'
    paths = '        paths: ["/v1/chat/completions", "/v1/models/*"]\n'
    selector = f"  selector:\n    matchLabels:\n      app: {app(number)}\n"
    spec = f"spec:\n  action: ALLOW\n{selector}  rules:\n{source}{methods}{paths}"
    return head("security.istio.io/v1", "AuthorizationPolicy", name) + spec
