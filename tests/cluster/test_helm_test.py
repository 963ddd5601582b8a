"""The script of `helm test` against a real API server, with the rights of its own ServiceAccount: stamps and policy."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.toolchain import tool
from tests.chart.charts import documents
from tests.cluster.releases import Releases

INSTALL = "install ml-mesh chart/ --values values/demo.yaml --set test.timeout=1s --post-renderer mlmesh-post"
KUBECTL = """\
#!/bin/sh
[ "$1" = wait ] && {{ echo "no istiod here" >&2; exit 1; }}
exec {kubectl} --as=system:serviceaccount:default:ml-mesh-test "$@"
"""


@contextmanager
def rights(releases: Releases, hooks: list[dict[str, Any]]) -> Iterator[None]:
    """What the test's pod runs with, for a while: the hooks but the pod."""
    text = yaml.safe_dump_all(item for item in hooks if item["kind"] != "Pod")
    done = releases.cluster.kubectl("apply", "-f", "-", stdin=text)
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        done = releases.cluster.kubectl("delete", "-f", "-", stdin=text)  # the namespace default is not emptied
        assert done.returncode == 0, done.stderr


@pytest.fixture
def installed(releases: Releases, request: pytest.FixtureRequest) -> Iterator[Releases]:
    """The release with workloads, by one Helm, and what its test runs with."""
    releases.ok(request.param, INSTALL)
    with rights(releases, documents(releases.ok(request.param, "get hooks ml-mesh"))):
        yield releases


def told(releases: Releases, folder: Path, helm: str) -> tuple[int, dict[str, bool]]:
    """The exit code of the pod's script, and what it says of the policy and of each stamp."""
    (pod,) = [item for item in documents(releases.ok(helm, "get hooks ml-mesh")) if item["kind"] == "Pod"]
    kubectl = folder / "kubectl"
    kubectl.write_text(KUBECTL.format(kubectl=tool("kubectl")))
    kubectl.chmod(0o755)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "KUBECONFIG": str(releases.cluster.kubeconfig),
        "HOME": str(folder),
    }
    done = subprocess.run(
        pod["spec"]["containers"][0]["command"], env=environment, capture_output=True, text=True, check=False
    )
    found = {}
    for line in done.stdout.splitlines():
        state, _, rest = line.partition(" ")
        if "post-rendered" in rest or "configmaps" in rest:
            found[rest.partition(":")[0].strip()] = state == "ok"
    return done.returncode, found


@pytest.mark.parametrize("installed", ["helm3", "helm4"], indirect=True)
def test_a_stamp_that_was_taken_away_is_told(
    installed: Releases, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each stamp and the policy is found; one taken away is told and its neighbours are not, and so is the policy."""
    helm = request.node.callspec.params["installed"]
    _, found = told(installed, tmp_path, helm)
    assert len(found) > 3
    assert all(found.values()), found
    first = next(name for name in found if "deployments.apps" in name)
    namespace, _, name = first.split()[1].partition("/")
    done = installed.cluster.kubectl("annotate", "deployment", name, "-n", namespace, "mlmesh.dev/rendered-by-")
    assert done.returncode == 0, done.stderr
    code, after = told(installed, tmp_path, helm)
    assert code == 1
    assert {each for each, ok in after.items() if not ok} == {first}
    assert installed.cluster.kubectl("delete", "configmap", "ml-mesh-mesh-policy").returncode == 0
    _, after = told(installed, tmp_path, helm)
    assert {each for each, ok in after.items() if not ok} == {first, "configmaps default/ml-mesh-mesh-policy"}


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_a_release_that_was_never_post_rendered_is_told(releases: Releases, tmp_path: Path, helm: str) -> None:
    """Its own way out closed: the policy taken for required, the workloads applied as they were rendered."""
    stream = releases.ok(helm, "template ml-mesh chart/ --values values/demo.yaml --set test.timeout=1s")
    releases.ok(helm, INSTALL)
    workloads = [item for item in documents(stream) if item["kind"] in ("Deployment", "CronJob")]
    hooks = [item for item in documents(stream) if "helm.sh/hook" in item["metadata"].get("annotations", {})]
    done = releases.cluster.kubectl("replace", "--force", "-f", "-", stdin=yaml.safe_dump_all(workloads))
    assert done.returncode == 0, done.stderr
    with rights(releases, hooks):
        code, found = told(releases, tmp_path, helm)
    assert code == 1
    assert sum(not ok for ok in found.values()) == len(workloads)
