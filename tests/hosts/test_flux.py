"""docs/hosts/flux.md: its commands, its objects by Flux's types, and what Flux makes of them with kustomize."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.cluster import free_ports
from dev.toolchain import ROOT
from tests.cluster.releases import Releases
from tests.support.clusters import TestCluster
from tests.support.kustomizations import ALONE, build, by_key, typed
from tests.support.pages import block, shell
from tests.support.streams import BIN, run

PAGE = "docs/hosts/flux.md"
CONTENT = "application/vnd.cncf.flux.content.v1.tar+gzip"
CONFIG = "application/vnd.cncf.flux.config.v1+json"


@pytest.fixture(scope="module")
def registry(tool: Callable[[str], str]) -> Iterator[str]:
    """An OCI registry on loopback, in memory: its address."""
    (port,) = free_ports(1)
    address = f"localhost:{port}"
    serving = subprocess.Popen(
        [tool("crane"), "registry", "serve", "--address", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        else:
            pytest.fail("the registry did not answer within ten seconds")
        yield address
    finally:
        serving.terminate()
        serving.wait(10)


@pytest.fixture
def reader(tmp_path: Path, tool: Callable[[str], str], registry: str) -> dict[str, str]:
    """The environment of the page's reader, in whose folder the chart is."""
    for name in ("chart", "values"):
        (tmp_path / name).symlink_to(ROOT / name)
    programs = [str(Path(tool(name)).parent) for name in ("helm4", "kubectl", "oras", "kustomize")]
    base = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "MLMESH_"))}
    return {
        **base,
        "PATH": os.pathsep.join([str(BIN), *programs, os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "KUBECONFIG": str(tmp_path / "none"),
        "REGISTRY": registry,
        "SOURCE": "https://git.example.com/platform.git",
        "REVISION": "main@sha1:0123456789abcdef0123456789abcdef01234567",
        "CREATED": "2026-11-02T10:00:00+00:00",
    }


@pytest.fixture(scope="module")
def flux_cluster(cluster: TestCluster, tool: Callable[[str], str]) -> Iterator[TestCluster]:
    """The cluster with Flux's CRDs, which are gone afterwards."""
    folder = tool("flux-crds")
    done = cluster.kubectl("create", "--filename", folder)
    assert done.returncode == 0, done.stderr
    done = cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "--filename", folder)
    assert done.returncode == 0, done.stderr
    yield cluster
    cluster.kubectl("delete", "--filename", folder, "--ignore-not-found")


def accepted(cluster: TestCluster, text: str) -> None:
    """Assert that the API server takes the objects, unknown fields refused."""
    for item in yaml.safe_load_all(text):
        namespace = item["metadata"]["namespace"]
        if cluster.get("namespace", namespace) is None:
            cluster.kubectl("create", "namespace", namespace)
        done = cluster.kubectl(
            "create", "--dry-run=server", "--validate=strict", "--filename=-", stdin=json.dumps(item)
        )
        assert done.returncode == 0, done.stderr


def test_the_objects_are_flux_s(flux_cluster: TestCluster) -> None:
    """Source and Kustomization are taken as they stand in the page; a field that Flux does not know is not."""
    accepted(flux_cluster, block(PAGE, "yaml", "bundle"))
    with pytest.raises(AssertionError, match="unknown field"):
        accepted(flux_cluster, block(PAGE, "yaml", "bundle").replace("prune:", "pruned:"))


def test_the_bundle_is_an_artifact_of_flux_s_types(
    reader: dict[str, str], tmp_path: Path, tool: Callable[[str], str], releases: Releases
) -> None:
    """Pushed twice it is one digest; pulled back it has the same bytes, which a cluster takes as Flux applies them."""
    done = shell(f"{block(PAGE, 'sh', 'bundle')}{block(PAGE, 'sh', 'oras')}", tmp_path, reader)
    assert done.returncode == 0, done.stderr
    image = f"{reader['REGISTRY']}/ml-mesh:prod"

    def crane(*arguments: str) -> bytes:
        return subprocess.run([tool("crane"), *arguments], capture_output=True, check=True).stdout

    digest = crane("digest", image)
    manifest = json.loads(crane("manifest", image))
    assert manifest["config"]["mediaType"] == CONFIG
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == CONTENT
    assert manifest["annotations"] == {
        "org.opencontainers.image.source": reader["SOURCE"],
        "org.opencontainers.image.revision": reader["REVISION"],
        "org.opencontainers.image.created": reader["CREATED"],
    }
    os.utime(tmp_path / "bundle" / "manifests.yaml", (1, 1))
    assert shell(block(PAGE, "sh", "oras"), tmp_path, reader).returncode == 0
    assert crane("digest", image) == digest

    pulled = tmp_path / "pulled"
    pulled.mkdir()
    blob = crane("blob", f"{reader['REGISTRY']}/ml-mesh@{layer['digest']}")
    subprocess.run(["tar", "--extract", "--gzip", "--directory", pulled], input=blob, check=True)
    ours = run("--namespace", "ml-mesh", stdin=(tmp_path / "rendered.yaml").read_bytes())
    assert (pulled / "manifests.yaml").read_bytes() == ours.stdout
    assert sorted(path.name for path in pulled.iterdir()) == ["manifests.yaml", "namespace.yaml"]

    # kustomize-controller: a kustomization of all files of the path, applied by the server
    names = "[manifests.yaml, namespace.yaml]"
    (pulled / "kustomization.yaml").write_text(f"{ALONE}resources: {names}\n")
    built = shell("kustomize build .", pulled, reader)
    assert built.returncode == 0, built.stderr
    applied = releases.cluster.kubectl("apply", "--server-side", "--filename=-", stdin=_namespaces_first(built.stdout))
    assert applied.returncode == 0, applied.stderr
    route = releases.cluster.get("virtualservice.networking.istio.io", "llm-timeouts", "ml-serving")
    assert route is not None
    assert "timeout" in route["spec"]["http"][0]


def _namespaces_first(stream: str) -> str:
    """As Flux applies: Namespaces and definitions before the rest."""
    items = sorted(yaml.safe_load_all(stream), key=lambda item: item["kind"] != "Namespace")
    return yaml.safe_dump_all(items)


def test_a_broken_release_is_not_pushed(reader: dict[str, str], tmp_path: Path) -> None:
    """The job ends at the post-renderer: there is no artifact."""
    broken = block(PAGE, "sh", "bundle").replace(
        "--no-hooks", "-f values/demo.yaml --set callers.frontend.namespace=serving"
    )
    push = block(PAGE, "sh", "oras").replace("ml-mesh:prod", "ml-mesh:broken")
    done = shell(broken + push, tmp_path, reader)
    assert done.returncode == 1
    assert "ERROR MLM401" in done.stderr
    assert not (tmp_path / "bundle.tgz").exists()


def post_rendered_by_flux(folder: Path, release: dict[str, Any], stream: str) -> subprocess.CompletedProcess[str]:
    """What helm-controller's post-renderer does: the release's patches over Helm's output, by kustomize."""
    (renderer,) = release["spec"]["postRenderers"]
    return build(folder, stream, ALONE + yaml.safe_dump({"patches": renderer["kustomize"]["patches"]}))


def test_the_helm_release_makes_what_the_post_renderer_makes(
    reader: dict[str, str], tmp_path: Path, flux_cluster: TestCluster
) -> None:
    """The page's commands make a HelmRelease whose patches give what the post-renderer gives.

    No module has the CRD of HelmReleases; their patches are of the type that a Kustomization has, and go by its CRD.
    """
    (tmp_path / "release.yaml").write_text(block(PAGE, "yaml", "release.yaml"))
    done = shell(block(PAGE, "sh", "release"), tmp_path, reader)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "helmrelease.yaml").read_text()
    patches = yaml.safe_load(text)["spec"]["postRenderers"][0]["kustomize"]["patches"]
    kustomization = list(yaml.safe_load_all(block(PAGE, "yaml", "bundle")))[1]
    kustomization["spec"]["patches"] = patches
    accepted(flux_cluster, yaml.safe_dump(kustomization))
    stream = (tmp_path / "rendered.yaml").read_text()
    built = post_rendered_by_flux(tmp_path / "flux", yaml.safe_load(text), stream)
    assert built.returncode == 0, built.stderr
    ours = run("--namespace", "ml-mesh", stdin=stream)
    assert typed(by_key(built.stdout)) == typed(by_key(ours.stdout))
    kinds = {
        item["target"]["kind"] for item in yaml.safe_load(text)["spec"]["postRenderers"][0]["kustomize"]["patches"]
    }
    assert {"MeshPolicy", "VirtualService"} <= kinds


