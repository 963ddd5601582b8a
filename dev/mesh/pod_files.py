"""The files that a kubelet mounts into a pod: tokens, the root certificate, labels and annotations."""

import base64
import json
import os
import time
from pathlib import Path

from dev.mesh.api import Api, Object
from dev.progress import StepError

PROXY_USER = 1337  # whose traffic the sidecar's own capture leaves alone

_TOKEN_SECONDS = 6 * 3600
_AUTHORITY_SECONDS = 60


def write_proxy_files(api: Api, pod: Object, folder: Path, bootstrap: Path) -> None:
    """What pilot-agent reads and writes relative to its working directory, which is the pod's folder.

    `bootstrap` is the template of Envoy's bootstrap. All of it belongs to the proxy's user. Raises StepError where
    istiod has not put its root certificate into the namespace within a minute.
    """
    metadata = pod["metadata"]
    texts = {
        "var/run/secrets/tokens/istio-token": _token(api, pod, "istio-ca"),
        "var/run/secrets/istio/root-cert.pem": _root_certificate(api, metadata["namespace"]),
        "var/lib/istio/envoy/envoy_bootstrap_tmpl.json": bootstrap.read_text(),
    }
    for key in ("labels", "annotations"):  # as the downward API writes them
        pairs = sorted((metadata.get(key) or {}).items())
        texts[f"etc/istio/pod/{key}"] = "\n".join(f"{name}={json.dumps(value)}" for name, value in pairs)
    for path, text in texts.items():
        _write(folder / path, text)
    secrets = ("workload-spiffe-uds", "credential-uds", "workload-spiffe-credentials")
    for path in ("etc/istio/proxy", "var/lib/istio/data", *(f"var/run/secrets/{each}" for each in secrets)):
        (folder / path).mkdir(parents=True, exist_ok=True)
    for place in (folder, *folder.rglob("*")):
        os.chown(place, PROXY_USER, PROXY_USER)


def write_kubeconfig(api: Api, pod: Object, folder: Path) -> None:
    """`kubeconfig`, for an app that talks to the API with the pod's own identity."""
    authority = base64.b64encode(api.authority.encode()).decode()
    server = {"server": "https://kubernetes.default.svc:6443", "certificate-authority-data": authority}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "mesh", "cluster": server}],
        "users": [{"name": "pod", "user": {"token": _token(api, pod)}}],
        "contexts": [{"name": "pod", "context": {"cluster": "mesh", "user": "pod"}}],
        "current-context": "pod",
    }
    _write(folder / "kubeconfig", json.dumps(config))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def _token(api: Api, pod: Object, audience: str = "") -> str:
    metadata = pod["metadata"]
    bound = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
    spec: Object = {"expirationSeconds": _TOKEN_SECONDS, "boundObjectRef": bound}
    if audience:
        spec["audiences"] = [audience]
    account = pod["spec"].get("serviceAccountName", "default")
    path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = api.create(path, body)
    if answer is None:
        raise StepError(f"{metadata['namespace']}/{metadata['name']} is gone, or its ServiceAccount {account}")
    return str(answer["status"]["token"])


def _root_certificate(api: Api, namespace: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/configmaps/istio-ca-root-cert"
    deadline = time.monotonic() + _AUTHORITY_SECONDS
    while not (found := api.get(path)):
        if time.monotonic() > deadline:
            raise StepError(f"istiod has put no ConfigMap istio-ca-root-cert into {namespace}")
        time.sleep(0.05)
    return str(found["data"]["root-cert.pem"])
