"""A real API server accepts what the chart renders with every option, by its own validation."""

import json

import pytest

from tests.cluster.releases import INSTALL, Releases

# No cluster has the kind PodMonitor of itself.
FULL = "-f tests/chart/full.yaml --set monitors.enabled=false"
DERIVED = {
    "AuthorizationPolicy ml-serving/inference-access",
    "AuthorizationPolicy ml-serving/inference-service-refuse",
    "AuthorizationPolicy ml-training/pipeline-controller-access",
    "AuthorizationPolicy ml-serving/ml-gateway-access",
    "PeerAuthentication ml-serving/inference-service-ports",
    "RequestAuthentication ml-serving/users-inference-service",
    "RequestAuthentication ml-serving/users-ml-gateway",
    "Sidecar ml-serving/inference-service",
    "Sidecar ml-training/training-jobs",
    "ServiceEntry ml-serving/api.example.com",
    "ServiceEntry ml-serving/wildcard.storage.example.com",
    "ServiceEntry ml-serving/wildcard.hf.co",
    "DestinationRule ml-serving/api.openai.com",
    "DestinationRule ml-serving/partner.example.com-inference-service",
    "Sidecar ml-serving/default",
    "TLSRoute ml-training/tls-route",
    "ReferenceGrant ml-data/ml-gateway-certificates",
    "ReferenceGrant ml-data/grpc-route-backends",
    "NetworkPolicy ml-serving/inference-service",
    "NetworkPolicy ml-training/training-jobs",
    "InferencePool ml-serving/llm-pool",
    "InferenceObjective ml-serving/interactive",
    "InferenceModelRewrite ml-serving/names",
    "Deployment ml-serving/llm-picker",
    "Service ml-serving/llm-pool-scraped",
    "RoleBinding ml-serving/llm-picker",
    "EnvoyFilter ml-serving/pool-route-split",
    "EnvoyFilter ml-serving/ml-gateway-body-router",
    "ConfigMap ml-serving/ml-gateway-body-router-m",
}


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_every_option_installs(releases: Releases, helm: str) -> None:
    """Each Helm installs all of it at once, and what is derived from the components is there."""
    releases.cluster.kubectl("create", "namespace", "ml-frontend")
    releases.ok(helm, f"{INSTALL} {FULL}")
    assert releases.names() >= DERIVED
    # An upgrade to the defaults takes all of it away again. Helm 4 cannot empty a map that the CRD wants to be one.
    kept = "--set gateways.ml-gateway.infrastructure.annotations.kept=x"
    releases.ok(helm, f"upgrade ml-mesh chart/ --post-renderer mlmesh-post --reset-values {kept}")
    assert releases.names() & DERIVED == {"AuthorizationPolicy ml-serving/inference-access"}


def test_no_field_is_unknown_to_the_server(releases: Releases) -> None:
    """With strict validation the server knows every field: one that it would drop in silence is an error there."""
    releases.cluster.kubectl("create", "namespace", "ml-frontend")
    text = releases.ok("helm3", f"template ml-mesh chart/ {FULL} --skip-tests --set postRenderer.required=false")
    releases.ok("helm3", f"{INSTALL} --set namespaces.data.name=ml-data,namespaces.data.create=true")
    applied = ("apply", "--server-side", "--dry-run=server", "--force-conflicts", "--validate=strict", "-f", "-")
    done = releases.cluster.kubectl(*applied, stdin=text)
    assert done.returncode == 0, done.stderr
    wrong = releases.cluster.kubectl(*applied, stdin=text.replace("portLevelMtls:", "portLevelMtl:"))
    assert "portLevelMtl" in wrong.stderr, json.dumps(wrong.stderr)
