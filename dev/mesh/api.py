"""The few calls of the Kubernetes API that a kubelet makes, as JSON over HTTPS."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from dev.progress import StepError

Object = dict[str, Any]

_SECONDS = 30


class Api:
    """The API server that a kubeconfig (as `dev.cluster` writes it: JSON, one cluster, one token) leads to."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self.server: str = cluster["server"]
        self.authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._token = config["users"][0]["user"]["token"]
        handlers = (
            urllib.request.ProxyHandler({}),  # a proxy of the user's must not see this
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=self.authority)),
        )
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str) -> Object | None:
        """The object at `path`, None where there is none."""
        return self._call("GET", path)

    def items(self, path: str) -> list[Object]:
        """The objects of the list at `path`; empty where the API has no such kind."""
        found = self._call("GET", path)
        return found["items"] if found else []

    def create(self, path: str, body: Object) -> Object | None:
        """Create an object, or call a subresource such as `token`; None where what it belongs to is gone."""
        return self._call("POST", path, body)

    def merge(self, path: str, body: Object) -> None:
        """Apply a JSON merge patch; nothing happens where the object is gone."""
        self._call("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        """Delete an object at once, without a grace period; fine if it is gone."""
        self._call("DELETE", path, {"gracePeriodSeconds": 0})

    def _call(
        self, method: str, path: str, body: Object | None = None, kind: str = "application/json"
    ) -> Object | None:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        request = urllib.request.Request(  # noqa: S310 (always https)
            self.server + path, data=data, headers=headers, method=method
        )
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                found: Object = json.loads(answer.read())
                return found
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            if error.code == 404:
                return None
            raise StepError(f"{method} {path}: {error.code} {text}") from None
        except OSError as error:
            raise StepError(f"{method} {path}: {error}") from None


def pod_path(namespace: str, name: str, subresource: str = "") -> str:
    """The path of a pod in the API."""
    return f"/api/v1/namespaces/{namespace}/pods/{name}" + (f"/{subresource}" if subresource else "")
