"""A test's hands on the session's API server: Helm of any version, kubectl, and what is stored."""

import json
import subprocess
from pathlib import Path
from typing import Any

from dev.cluster import Cluster
from dev.helm import Helm
from dev.processes import Process
from dev.toolchain import tool


class TestCluster:
    """An API server with the CRDs, shared by the session. A test leaves nothing behind that another would mind."""

    __test__ = False

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._helms: dict[str, Helm] = {}

    @property
    def kubeconfig(self) -> Path:
        """The file for `KUBECONFIG`."""
        return self._cluster.kubeconfig

    def helm(self, name: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the Helm called `name` (helm3, helm4, helm3-min, helm4-min); `options` are those of `Helm.run`."""
        if name not in self._helms:
            self._helms[name] = Helm(name, self._cluster.home / name, self._cluster)
        return self._helms[name].run(*arguments, **options)

    def kubectl(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl; a failure is the caller's to judge."""
        return subprocess.run(
            [str(tool("kubectl")), *arguments],
            env=self._cluster.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any] | None:
        """The object as stored, None where there is none. `kind` may be qualified: `gateways.networking.istio.io`."""
        done = self.kubectl("get", kind, name, "--namespace", namespace, "--ignore-not-found", "--output", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] | None = json.loads(done.stdout) if done.stdout.strip() else None
        return found

    def empty(self) -> None:
        """Delete every namespace but Kubernetes' own; about five seconds."""
        self._cluster.empty()


def end_abandoned(run: Path) -> None:
    """Stop the test clusters below `run` whose test session is gone, as when it was killed."""
    for home in run.glob("test-*"):
        owner = home.with_suffix(".owner")
        if not owner.exists() or not Process(*json.loads(owner.read_text())).alive():
            Cluster(home).stop()
            owner.unlink(missing_ok=True)
