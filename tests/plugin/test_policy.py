"""The policy: found in the stream or named by a file, read strictly, and sent on as a ConfigMap."""

import json
from typing import Any

import pytest
import yaml

from mlmesh.model.errors import InputError
from mlmesh.policy.layers import merge
from tests.support.streams import documents, pod, policy, rendered

MESH_POLICY = """\
# Source: ml-mesh/templates/policy.yaml
apiVersion: mlmesh.dev/v1alpha1
kind: MeshPolicy
metadata:
  name: anything
  namespace: release-ns  # where the release lives
spec:
  release: {name: rel, namespace: release-ns}
  sidecars:
    inference: {proxyCPU: 750m}
"""


def held(item: dict[str, Any]) -> dict[str, Any]:
    """The policy inside the ConfigMap."""
    found: dict[str, Any] = json.loads(item["data"]["policy.json"])
    return found


def test_the_mesh_policy_leaves_as_a_configmap_in_its_place() -> None:
    """The cluster knows no MeshPolicy: its place is taken by `<release>-mesh-policy`, comments and namespace kept."""
    result = rendered(MESH_POLICY)
    (item,) = documents(result)
    text = b"".join(result.output).decode()
    assert (item["apiVersion"], item["kind"]) == ("v1", "ConfigMap")
    assert item["metadata"]["name"] == "rel-mesh-policy"
    assert item["metadata"]["namespace"] == "release-ns"
    assert item["metadata"]["labels"]["mlmesh.dev/policy"] == "true"
    assert "spec" not in item
    assert held(item)["spec"] == {
        "release": {"name": "rel", "namespace": "release-ns"},
        "sidecars": {"inference": {"proxyCPU": "750m"}},
    }
    assert text.startswith("# Source: ml-mesh/templates/policy.yaml\n")
    assert "# where the release lives" in text


def test_a_mesh_policy_without_metadata_becomes_a_named_configmap() -> None:
    """A policy that somebody wrote by hand: name, label and stamp are all there."""
    text = "apiVersion: mlmesh.dev/v1alpha1\nkind: MeshPolicy\nspec: {release: {name: rel}}\n"
    (item,) = documents(rendered(text))
    assert item["metadata"]["name"] == "rel-mesh-policy"
    assert item["metadata"]["labels"] == {"mlmesh.dev/policy": "true"}
    assert "mlmesh.dev/rendered-by" in item["metadata"]["annotations"]


def test_a_second_run_reads_the_configmap_and_changes_nothing() -> None:
    """The settings survive in the ConfigMap: the second run gives the same bytes, and the same sizes to new pods."""
    once = b"".join(rendered(f"{MESH_POLICY}---\n{pod()}").output).decode()
    assert b"".join(rendered(once).output).decode() == once
    new = rendered(f"{once}---\n{pod(name='new')}")
    annotations = documents(new)[2]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["sidecar.istio.io/proxyCPU"] == "750m"


def test_policy_files_lie_over_the_stream_s_policy_and_travel_with_it() -> None:
    """The later file wins; what the files say is in the ConfigMap, so a later run without them does the same."""
    files = (
        policy(sidecars={"inference": {"proxyMemory": "1Gi"}}, owns=["a"]),
        policy(sidecars={"inference": {"proxyMemoryLimit": "3Gi"}}, owns=["b"]),
    )
    (item,) = documents(rendered(MESH_POLICY, *files))
    spec = held(item)["spec"]
    assert spec["sidecars"]["inference"] == {"proxyCPU": "750m", "proxyMemory": "1Gi", "proxyMemoryLimit": "3Gi"}
    assert spec["owns"] == ["b"]
    assert spec["release"]["name"] == "rel"


def test_an_earlier_run_s_configmap_serves_another_chart_as_policy_file() -> None:
    """`--policy` takes the ConfigMap: another chart's stream gets the same settings, and no object is added to it."""
    configmap = b"".join(rendered(MESH_POLICY).output).decode()
    result = rendered(pod(), configmap)
    (item,) = documents(result)
    assert item["kind"] == "Deployment"
    assert item["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/proxyCPU"] == "750m"


def test_a_configmap_of_the_stream_takes_a_new_file_s_settings() -> None:
    """A run over an earlier output with one more file brings the ConfigMap up to date."""
    once = b"".join(rendered(MESH_POLICY).output).decode()
    (item,) = documents(rendered(once, policy(owns=["more"])))
    assert held(item)["spec"]["owns"] == ["more"]
    assert held(item)["spec"]["sidecars"] == {"inference": {"proxyCPU": "750m"}}


