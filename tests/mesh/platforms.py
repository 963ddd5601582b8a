"""The chart with a test's own values in namespaces of the test's own, beside the release that all tests share."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod

Values = dict[str, Any]

POST = Path(sys.executable).parent / "mlmesh-post"
_NAMES = (
    "inference-service",
    "feature-store",
    "model-registry",
    "training-jobs",
    "pipeline-controller",
    "monitoring-stack",
)
# Of the chart's defaults only settings are left: no component, no route, no model.
_BARE: Values = {
    "components": {name: {"enabled": False} for name in _NAMES},
    "models": {"inference-service": {"enabled": False}},
    "llm": {"llm-service": {"enabled": False}},
    "routes": {"inference-route": {"enabled": False}},
}


def component(namespace: str, app: str, ports: Values | None = None, **more: Any) -> Values:
    """A component of the role inference that the chart deploys, with a Service of these ports."""
    named = [
        {"name": name, "containerPort": each.get("targetPort", each["port"])} for name, each in (ports or {}).items()
    ]
    container = {
        "name": "app",
        "image": "example.com/app:1",
        "ports": named or [{"name": "http", "containerPort": 8080}],
    }
    workload = {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}
    fields = {"role": "inference", "namespace": namespace, "selector": {"app": app}, "workload": workload}
    return {**fields, **({"ports": ports} if ports else {}), **more}


class Platform:
    """A release called `name`.

    With `bare` it has nothing of the chart's defaults but settings, and creates namespaces of its own: `name`-serving,
    `name`-training and `name`-frontend.
    """

    def __init__(self, mesh: Mesh, name: str, folder: Path, *, bare: bool = True) -> None:
        self._mesh = mesh
        self._name = name
        self._folder = folder
        self._there: dict[tuple[str, str, str], Values] = {}
        keys = ("serving", "training", "frontend")
        spaces = {key: {"name": f"{name}-{key}", "create": True} for key in keys}
        mtls = {"ml-mtls": {"namespaces": dict.fromkeys(keys, True)}}
        self._own: list[Values] = [{**_BARE, "namespaces": spaces, "mtls": mtls}] if bare else []

    def turn(self, *values: str | Values, wait: bool = True) -> None:
        """Put the chart with these values in force, each over the ones before: files, or maps."""
        arguments: list[str] = []
        for index, each in enumerate((*self._own, *values)):
            file = self._folder / f"{self._name}-{index}.json"
            if isinstance(each, dict):
                file.write_text(json.dumps(each))
            arguments += ["--values", str(file) if isinstance(each, dict) else each]
        done = self._mesh.helm.run(
            "template", self._name, "chart/", "--skip-tests", "--namespace", "ml-mesh", *arguments
        )
        assert done.returncode == 0, done.stderr
        done = subprocess.run([str(POST)], input=done.stdout, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        wanted = {
            (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each
            for each in yaml.safe_load_all(done.stdout)
            if each
        }
        self._delete(each for key, each in self._there.items() if key not in wanted)
        self._there = wanted
        self._mesh.apply(done.stdout)
        if wait:
            self._mesh.wait_for_pods()

    def pod(self, key: str, app: str) -> Pod:
        """The pod of a component in the namespace with this key."""
        return self._mesh.pod(f"{self._name}-{key}", app=app)

    def gateway(self, name: str = "ml-gateway") -> Pod:
        """The pod of a gateway."""
        return self._mesh.pod(f"{self._name}-serving", **{"gateway.networking.k8s.io/gateway-name": name})

    def end(self) -> None:
        """Delete all of it, and let no pod take its time, for which the next test would wait."""
        spaces = [each["metadata"]["name"] for each in self._there.values() if each["kind"] == "Namespace"]
        self._delete(iter(self._there.values()))
        for space in spaces:
            flags = ("--grace-period=1", "--wait=false")
            self._mesh.cluster.kubectl("delete", "pods", "--all", "--namespace", space, *flags)
        self._there = {}

    def _delete(self, objects: Iterator[Values]) -> None:
        text = yaml.safe_dump_all(objects)
        if text:
            self._mesh.cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=text)


@contextmanager
def standing(mesh: Mesh, name: str, folder: Path, *, bare: bool = True) -> Iterator[Platform]:
    """A platform that nothing stands of yet, and nothing is left of afterwards."""
    platform = Platform(mesh, name, folder, bare=bare)
    try:
        yield platform
    finally:
        platform.end()
