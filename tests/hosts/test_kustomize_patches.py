"""`mlmesh plan --format kustomize`: the real kustomize, given the patches, makes what the post-renderer makes."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.support.kustomizations import build, by_key, typed
from tests.support.streams import BIN, pod, policy, route, run

OVERLAYS = sorted(path.name for path in (ROOT / "values").glob("*.yaml"))

pytestmark = pytest.mark.usefixtures("kustomize")


@pytest.fixture(scope="module")
def kustomize(tool: Callable[[str], str]) -> str:
    """The program, which is there from here on."""
    return tool("kustomize")


def exported(stream: str | bytes, *arguments: str) -> str:
    """What the command prints for a stream on its standard input."""
    done = run("plan", "--format", "kustomize", *arguments, stdin=stream, command="mlmesh")
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def patched(folder: Path, stream: str, *arguments: str) -> dict[Any, Any]:
    """The stream's objects as the real kustomize leaves them under the exported patches."""
    done = build(folder, stream, exported(stream, *arguments))
    assert done.returncode == 0, done.stderr
    return by_key(done.stdout)


def equal_ours(folder: Path, stream: str, *arguments: str) -> dict[Any, Any]:
    """Assert that kustomize's objects are the post-renderer's, and that something changed; the objects."""
    ours = run("--warn-only", *arguments, stdin=stream)
    assert ours.returncode == 0, ours.stderr
    found = patched(folder, stream, *arguments)
    assert typed(found) == typed(by_key(ours.stdout))
    assert typed(found) != typed(by_key(stream))
    return found


@pytest.mark.parametrize("overlay", ["", *OVERLAYS, "../tests/chart/full.yaml"])
def test_the_chart_under_each_overlay(tmp_path: Path, helm: Callable[[str], Helm], overlay: str) -> None:
    """Every object of the unrendered stream becomes what the post-renderer makes of it, the MeshPolicy a ConfigMap."""
    values = ["--values", f"values/{overlay}"] if overlay else []
    done = helm("helm4").run("template", "ml-mesh", "chart/", "--namespace", "ml-mesh", *values)
    assert done.returncode == 0, done.stderr
    found = equal_ours(tmp_path, done.stdout, "--namespace", "ml-mesh")
    assert ("v1", "ConfigMap", "ml-mesh", "ml-mesh-mesh-policy") in found
    assert "MeshPolicy" not in {kind for _, kind, _, _ in found}


def named(name: str, **metadata: str) -> dict[str, Any]:
    """A Deployment with a role."""
    item: dict[str, Any] = yaml.safe_load(pod(name=name))
    item["metadata"] = {"name": name, **metadata}
    return item


def test_objects_that_share_a_name_get_their_own(tmp_path: Path) -> None:
    """The same name in other namespaces, kinds and groups, and one that another's would match as a pattern."""
    items = [
        yaml.safe_load(pod(role="training", name="llm-v1")),
        named("llm.v1", namespace="ml"),
        named("llm.v1"),
        named("llm.v1", namespace="ml2"),
        yaml.safe_load(pod("Pod", "training", "llm.v1")),
        yaml.safe_load(pod("DaemonSet", "monitoring", "llm.v1")),
        {"apiVersion": "example.com/v1", "kind": "Pod", "metadata": {"name": "llm.v1", "namespace": "ml"}, "spec": {}},
        {"apiVersion": "example.com/v1", "kind": "Deployment", "metadata": {"name": "llm.v1", "namespace": "ml"}},
    ]
    sizes = policy(sidecars={"inference": {"proxyCPU": "750m"}}, release={"name": "rel"})
    stream = "---\n".join([*(yaml.safe_dump(item) for item in items), sizes])
    found = equal_ours(tmp_path, stream)
    assert found["example.com/v1", "Pod", "ml", "llm.v1"] == items[-2]


