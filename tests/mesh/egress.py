"""Hosts outside the mesh: servers without a sidecar under names of their own, and a platform that calls them."""

import subprocess
from typing import Any

import yaml

from dev.mesh.lab import Mesh

# Whose server asks callers for a certificate: by file, and by Secret.
PARTNERS = ("partner.example.com", "secret.example.com")
LISTED = ("hub.example.com", "plain.example.com", "api.example.com", "map.example.com", "limits.example.com")
COVERED = ("a.store.example.com", "a.b.store.example.com", "a.dynamic.example.com", "a.wrapped.example.com")
UNLISTED = "elsewhere.example.com"
FORGED = "forged.example.org"  # listed; the server's certificate is for others
CLOSED, OPEN = "egress", "egress-open"  # namespaces


class Outside:
    """The servers outside; `ca` is the file of the authority that signed for them."""

    def __init__(self, mesh: Mesh) -> None:
        self.folder = mesh.home / "certificates"
        self.folder.mkdir(mode=0o755)
        self.ca = str(self.folder / "ca.pem")
        hosts = [word for name in (*LISTED, *COVERED, *PARTNERS, UNLISTED) for word in ("--host", name)]
        program = str(mesh.home / "bin" / "mesh-app")
        subprocess.run([program, "certificate", "--folder", str(self.folder), *hosts], check=True)
        mesh.apply(yaml.safe_dump_all([self._server("hub"), self._server("partner", mutual=True)]))
        mesh.wait_for_pods()
        self.hub = mesh.pod("outside", app="hub")
        self.partner = mesh.pod("outside", app="partner")

    @property
    def aliases(self) -> list[dict[str, Any]]:
        """How a pod resolves the names, as its spec has it."""
        return [
            {"ip": self.hub.address, "hostnames": [*LISTED, *COVERED, UNLISTED, FORGED]},
            {"ip": self.partner.address, "hostnames": list(PARTNERS)},
        ]

    def _server(self, name: str, *, mutual: bool = False) -> dict[str, Any]:
        variables = [{"name": "CERTIFICATES", "value": str(self.folder)}]
        ports = [{"name": "https", "containerPort": 443}]
        if mutual:
            variables.append({"name": "MUTUAL", "value": "yes"})
        else:
            ports.append({"name": "http", "containerPort": 80})
        container = {"name": "app", "image": "server", "env": variables, "ports": ports}
        metadata = {"name": name, "namespace": "outside", "labels": {"app": name}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def values(outside: Outside) -> dict[str, Any]:
    """The platform's values: one component that may call what it lists, one that may call all, and one by itself."""
    off: dict[str, Any] = {"enabled": False}
    container = {"name": "app", "image": "caller", "ports": [{"name": "http", "containerPort": 8080}]}
    pods = {"spec": {"hostAliases": outside.aliases, "containers": [container]}}
    workload = {"kind": "Deployment", "spec": {"template": pods}}
    trusting = {"mode": "SIMPLE", "caCertificates": outside.ca}
    own = {"clientCertificate": str(outside.folder / "cert.pem"), "privateKey": str(outside.folder / "key.pem")}
    ejecting = {"consecutive5xxErrors": 3, "interval": "1s", "baseEjectionTime": "60s", "maxEjectionPercent": 100}
    hosts = {
        "hub.example.com": {},
        "plain.example.com": {"port": 80, "protocol": "HTTP"},
        "api.example.com": {"tls": trusting},
        "limits.example.com": {"tls": trusting, "trafficPolicy": {"outlierDetection": ejecting}},
        "map.example.com": {"tls": {"mode": "SIMPLE", "credentialName": f"configmap://{CLOSED}/authority"}},
        FORGED: {"tls": trusting},
        "partner.example.com": {"tls": {**trusting, **own, "mode": "MUTUAL"}},
        "secret.example.com": {"tls": {"mode": "MUTUAL", "credentialName": "partner"}},
        "*.store.example.com": {},
        "*.dynamic.example.com": {"resolution": "DYNAMIC_DNS"},
        "*.wrapped.example.com": {"resolution": "DYNAMIC_DNS", "tls": trusting},
    }
    chat = {"timeout": "3s", "attempts": 1, "perTryTimeout": "1s", "retryOn": "connect-failure,503"}
    endpoints = {"chat": {"prefix": "/v1/chat/completions"}}
    component = {"role": "training", "namespace": "training", "selector": {"app": "alone"}, "workload": workload}
    return {
        "namespaces": {"serving": {"name": CLOSED}, "training": {"name": OPEN}},
        "egress": {"outboundTrafficPolicy": {"serving": "REGISTRY_ONLY"}},
        "gateways": {"ml-gateway": off},
        "routes": {"inference-route": off},
        "models": {"inference-service": off},
        "llm": {
            "llm-service": off,
            "api.example.com": {"namespace": "serving", "route": {"name": "api"}, "endpoints": endpoints},
        },
        "components": {
            **dict.fromkeys(("inference-service", "feature-store", "pipeline-controller", "monitoring-stack"), off),
            "model-registry": {"workload": workload, "calls": {"hosts": hosts}},
            "training-jobs": {"workload": workload},
            "alone": {
                **component,
                "calls": {"outboundTrafficPolicy": "REGISTRY_ONLY", "hosts": {"hub.example.com": {}}},
            },
        },
        "policy": {"endpoints": {"types": {"chat": chat}}},
    }
