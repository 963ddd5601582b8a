"""A refusal as an object, against a real API server: no apply survives it, whoever looks at the exit code or not."""

import shlex
import subprocess
from pathlib import Path

import pytest

from dev.toolchain import tool
from tests.cluster.releases import INSTALL, Releases
from tests.plugin.test_post_main import BROKEN
from tests.support.streams import BIN, pod

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ml}\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, namespace: ml, labels: {app: pruned}}\n"
NO_SUCH_KIND = 'no matches for kind "Refusal" in version "mlmesh.dev/v1alpha1"'
NAME = "mlm701-listener-protocol-unknown"


def pipe(releases: Releases, command: str, stdin: str) -> subprocess.CompletedProcess[str]:
    """A shell's pipe, without pipefail, with the programs on PATH and the cluster."""
    folders = [BIN, *(tool(name).parent for name in ("kubectl", "kustomize"))]
    environment = {
        "PATH": ":".join([*map(str, folders), "/usr/bin", "/bin"]),
        "HOME": str(releases.cluster.kubeconfig.parent),  # of kubectl's cache
        "KUBECONFIG": str(releases.cluster.kubeconfig),
        "MLMESH_ON_FAILURE": "document",
    }
    return subprocess.run(
        ["sh", "-c", command], input=stdin, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "options", ["", "--server-side", "--dry-run=server", "--prune -l app=pruned", "--validate=false"]
)
def test_an_apply_at_the_end_of_a_pipe_is_refused(releases: Releases, options: str) -> None:
    """It fails, names what was broken, and nothing is made, changed or pruned; without it a pipe ends by chance."""
    assert releases.cluster.kubectl("apply", "-f", "-", stdin=f"{NAMESPACE}---\n{CONFIG}").returncode == 0
    before = releases.cluster.kubectl("get", "all,configmaps,gateways", "-n", "ml", "-o", "yaml").stdout
    done = pipe(releases, f"mlmesh-post | kubectl apply {options} -f -", f"{pod()}---\n{BROKEN}")
    assert done.returncode == 1
    assert NO_SUCH_KIND in done.stderr
    assert NAME in done.stderr
    assert releases.cluster.kubectl("get", "all,configmaps,gateways", "-n", "ml", "-o", "yaml").stdout == before


def test_kustomize_before_it_is_refused_too(releases: Releases, tmp_path: Path) -> None:
    """`kustomize build | mlmesh-post | kubectl apply`, and kustomize behind it, which passes the object on."""
    (tmp_path / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    (tmp_path / "all.yaml").write_text(BROKEN)
    folder = shlex.quote(str(tmp_path))
    done = pipe(releases, f"kustomize build {folder} | mlmesh-post | kubectl apply -f -", "")
    assert done.returncode == 1
    assert NO_SUCH_KIND in done.stderr
    behind = f"mlmesh-post <{folder}/all.yaml >{folder}/out.yaml; sed -i s/all/out/ {folder}/kustomization.yaml"
    done = pipe(releases, f"{behind}; kustomize build {folder} | kubectl apply -f -", "")
    assert done.returncode == 1
    assert NO_SUCH_KIND in done.stderr


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_either_helm_fails_as_ever(releases: Releases, name: str) -> None:
    """Helm believes exit codes: its error holds the finding, no revision is stored, and nothing is in the cluster."""
    broken = " --set-string policy.sidecars.inference.proxyCPU=9"
    for environment in ({}, {"MLMESH_ON_FAILURE": "document"}):
        said = releases.refused(name, INSTALL + broken, **environment)
        assert "proxyCPU 9 is above proxyCPULimit" in said
        assert "Refusal" not in said
        assert releases.revisions() == []
        assert releases.names() == set()


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_a_release_that_was_let_through_is_not_touched(releases: Releases, name: str) -> None:
    """With the variable set, what passes installs as it does without it."""
    releases.ok(name, INSTALL, MLMESH_ON_FAILURE="document")
    assert releases.revisions() == [(1, "deployed")]


def test_what_is_live_is_told_from_what_was_never_post_rendered(
    releases: Releases,
) -> None:
    """`mlmesh check --live --require-stamp`: red for a Deployment that was applied as it is, green once rendered."""
    command = ["mlmesh", "check", "--live", "--require-stamp", "--namespace", "ml"]
    shell = f"{' '.join(command)} </dev/null"
    for stdin, code in (
        (f"{NAMESPACE}---\n{pod()}", 1),
        (subprocess.run([BIN / "mlmesh-post"], input=pod(), capture_output=True, text=True, check=True).stdout, 0),
    ):
        assert releases.cluster.kubectl("apply", "-f", "-", stdin=stdin).returncode == 0
        done = pipe(releases, shell, "")
        assert done.returncode == code, done.stdout + done.stderr
        assert ("MLM003" in done.stdout) == bool(code)
