"""`helm test` in the mesh: green on a release that works, red for each thing that does not."""

from collections.abc import Callable, Iterator

import pytest

from dev.helm import Helm
from dev.mesh.lab import Mesh

GATEWAYS, ROUTES = "gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io"
POLICY = ("configmaps", "ml-mesh-mesh-policy", "ml-mesh")
# What is taken away or put elsewhere: kind, name, namespace, part, value.
BROKEN: dict[str, tuple[str, str, str, str, object]] = {
    "a listener is not accepted": (GATEWAYS, "ml-gateway", "ml-serving", "/spec/listeners/1/protocol", "GRPC"),
    "a route's backend is not found": ("services", "kserve-predictor", "ml-serving", "", None),
    "a route is not accepted": (ROUTES, "inference-route", "ml-serving", "/spec/parentRefs/0/sectionName", "none"),
    "the gateway's route answers no such path": (
        ROUTES,
        "inference-route",
        "ml-serving",
        "/spec/hostnames",
        ["x.example.com"],
    ),
    "the policy is gone": (*POLICY, "", None),
    "no post-renderer has seen a workload": (
        "deployments.apps",
        "inference-v1",
        "ml-serving",
        "/metadata/annotations/mlmesh.dev~1rendered-by",
        None,
    ),
}
Run = Callable[[], int]


@pytest.fixture(scope="module")
def asked(mesh: Mesh) -> Iterator[Mesh]:
    """The release with a path that its route must answer; the hooks alone change."""
    command = ("upgrade", "ml-mesh", "chart/", "--namespace", "ml-mesh", "--post-renderer", "mlmesh-post")
    for path in ("/v1/models/m", ""):
        values = ("--set", f"routes.inference-route.test.path={path},test.timeout=10s")
        done = mesh.helm.run(*command, "--values", "values/demo.yaml", *values)
        assert done.returncode == 0, done.stderr
        mesh.wait_for_pods()
        if path:
            yield mesh


@pytest.fixture(params=["helm3", "helm4"])
def run(request: pytest.FixtureRequest, asked: Mesh) -> Run:
    """`run()`: the exit code of each Helm's `helm test` in turn; its pod has run in any case."""
    helm = Helm(request.param, asked.home / f"test-{request.param}", asked.cluster)

    def test() -> int:
        done = helm.run("test", "ml-mesh", "--namespace", "ml-mesh", "--timeout", "60s")
        told = done.stdout + done.stderr
        assert "ml-mesh-test" in told, told
        assert done.returncode == 0 or "failed" in told, told
        return done.returncode

    return test


@pytest.mark.proves(*POLICY)
def test_a_good_release_passes(asked: Mesh, run: Run, measured: Callable[[str, str], None]) -> None:
    """Gateways, listeners, routes, policy and stamps are there, a request is answered; nothing of the test stays."""
    assert run() == 0
    left = asked.cluster.kubectl("get", "pods,serviceaccounts,roles,rolebindings", "-A", "-o", "name")
    assert "ml-mesh-test" not in left
    measured("helm test", "green on a good release; red for each of six that are not")


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_release_fails(asked: Mesh, run: Run, what: str) -> None:
    """With one thing broken it is red, and green again once that is mended."""
    kind, name, namespace, part, put = BROKEN[what]
    with asked.without(kind, name, namespace, part=part, put=put):
        assert run() == 1
    assert run() == 0
