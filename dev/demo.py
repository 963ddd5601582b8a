"""`make demo`: the main job on real Kubernetes, with Helm 3 and with Helm 4, and how a wrong release is refused.

Every command is shown as typed and run in a shell. Each has an expected outcome, so the demo is a check too: it ends
with 1 at the first command that does otherwise.
"""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

from dev.cluster import NEEDED, Cluster
from dev.helm import Helm
from dev.progress import StepError, say
from dev.toolchain import ROOT, tool

INSTALL = "helm install ml-mesh chart/ --post-renderer mlmesh-post -f values/demo.yaml -n ml-mesh --create-namespace"
FORGOTTEN = INSTALL.replace(" --post-renderer mlmesh-post", "")
BROKEN = f"{INSTALL} --set callers.frontend.namespace=serving"
PLAN = "helm template ml-mesh chart/ -f values/demo.yaml -n ml-mesh | mlmesh plan -"

OBJECTS = (
    "kubectl get -A namespaces,gateways.gateway.networking.k8s.io,httproutes,virtualservices,destinationrules,"
    "peerauthentications,authorizationpolicies,telemetries -l app.kubernetes.io/instance=ml-mesh"
)


def _sidecars(kinds: str, template: str) -> str:
    annotation = rf"{template}.metadata.annotations.sidecar\.istio\.io/proxy"
    columns = f"CPU:{annotation}CPU,MEMORY:{annotation}Memory"
    columns += f",CPU LIMIT:{annotation}CPULimit,MEMORY LIMIT:{annotation}MemoryLimit"
    return f"kubectl get -A {kinds} -o custom-columns='KIND:.kind,NAME:.metadata.name,{columns}'"


SIDECARS = (
    _sidecars("deployments,statefulsets,daemonsets,jobs", ".spec.template"),
    _sidecars("cronjobs", ".spec.jobTemplate.spec.template"),
)
ROUTES = (
    "kubectl get virtualservice llm-timeouts -n ml-serving -o jsonpath="
    """'{range .spec.http[*]}{.match[*].uri.prefix}{"\\t"}{.timeout}{"\\t"}{.retries}{"\\n"}{end}'"""
)


class _Stage:
    """Where commands are shown and run."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def show(self, command: str, *, refused_with: str = "") -> None:
        """Run `command`; StepError where it fails, or does not fail with a message that holds `refused_with`."""
        print(f"\n$ {command}", flush=True)
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(done.stdout.rstrip(), flush=True)
        if refused_with and (done.returncode == 0 or refused_with not in done.stdout):
            raise StepError(f"the command above should have been refused with {refused_with}")
        if done.returncode and not refused_with:
            raise StepError(f"the command above failed (exit {done.returncode})")


def up() -> None:
    """The whole demo; the cluster and Helm 4's release stay."""
    began = time.monotonic()
    cluster = Cluster.named("demo")
    for name in ("helm3", "helm4", *NEEDED):
        tool(name)  # built first where missing, so that nothing waits half started
    say("starting etcd, the Kubernetes API server and its controllers on loopback ...")
    cluster.start()
    say(f"  the API is ready, with the CRDs of Istio, Gateway API and the Inference Extension: {cluster.home}")
    helms = [Helm(name, cluster.home / name, cluster) for name in ("helm3", "helm4")]
    for helm in helms:
        if helm is not helms[0]:
            say("\nemptying the cluster, so that the other Helm starts from nothing too ...")
            cluster.empty()
        _tell(_Stage(helm.environment), "Helm 4" if helm.has_plugins else "Helm 3")
    _title("What the post-renderer did, and why")
    _Stage(helms[-1].environment).show(PLAN)
    shell = cluster.home / "shell"
    shell.write_text(_exports(helms[-1].environment))
    _title(f"All of it went as it should, in {time.monotonic() - began:.0f} s")
    print(f"The cluster and Helm 4's release are still there. To look around, in a shell:\n\n    . {shell}")
    print(
        "    helm list -A\n    kubectl get virtualservice llm-timeouts -n ml-serving -o yaml\n\nTo end: make demo-down"
    )


def _tell(stage: _Stage, name: str) -> None:
    _title(f"{name}: without the post-renderer the release is refused, and nothing changes")
    stage.show("helm version --short")
    stage.show(FORGOTTEN, refused_with='no matches for kind "MeshPolicy"')

    _title(f"{name}: with one invariant broken it is refused too, and Helm shows the finding")
    print("\nThe front ends are said to be in ml-serving: the AuthorizationPolicy names a caller that nobody there is.")
    stage.show(BROKEN, refused_with="MLM401")
    print("\nThere is no revision of the release, and none of its objects:")
    stage.show("helm list -A")
    stage.show("kubectl get secrets,services,deployments -A")

    _title(f"{name}: the main job")
    stage.show(INSTALL)
    stage.show("helm list -n ml-mesh")

    _title(f"{name}: what is in the cluster")
    stage.show(OBJECTS)
    print("\nThe sidecars' sizes, by role, which the post-renderer wrote into the pod templates:")
    for command in SIDECARS:
        stage.show(command)
    print("\nTimeouts and retries of the LLM routes, which it derived from their paths (path, timeout, retries):")
    stage.show(ROUTES)


def _title(text: str) -> None:
    print(f"\n== {text} ".ljust(100, "="), flush=True)


def _exports(environment: dict[str, str]) -> str:
    """Shell commands that lead to the demo's cluster; only what differs from the user's own environment."""
    changed = {name: value for name, value in environment.items() if os.environ.get(name) != value}
    lines = [f"unset {name}" for name in sorted(os.environ.keys() - environment.keys())]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(changed.items())]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """`up` or `down`; 1 where a step failed."""
    if arguments == ["down"]:
        cluster = Cluster.named("demo")
        was_running = cluster.running()
        cluster.stop()
        say("the demo's cluster is stopped and its files are deleted" if was_running else "no demo was running")
        return 0
    try:
        up()
    except StepError as error:
        say(f"\n{error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