def test_without_its_patches_a_cluster_refuses_it(reader: dict[str, str], tmp_path: Path, cluster: TestCluster) -> None:
    """A HelmRelease that has lost them fails: the MeshPolicy is of no kind that the cluster has."""
    rendered = shell(block(PAGE, "sh", "release").splitlines()[0], tmp_path, reader)
    assert rendered.returncode == 0, rendered.stderr
    done = cluster.kubectl("apply", "--dry-run=server", "--filename", str(tmp_path / "rendered.yaml"))
    assert done.returncode == 1
    assert 'no matches for kind "MeshPolicy"' in done.stderr


def test_patches_of_an_older_chart_are_told(reader: dict[str, str], tmp_path: Path) -> None:
    """Where what they change is gone, kustomize says so, in the page's words."""
    (tmp_path / "release.yaml").write_text(block(PAGE, "yaml", "release.yaml"))
    assert shell(block(PAGE, "sh", "release"), tmp_path, reader).returncode == 0
    release = yaml.safe_load((tmp_path / "helmrelease.yaml").read_text())
    stream = []
    for item in yaml.safe_load_all((tmp_path / "rendered.yaml").read_text()):
        if item and item["kind"] == "MeshPolicy":
            item["settings"] = item.pop("spec")
        stream.append(item)
    built = post_rendered_by_flux(tmp_path / "flux", release, yaml.safe_dump_all(stream))
    assert built.returncode != 0
    words = "error in remove for path: '/spec'"
    assert words in built.stderr
    assert words in (ROOT / PAGE).read_text()
