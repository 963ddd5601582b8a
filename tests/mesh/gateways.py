"""A platform behind gateways: one of its own with certificates and backends elsewhere, and one that exists already."""

import base64
import subprocess
from pathlib import Path
from typing import Any

from dev.mesh.lab import Mesh

EDGE, MODELS, KEYS, INGRESS = "edge", "edge-models", "edge-keys", "edge-ingress"  # namespaces
DOMAIN = "edge.example.com"
BUFFER = 4 << 20  # bytes: what the gateway keeps of a body


def certificates(mesh: Mesh) -> Path:
    """The folder with an authority and what it signed for every name of the domain."""
    folder = mesh.home / "edges"
    folder.mkdir(mode=0o755)
    names = [word for name in (f"*.{DOMAIN}", f"passed.{DOMAIN}") for word in ("--host", name)]
    program = str(mesh.home / "bin" / "mesh-app")
    subprocess.run([program, "certificate", "--folder", str(folder), *names], check=True)
    return folder


def first(folder: Path) -> list[dict[str, Any]]:
    """What others own: the certificate, and the gateway that exists, open to every namespace."""

    def encoded(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    data = {"tls.crt": encoded("cert.pem"), "tls.key": encoded("key.pem")}
    open_to_all = {"namespaces": {"from": "All"}}
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": open_to_all}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "certificate", "namespace": KEYS},
            "data": data,
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "existing", "namespace": INGRESS},
            "spec": {"gatewayClassName": "istio", "listeners": [listener]},
        },
    ]


def values(folder: Path) -> dict[str, Any]:
    """The platform: a server elsewhere, one that only the existing gateway may call, and one that ends TLS itself."""
    off: dict[str, Any] = {"enabled": False}
    namespaces = {name: {"name": name, "create": True} for name in (MODELS, KEYS, INGRESS)}

    def server(name: str, namespace: str, port: str, number: int, **rest: Any) -> dict[str, Any]:
        variables = [{"name": "CERTIFICATES", "value": str(folder)}]
        container = {
            "name": "app",
            "image": "server",
            "ports": [{"name": port, "containerPort": number}],
            "env": variables,
        }
        workload = {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}
        place = {"role": "inference", "namespace": namespace, "selector": {"app": name}}
        return {**place, "ports": {port: {"port": number}}, "workload": workload, **rest}

    def route(gateway: str, listener: str, name: str, backend: str, port: int, **rest: Any) -> dict[str, Any]:
        place = {"kind": "HTTPRoute", "namespace": "serving", "gateway": gateway, "listener": listener}
        target = {backend: {"port": port, **rest.pop("target", {})}}
        return {**place, "hostnames": [f"{name}.{DOMAIN}"], "rules": {"all": {"backends": target}}, **rest}

    secret = {"mode": "Terminate", "certificateRefs": [{"name": "certificate", "namespace": KEYS}]}
    listeners = {
        "http": {"port": 80, "protocol": "HTTP"},
        "https": {"port": 443, "protocol": "HTTPS", "tls": secret},
        "tls": {"port": 8443, "protocol": "TLS", "tls": {"mode": "Passthrough"}},
    }
    front = {"namespace": "serving", "gatewayClassName": "istio", "listeners": listeners}
    excused = {"allow.mlmesh.dev/MLM402": "shows that the rule lets no other gateway in"}
    names = ("inference-service", "feature-store", "model-registry", "training-jobs", "pipeline-controller")
    return {
        "namespaces": {
            **namespaces,
            "serving": {"name": EDGE},
            "training": {"name": EDGE + "-training", "create": False},
        },
        "telemetry": {"ml-telemetry": off},
        "models": {"inference-service": off},
        "llm": {"llm-service": off},
        "gateways": {
            "ml-gateway": off,
            "front": {**front, "connectionSettings": {"listenerPerConnectionBufferLimitBytes": BUFFER}},
            "existing": {"create": False, "namespace": INGRESS},
        },
        "components": {
            **dict.fromkeys((*names, "monitoring-stack"), off),
            "server": server("server", MODELS, "http", 8080),
            "guarded": server("guarded", "serving", "http", 8080, accepts={"edge": {"gateways": {"existing": True}}}),
            "passed": server("passed", "serving", "https", 8443),
        },
        "routes": {
            "inference-route": off,
            "secure": route("front", "https", "secure", "server", 8080, target={"namespace": MODELS}),
            "foreign": route("front", "http", "foreign", "server", 8080, namespace=MODELS),
            "passed": route("front", "tls", "passed", "passed", 8443, kind="TLSRoute"),
            "adopted": route("existing", "", "adopted", "guarded", 8080),
            "refused": route("front", "http", "refused", "guarded", 8080, annotations=excused),
        },
    }
