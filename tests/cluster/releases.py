"""Helm as a user types it, and what the cluster then holds."""

import json
import subprocess
from typing import Any

from tests.support.clusters import TestCluster

INSTALL = "install ml-mesh chart/ --post-renderer mlmesh-post"
CHART_KINDS = (
    "namespaces,gateways.gateway.networking.k8s.io,httproutes.gateway.networking.k8s.io,configmaps,services,"
    "serviceaccounts,deployments,statefulsets,daemonsets,jobs,cronjobs,virtualservices.networking.istio.io,"
    "destinationrules.networking.istio.io,peerauthentications.security.istio.io,"
    "authorizationpolicies.security.istio.io,requestauthentications.security.istio.io,"
    "telemetries.telemetry.istio.io,sidecars.networking.istio.io,"
    "serviceentries.networking.istio.io,networkpolicies.networking.k8s.io,"
    "inferencepools.inference.networking.k8s.io,inferenceobjectives.inference.networking.x-k8s.io,"
    "inferencemodelrewrites.inference.networking.x-k8s.io,envoyfilters.networking.istio.io,"
    "roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io,"
    "tlsroutes.gateway.networking.k8s.io,referencegrants.gateway.networking.k8s.io"
)


class Releases:
    """Commands of either Helm against one cluster, and what they leave."""

    def __init__(self, cluster: TestCluster) -> None:
        self.cluster = cluster

    def helm(self, name: str, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `helm <command>` with the Helm called `name`, in the repository's root; blanks separate the arguments."""
        return self.cluster.helm(name, *command.split(), env=environment)

    def ok(self, name: str, command: str, **environment: str) -> str:
        """The same; what it printed, if it succeeded."""
        done = self.helm(name, command, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, name: str, command: str, **environment: str) -> str:
        """The same; what it printed, if it was refused with exit code 1."""
        done = self.helm(name, command, **environment)
        assert done.returncode == 1, done.stdout
        return done.stdout + done.stderr

    def revisions(self, name: str = "ml-mesh", namespace: str = "default") -> list[tuple[int, str]]:
        """(revision, status) of a release, as stored."""
        stored = self.cluster.kubectl("get", "secrets", "-n", namespace, "-l", f"owner=helm,name={name}", "-o", "json")
        items = json.loads(stored.stdout)["items"]
        return sorted(
            (int(item["metadata"]["labels"]["version"]), item["metadata"]["labels"]["status"]) for item in items
        )

    def objects(self) -> list[dict[str, Any]]:
        """Every object that carries the chart's label, in all namespaces."""
        label = "app.kubernetes.io/managed-by=Helm"
        found = self.cluster.kubectl("get", CHART_KINDS, "-A", "-l", label, "-o", "json")
        assert found.returncode == 0, found.stderr
        items: list[dict[str, Any]] = json.loads(found.stdout)["items"]
        return items

    def names(self) -> set[str]:
        """`Kind namespace/name` of every object that carries the chart's label."""
        return {f"{o['kind']} {o['metadata'].get('namespace', '')}/{o['metadata']['name']}" for o in self.objects()}

    def generations(self) -> dict[str, int]:
        """The generation of each of them: it moves when a spec changes."""
        return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"].get("generation", 0) for o in self.objects()}

    def clean(self) -> None:
        """No release, no namespace of a test."""
        for item in json.loads(self.ok("helm4", "list -A -o json")):
            self.helm("helm4", f"uninstall {item['name']} -n {item['namespace']} --wait")
        self.cluster.empty()
