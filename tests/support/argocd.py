"""Argo CD's plugin server, as far as a plugin sees it: the commands of a plugin.yaml in a copy of a repository.

After cmpserver/plugin/plugin.go, and getPluginEnvs in reposerver/repository/repository.go, of Argo CD 3.5.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

NO_FILE = {"__pycache__", ".git"}


class PluginServer:
    """Runs a plugin.yaml's commands with the sidecar's environment, each ended after `limit` seconds."""

    def __init__(self, plugin: Path, sidecar: Mapping[str, str], limit: float = 60) -> None:
        self.spec: dict[str, Any] = yaml.safe_load(plugin.read_text())["spec"]
        self.sidecar = dict(sidecar)
        self.limit = limit

    def manifests(self, repository: Path, application: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        """`init`, then `generate`, in the application's folder; the first that fails, else what `generate` gave."""
        with self._folder(repository, application) as folder:
            environment = {**self.sidecar, **environ(application)}
            if self.spec.get("init"):
                done = self._run(self.spec["init"], folder, environment)
                if done.returncode:
                    return done
            return self._run(self.spec["generate"], folder, environment)

    def matches(self, repository: Path, application: Mapping[str, Any]) -> bool | None:
        """Whether `discover` finds the application to be the plugin's; None where it is not defined."""
        discover = self.spec.get("discover") or {}
        find = discover.get("find") or {}
        with self._folder(repository, application) as folder:
            if discover.get("fileName"):
                return any(folder.glob(discover["fileName"].removeprefix("./")))
            if find.get("glob"):
                return any(folder.glob(find["glob"]))
            if find.get("command"):
                done = self._run(find, folder, {**self.sidecar, **environ(application)})
                assert done.returncode == 0, done.stderr
                return bool(done.stdout)
        return None

    def announced(self, repository: Path, application: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The parameters that the UI shows: dynamic ones, then static ones."""
        parameters = self.spec.get("parameters") or {}
        dynamic = []
        if parameters.get("dynamic"):
            with self._folder(repository, application) as folder:
                done = self._run(parameters["dynamic"], folder, {**self.sidecar, **environ(application)})
                assert done.returncode == 0, done.stderr
                dynamic = json.loads(done.stdout)
        return [*dynamic, *parameters.get("static", ())]

    @contextmanager
    def _folder(self, repository: Path, application: Mapping[str, Any]) -> Iterator[Path]:
        """The application's folder in a copy of the repository, in which no file is executable."""
        with TemporaryDirectory() as work:
            copy = Path(work) / "0f3c"
            shutil.copytree(
                repository, copy, symlinks=True, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(*NO_FILE)
            )
            yield copy / application["spec"]["source"]["path"]

    def _run(
        self, command: Mapping[str, list[str]], folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        arguments = [*command["command"], *command.get("args", ())]
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            told = process.communicate(timeout=self.limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                told = process.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                told = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, *told)


def environ(application: Mapping[str, Any]) -> dict[str, str]:
    """What the repo server tells a plugin of an application."""
    source, plugin = application["spec"]["source"], application["spec"]["source"].get("plugin") or {}
    made = {
        "ARGOCD_APP_NAME": application["metadata"]["name"],
        "ARGOCD_APP_NAMESPACE": application["spec"]["destination"]["namespace"],
        "ARGOCD_APP_PROJECT_NAME": application["spec"]["project"],
        "ARGOCD_APP_REVISION": "f913b6cbf58aa5ae5ca1f8a2b149477aebcbd9d8",
        "ARGOCD_APP_REVISION_SHORT": "f913b6c",
        "ARGOCD_APP_REVISION_SHORT_8": "f913b6cb",
        "ARGOCD_APP_SOURCE_REPO_URL": source["repoURL"],
        "ARGOCD_APP_SOURCE_PATH": source["path"],
        "ARGOCD_APP_SOURCE_TARGET_REVISION": source["targetRevision"],
        "KUBE_VERSION": "1.36.3",
        "KUBE_API_VERSIONS": "v1,apps/v1,apps/v1/Deployment,networking.istio.io/v1",
    }
    made |= {f"ARGOCD_ENV_{entry['name']}": entry["value"] for entry in plugin.get("env", ())}
    parameters = plugin.get("parameters") or []
    made["ARGOCD_APP_PARAMETERS"] = json.dumps(parameters or None)
    for parameter in parameters:
        base = "PARAM_" + _escaped(parameter["name"])
        if "string" in parameter:
            made[base] = parameter["string"]
        made |= {f"{base}_{_escaped(key)}": value for key, value in parameter.get("map", {}).items()}
        made |= {f"{base}_{index}": value for index, value in enumerate(parameter.get("array", ()))}
    return made


def _escaped(name: str) -> str:
    return re.sub("[^A-Z0-9_]", "_", name.upper())


_COMMAND: dict[str, Any] = {
    "type": "object",
    "required": ["command"],
    "properties": {
        "command": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "args": {"type": "array", "items": {"type": "string"}},
    },
    "additionalProperties": False,
}
_ANNOUNCEMENT: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        **{name: {"type": "string"} for name in ("name", "title", "tooltip", "itemType", "string")},
        "required": {"type": "boolean"},
        "collectionType": {"enum": ["", "string", "array", "map"]},
        "array": {"type": "array", "items": {"type": "string"}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,
}
# The struct PluginConfig, which Argo CD reads with unknown fields let through; here they are refused.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "argoproj.io/v1alpha1"},
        "kind": {"const": "ConfigManagementPlugin"},
        "metadata": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "minLength": 1}},
        },
        "spec": {
            "type": "object",
            "required": ["generate"],
            "properties": {
                "version": {"type": "string"},
                "init": _COMMAND,
                "generate": _COMMAND,
                "discover": {
                    "type": "object",
                    "properties": {
                        "fileName": {"type": "string"},
                        "find": {
                            "type": "object",
                            "properties": {**_COMMAND["properties"], "glob": {"type": "string"}},
                            "additionalProperties": False,
                        },
                    },
                    "additionalProperties": False,
                },
                "parameters": {
                    "type": "object",
                    "properties": {"static": {"type": "array", "items": _ANNOUNCEMENT}, "dynamic": _COMMAND},
                    "additionalProperties": False,
                },
                "preserveFileMode": {"type": "boolean"},
                "provideGitCreds": {"type": "boolean"},
            },
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}


def fields(go: str, struct: str) -> set[str]:
    """The names that a Go struct's fields have in JSON or, as Argo CD writes some, in YAML."""
    found = re.search(rf"^type {struct} struct \{{\n(.*?)^\}}", go, re.MULTILINE | re.DOTALL)
    assert found, struct
    return set(re.findall(r"\b(?:json|yaml):\"([A-Za-z]+)", found[1]))