def test_two_policies_are_refused_and_both_named() -> None:
    """Which of two would win is nobody's guess: the chart is in the stream twice."""
    other = MESH_POLICY.replace("name: rel,", "name: other,").replace("ml-mesh/", "alias/")
    with pytest.raises(InputError, match="two policies in one stream") as caught:
        rendered(f"{MESH_POLICY}---\n{other}")
    for part in ("release rel", "release other", "ml-mesh/templates/policy.yaml", "alias/templates/policy.yaml"):
        assert part in caught.value.what


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"sidecar": {}}, "spec.sidecar: unknown key (did you mean sidecars?)"),
        ({"sidecars": {"inference": {"proxyCpu": "1"}}}, "spec.sidecars.inference.proxyCpu: unknown key"),
        ({"sidecars": {"inference": {"proxyCPU": 1}}}, "a number where a string or null is needed"),
        ({"sidecars": {"inference": {"proxyMemory": "1gb"}}}, "'1gb' is not a resource quantity"),
        ({"endpoints": {"types": {"chat": {"timeout": "120"}}}}, "'120' is not a duration"),
        ({"endpoints": {"types": {"chat": {"timeout": "5d"}}}}, "'5d' is not a duration"),
        ({"endpoints": {"types": {"chat": {"attempts": -1}}}}, "-1 is too small"),
        ({"endpoints": {"types": {"chat": {"attempts": True}}}}, "a boolean where a whole number"),
        ({"endpoints": {"types": {"chat": {"retryOn": "5xx, reset"}}}}, "is not a list of retry conditions"),
        ({"endpoints": {"types": []}}, "a list where a map is needed"),
        ({"invariants": {"severity": {"MLM201": "fatal"}}}, "'fatal' is not known"),
        ({"invariants": {"severity": {"201": "off"}}}, "spec.invariants.severity.201: unknown key"),
        ({"invariants": {"severity": {"MLM999": "off"}}}, "there is no rule MLM999"),
        ({"endpoints": {"types": {"chta": {"timeout": "1s"}}}}, "types.chta: unknown key (did you mean chat?)"),
        ({"components": {"c": {"role": "infrence"}}}, "component c has role 'infrence', which is not known"),
        ({"owns": "ml"}, "a string where a list is needed"),
        ({"mesh": {"nativeSidecars": "true"}}, "'true' is not known (one of auto, true, false, without quotes)"),
        ({"mesh": {"nativeSidecars": 1}}, "a number where true or false or a string is needed"),
        ({"sidecars": {"inference": {"mergeMetrics": "yes"}}}, "a string where true or false or null is needed"),
        ({"sidecars": {"inference": {"drainMaximum": "600"}}}, "'600' is not a duration"),
        ({"requires": "new"}, "'new' is not a version"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_path(spec: dict[str, Any], expected: str) -> None:
    """An unknown key, a wrong type, a wrong unit: each is told by its path and with what belongs there."""
    with pytest.raises(InputError) as caught:
        rendered("", policy(**spec))
    assert expected in caught.value.what
    assert "policy" in caught.value.place


def test_every_mistake_is_told_at_once() -> None:
    """Nobody should have to run it three times to learn of three mistakes."""
    with pytest.raises(InputError) as caught:
        rendered("", policy(owns="x", mesh={"trust": "y"}, sidecar={}))
    assert caught.value.what.count("spec.") >= 3


def test_a_policy_of_a_newer_chart_is_refused_by_both_versions() -> None:
    """A plugin that is too old says so before it stumbles over a key that it does not know."""
    with pytest.raises(InputError, match=r"needs mlmesh 99\.0\.0 or newer; this is mlmesh 0\.1\.0"):
        rendered("", policy(requires="99.0.0", something={"new": 1}))
    assert rendered("", policy(requires="0.1.0")).failed is False


@pytest.mark.parametrize(
    "text", [pod(), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n", "", f"{policy()}\n---\n{policy()}"]
)
def test_a_policy_file_must_be_one_policy(text: str) -> None:
    """A values file or a whole release named by mistake is refused, not ignored."""
    with pytest.raises(InputError, match="policy"):
        rendered("", text)


def test_a_broken_configmap_is_refused() -> None:
    """A policy.json that is no JSON is told, not taken for no policy."""
    once = documents(rendered(MESH_POLICY))[0]
    once["data"]["policy.json"] = "{"
    with pytest.raises(InputError, match=r"policy\.json is not a policy"):
        rendered(yaml.safe_dump(once))


def test_layers_merge_maps_and_replace_lists() -> None:
    """As Helm merges values: maps key by key, lists whole; the layers stay as they were."""
    low: dict[str, Any] = {"a": {"x": 1, "y": {"z": 1}}, "l": [1, 2], "only": {"k": 1}}
    high: dict[str, Any] = {"a": {"y": {"w": 2}, "x": None}, "l": [3], "empty": {}}
    assert merge([low, high]) == {
        "a": {"x": None, "y": {"z": 1, "w": 2}},
        "l": [3],
        "only": {"k": 1},
        "empty": {},
    }
    assert low == {"a": {"x": 1, "y": {"z": 1}}, "l": [1, 2], "only": {"k": 1}}
    assert high["a"] == {"y": {"w": 2}, "x": None}
