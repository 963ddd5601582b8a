"""The chart works as a part of another chart: under a condition, with globals, under an alias."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.chart.charts import documents, find, kinds

Umbrella = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module", params=["helm3", "helm4"])
def umbrella(
    request: pytest.FixtureRequest, helm: Callable[[str], Helm], tmp_path_factory: pytest.TempPathFactory
) -> Umbrella:
    """`umbrella(dependency, values, *arguments)`: what each Helm in turn renders of a chart that depends on ours."""

    def render(dependency: dict[str, Any], values: dict[str, Any], *arguments: str) -> list[dict[str, Any]]:
        parent: Path = tmp_path_factory.mktemp("umbrella")
        version = yaml.safe_load((ROOT / "chart" / "Chart.yaml").read_text())["version"]
        dependencies = [{"name": "ml-mesh", "version": version, **dependency}]
        chart = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": dependencies}
        (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))
        (parent / "values.yaml").write_text(yaml.safe_dump(values))
        shutil.copytree(ROOT / "chart", parent / "charts" / "ml-mesh")
        done = helm(request.param).run("template", "prod", str(parent), "--namespace", "platform", *arguments)
        assert done.returncode == 0, done.stderr
        return documents(done.stdout)

    return render


def test_as_a_dependency(umbrella: Umbrella) -> None:
    """Globals are allowed, the parent's values hold, and the policy is the umbrella's release's."""
    objects = umbrella({}, {"global": {"region": "eu"}, "ml-mesh": {"mtls": {"ml-mtls": {"mode": "PERMISSIVE"}}}})
    policy = find(objects, "MeshPolicy", "prod-mesh-policy", "platform")
    assert policy["spec"]["release"] == {"name": "prod", "namespace": "platform"}
    assert find(objects, "PeerAuthentication", "ml-mtls")["spec"]["mtls"]["mode"] == "PERMISSIVE"


@pytest.mark.parametrize("enabled", [True, False])
def test_under_a_condition(umbrella: Umbrella, enabled: bool) -> None:
    """The condition's key is allowed among the values, and switches the whole chart."""
    objects = umbrella({"condition": "ml-mesh.enabled"}, {"ml-mesh": {"enabled": enabled}})
    assert bool(objects) is enabled


def test_under_an_alias(umbrella: Umbrella) -> None:
    """The alias is the name in the labels; the names of the resources stay those of the reference design."""
    objects = umbrella({"alias": "mesh"}, {"mesh": {"global": {}}})
    gateway = find(objects, "Gateway", "ml-gateway")
    assert gateway["metadata"]["labels"]["app.kubernetes.io/name"] == "mesh"
    assert gateway["metadata"]["labels"]["app.kubernetes.io/part-of"] == "ml-mesh"
    assert len(kinds(objects, "MeshPolicy")) == 1


def test_a_null_in_a_values_file_reaches_the_policy(umbrella: Umbrella, tmp_path: Path) -> None:
    """A values file given to Helm can remove a field; a null in the parent's own values.yaml is lost on Helm 4."""
    file = tmp_path / "values.yaml"
    file.write_text("ml-mesh: {policy: {endpoints: {types: {chat: {timeout: 600s, perTryTimeout: null}}}}}\n")
    policy = find(umbrella({}, {}, "-f", str(file)), "MeshPolicy", "prod-mesh-policy", "platform")
    assert policy["spec"]["endpoints"]["types"]["chat"] == {"timeout": "600s", "perTryTimeout": None}


def test_two_releases_have_policies_of_their_own(helm: Callable[[str], Helm]) -> None:
    """The policy is named after the release, so that releases beside each other do not share it."""
    names = set()
    for release in ("one", "two"):
        done = helm("helm3").run("template", release, "chart", "--namespace", "platform")
        names |= {document["metadata"]["name"] for document in kinds(documents(done.stdout), "MeshPolicy")}
    assert names == {"one-mesh-policy", "two-mesh-policy"}


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_helm_lint(helm: Callable[[str], Helm], name: str) -> None:
    """helm lint --strict has nothing to say."""
    done = helm(name).run("lint", "--strict", "chart")
    assert done.returncode == 0, done.stdout + done.stderr