def test_items_of_lists_and_what_two_stages_change(tmp_path: Path) -> None:
    """kustomize opens Lists, lists in them as well: each item gets its own patch, with paths from its own root."""
    inner = {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [named("c", namespace="ml")]}
    listed = [named(f"n{number}", namespace="ml") for number in range(12)]
    outer = {"apiVersion": "v1", "kind": "List", "items": [*listed, yaml.safe_load(route()), inner]}
    found = equal_ours(tmp_path, f"{yaml.safe_dump(outer)}---\n{pod(name='beside')}")
    assert len(found) == 15
    annotations = found["apps/v1", "Deployment", "ml", "n11"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["sidecar.istio.io/proxyCPU"] == "500m"


def test_what_yaml_minds_passes(tmp_path: Path) -> None:
    """Keys with slashes and tildes, and policies with every sort of character, arrive as they are."""
    odd = 'tab\t, "quotes", \\, \u2028, é, \U0001f600, # no comment, : no key\n'
    settings = policy(release={"name": "rel"}, components={"x": {"role": "inference", "selector": {"app": odd}}})
    items = [settings.replace("\\ud83d\\ude00", "\U0001f600"), route("/v1/chat/completions"), pod(**{"a/b~c": "1"})]
    equal_ours(tmp_path, "\n---\n".join(items))


def test_a_second_run_changes_nothing_more(tmp_path: Path) -> None:
    """What kustomize made of it is what the post-renderer leaves as it is: there is no patch left."""
    stream = f"{pod()}---\n{route()}---\n{policy(release={'name': 'rel'})}"
    done = build(tmp_path, stream, exported(stream))
    assert "patches: []\n" in exported(done.stdout)
    assert exported(stream) == exported(stream)


def test_a_named_file_is_the_resource(tmp_path: Path, kustomize: str) -> None:
    """With a file named the output is a whole kustomization; the command that the help shows works as it stands."""
    (tmp_path / "manifests.yaml").write_text(pod())
    shown = run("plan", "--help", command="mlmesh").stdout.decode()
    assert "mlmesh plan manifests.yaml --format kustomize > kustomization.yaml" in shown
    made = subprocess.run(
        [BIN / "mlmesh", "plan", "manifests.yaml", "--format", "kustomize"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    (tmp_path / "kustomization.yaml").write_bytes(made.stdout)
    done = subprocess.run([kustomize, "build", tmp_path], capture_output=True, text=True, check=True)
    assert "sidecar.istio.io/proxyCPU" in done.stdout


def test_an_object_that_no_selector_tells_is_refused() -> None:
    """Without a name a selector would match its neighbours, and kustomize takes no object twice."""
    nameless = yaml.safe_load(pod("Job", "training", "train"))
    nameless["metadata"] = {"generateName": "train-", "namespace": "ml"}
    for stream, said in ((yaml.safe_dump(nameless), b"no metadata.name"), (f"{pod()}---\n{pod()}", b"twice")):
        done = run("plan", "--format", "kustomize", stdin=stream, command="mlmesh")
        assert (done.returncode, done.stdout) == (2, b"")
        assert said in done.stderr
        assert b"document" in done.stderr


@pytest.mark.parametrize("lost", ["\x7f", "\x85"], ids=ascii)
def test_a_character_that_kustomize_loses_is_refused(tmp_path: Path, lost: str) -> None:
    """kustomize fails over one of them, or makes a blank of it, wherever a JSON patch meets the object."""
    stream = pod(**{"example.com/note": f"a, {lost}, b"})
    done = run("plan", "--format", "kustomize", stdin=stream, command="mlmesh")
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"U+{ord(lost):04X}" in done.stderr.decode()
    built = build(tmp_path, stream, exported(pod()))
    assert built.returncode != 0 or typed(by_key(built.stdout)) != typed(by_key(run(stdin=stream).stdout))


def test_kustomize_refuses_what_is_refused(tmp_path: Path) -> None:
    """The reason for it is kustomize's own: the same streams, without a patch."""
    nameless = yaml.safe_load(pod("Job", "training", "train"))
    nameless["metadata"] = {"generateName": "train-"}
    assert "missing metadata.name" in build(tmp_path, yaml.safe_dump(nameless)).stderr
    assert "already registered id" in build(tmp_path, f"{pod()}---\n{pod()}").stderr


def test_a_stale_patch_leaves_the_policy_that_no_cluster_takes(tmp_path: Path) -> None:
    """Patches of another release fit no object, which kustomize passes over: the MeshPolicy is still there."""
    old = exported(f"{pod()}---\n{policy(release={'name': 'rel'})}")
    renamed = json.loads(policy(release={"name": "rel"}))
    renamed["metadata"]["name"] = "renamed"
    done = build(tmp_path, f"{pod(name='other')}---\n{json.dumps(renamed)}", old)
    assert done.returncode == 0
    assert "kind: MeshPolicy" in done.stdout
