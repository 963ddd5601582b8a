"""Section 4 of the reference design: mutual TLS, and who may call what."""

from collections.abc import Callable

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually

MeasuredBy = Callable[[str, str], None]

INFERENCE = "http://inference-v1.ml-serving:8080"


@pytest.mark.proves("peerauthentications", "ml-mtls")
def test_strict_refuses_plaintext(mesh: Mesh, outsider: Pod, frontend: Pod, measured: MeasuredBy) -> None:
    """A caller without a sidecar gets no answer at all from an ML service; one with a sidecar does."""
    registry = mesh.pod("ml-serving", app="model-registry")
    refused = eventually(
        lambda: (got := outsider.call(f"http://{registry.address}:5000/", timeout=3)).status == 0 and got
    )
    assert refused, "plaintext from outside the mesh was answered"
    assert frontend.call("http://model-registry.ml-serving:5000/").status == 200
    measured(
        "§4 ml-mtls: STRICT refuses plaintext", f"outside the mesh: no answer ({refused.error.split(':')[-1].strip()})"
    )


@pytest.mark.proves("authorizationpolicies", "inference-access")
def test_a_stranger_is_refused(stranger: Pod, frontend: Pod, measured: MeasuredBy) -> None:
    """A principal that inference-access does not name gets 403; the one that it names, 200."""
    assert eventually(lambda: stranger.call(f"{INFERENCE}/v1/models/m").status == 403)
    assert frontend.call(f"{INFERENCE}/v1/models/m").status == 200
    measured("§4 inference-access: principals", "frontend-sa 200, stranger-sa 403")


@pytest.mark.proves("authorizationpolicies", "inference-access")
def test_methods_and_paths_are_those_of_the_design(frontend: Pod, measured: MeasuredBy) -> None:
    """GET and POST below /v1/models/ and /v2/models/, and nothing else; not /v1/models itself either."""
    expected = {
        ("GET", "/v1/models/m"): 200,
        ("POST", "/v1/models/m:predict"): 200,
        ("GET", "/v2/models/m"): 200,
        ("POST", "/v2/models/m/infer"): 200,
        ("DELETE", "/v1/models/m"): 403,
        ("PUT", "/v2/models/m"): 403,
        ("GET", "/v1/models"): 403,
        ("GET", "/v1/chat/completions"): 403,
        ("GET", "/metrics"): 403,
    }
    for (method, path), status in expected.items():
        answered = frontend.call(INFERENCE + path, "--method", method).status
        assert answered == status, f"{method} {path}: {answered} instead of {status}"
    allowed = sum(status == 200 for status in expected.values())
    measured("§4 inference-access: methods and paths", f"{allowed} allowed, {len(expected) - allowed} refused with 403")


@pytest.mark.proves(
    "gateways.gateway.networking.k8s.io",
    "ml-gateway",
    part="/metadata/annotations/gateway.istio.io~1service-account",
)
def test_the_gateway_calls_as_gateway_sa(mesh: Mesh, outsider: Pod, measured: MeasuredBy) -> None:
    """Through a route of the gateway to the guarded service a request is let in, and the app sees gateway-sa."""
    mesh.apply(PROBE)
    try:
        gateway = mesh.pod("ml-serving", **{"gateway.networking.k8s.io/gateway-name": "ml-gateway"})
        url, host = f"http://{gateway.address}/v1/models/m", "Host: probe.ml.example.com"
        answer = eventually(lambda: (got := outsider.call(url, "--header", host)).status != 404 and got)
        assert answer, "404"
        assert answer.status == 200, answer
        caller = answer.json["headers"]["x-forwarded-client-cert"]
        assert "URI=spiffe://cluster.local/ns/ml-serving/sa/gateway-sa" in caller
        measured("§4 the gateway's identity", "200 from the guarded service, which sees …/sa/gateway-sa")
    finally:
        mesh.cluster.kubectl("delete", "httproute", "probe", "-n", "ml-serving")


def test_without_the_annotation_gateway_sa_is_nobody(mesh: Mesh, outsider: Pod, measured: MeasuredBy) -> None:
    """The design names gateway-sa, but istiod runs the Gateway as `ml-gateway-istio`, which the service refuses."""
    part = "/metadata/annotations/gateway.istio.io~1service-account"
    mesh.apply(PROBE)
    try:
        with mesh.without("gateways.gateway.networking.k8s.io", "ml-gateway", part=part):

            def refused() -> bool:
                gateway = mesh.pods("ml-serving", **{"gateway.networking.k8s.io/gateway-name": "ml-gateway"})
                url = f"http://{gateway[0].address}/v1/models/m"
                return outsider.call(url, "--header", "Host: probe.ml.example.com").status == 403

            assert eventually(refused)
    finally:
        mesh.cluster.kubectl("delete", "httproute", "probe", "-n", "ml-serving")
    measured(
        "§4 as written: gateway-sa without the annotation", "403: the gateway is ml-gateway-istio, whom no rule names"
    )


PROBE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: probe, namespace: ml-serving}
spec:
  parentRefs: [{name: ml-gateway}]
  hostnames: [probe.ml.example.com]
  rules:
    - backendRefs: [{name: inference-v1, port: 8080}]
"""
