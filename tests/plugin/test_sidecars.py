"""Every pod gets the sidecar size of its role, whole, once, and never over what its user set."""

import json

import pytest

from mlmesh.model.errors import InputError
from tests.support.streams import documents, pod, policy, rendered

FOUR = {
    "sidecar.istio.io/proxyCPU": "500m",
    "sidecar.istio.io/proxyMemory": "512Mi",
    "sidecar.istio.io/proxyCPULimit": "1000m",
    "sidecar.istio.io/proxyMemoryLimit": "1Gi",
}
TEMPLATE = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
}


def annotations(item: dict, kind: str = "Deployment") -> dict[str, str]:  # type: ignore[type-arg]
    for key in TEMPLATE[kind]:
        item = item[key]
    return {key: value for key, value in item["metadata"]["annotations"].items() if not key.startswith("mlmesh.dev/")}


@pytest.mark.parametrize("kind", sorted(TEMPLATE))
def test_all_four_annotations_reach_the_pods_of_every_kind(kind: str) -> None:
    """The four sizes of the inference role stand on the pod template of each workload kind, all or none."""
    (item,) = documents(rendered(pod(kind)))
    assert annotations(item, kind) == FOUR


def test_the_stamps_are_on_the_object_and_not_on_its_pods() -> None:
    """A new version of the plugin must not roll pods: its stamp is on the Deployment alone."""
    (item,) = documents(rendered(pod()))
    own = item["metadata"]["annotations"]
    assert own["mlmesh.dev/rendered-by"] == "0.1.0"
    assert own["mlmesh.dev/derived"].split()[0] == "/spec/template/metadata/annotations/sidecar.istio.io~1proxyCPU"
    assert not any(key.startswith("mlmesh.dev/") for key in item["spec"]["template"]["metadata"]["annotations"])


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ({"proxyCPU": "2"}, {"proxyCPU": "2", "proxyCPULimit": "2", "proxyMemory": "512Mi", "proxyMemoryLimit": "1Gi"}),
        ({"proxyCPULimit": "200m"}, {"proxyCPU": "200m", "proxyCPULimit": "200m", "proxyMemoryLimit": "1Gi"}),
        ({"proxyMemory": "256Mi"}, {"proxyMemory": "256Mi", "proxyMemoryLimit": "1Gi", "proxyCPU": "500m"}),
    ],
)
def test_what_the_user_set_stays_and_the_rest_fits_it(theirs: dict[str, str], expected: dict[str, str]) -> None:
    """The API server refuses a request above its limit, so the sizes that are added are fitted to the user's."""
    prefix = "sidecar.istio.io/"
    (item,) = documents(rendered(pod(**{prefix + key: value for key, value in theirs.items()})))
    found = annotations(item)
    assert {key: found[prefix + key] for key in expected} == expected
    assert len(found) == 4


@pytest.mark.parametrize(
    "text",
    [
        pod().replace(
            "mlmesh.dev/role: inference", "sidecar.istio.io/inject: 'false'\n        mlmesh.dev/role: inference"
        ),
        pod(**{"sidecar.istio.io/inject": "false"}),
        pod().replace("containers:", "hostNetwork: true\n      containers:"),
        pod(role="gateway"),
        pod().replace("mlmesh.dev/role: inference", "tier: backend"),
    ],
    ids=["label", "annotation", "hostNetwork", "gateway", "no-role"],
)
def test_a_pod_without_sidecar_or_role_is_left_byte_for_byte(text: str) -> None:
    """Opted out, on the host's network, a proxy itself, or of no known role: nothing is written."""
    result = rendered(text)
    assert b"".join(result.output) == text.encode()
    assert not result.patches


def test_a_component_gives_its_role_by_namespace_and_selector() -> None:
    """`components` of a policy reach pods that carry no label of ours, in their namespace alone."""
    text = pod().replace("mlmesh.dev/role: inference", "tier: backend")
    components = {"store": {"role": "feature-store", "namespace": "ml", "selector": {"app": "llm"}}}
    (item,) = documents(rendered(text, policy(components=components)))
    assert annotations(item)["sidecar.istio.io/proxyCPU"] == "250m"
    components["store"]["namespace"] = "elsewhere"
    assert not rendered(text, policy(components=components)).patches


def test_two_components_that_disagree_are_an_error() -> None:
    """Which role a pod plays is never decided by the order of a map."""
    components = {
        "a": {"role": "inference", "selector": {"app": "llm"}},
        "b": {"role": "training", "selector": {"app": "llm"}},
    }
    text = pod().replace("mlmesh.dev/role: inference", "tier: backend")
    with pytest.raises(InputError, match="components a and b both select the pod"):
        rendered(text, policy(components=components))


def test_an_unknown_role_is_an_error_that_lists_the_known_ones() -> None:
    """A misspelt label must not silently leave a pod without its size."""
    with pytest.raises(InputError, match="role 'infrence' is not known") as caught:
        rendered(pod(role="infrence"))
    assert "inference" in caught.value.remedy
    assert "mlmesh.dev/role" in caught.value.place


def test_a_policy_makes_a_new_role() -> None:
    """A role is a key of `sidecars`: a new one needs no new release of the plugin."""
    sizes = {"proxyCPU": "50m", "proxyMemory": "64Mi", "proxyCPULimit": "100m", "proxyMemoryLimit": "128Mi"}
    (item,) = documents(rendered(pod(role="notebook"), policy(sidecars={"notebook": sizes})))
    assert annotations(item)["sidecar.istio.io/proxyMemoryLimit"] == "128Mi"


def test_a_second_run_changes_nothing() -> None:
    """post(post(x)) is post(x), to the byte."""
    once = b"".join(rendered(pod()).output)
    assert b"".join(rendered(once.decode()).output) == once


def test_a_second_run_with_other_sizes_moves_its_own_values_and_no_others() -> None:
    """The stamp tells derived values from the user's: only the former follow the policy."""
    once = b"".join(rendered(pod(**{"sidecar.istio.io/proxyCPU": "600m"})).output).decode()
    sizes = {"inference": {"proxyCPU": "1", "proxyMemory": "1Gi", "proxyMemoryLimit": "2Gi"}}
    (item,) = documents(rendered(once, policy(sidecars=sizes)))
    found = annotations(item)
    assert found["sidecar.istio.io/proxyCPU"] == "600m"
    assert found["sidecar.istio.io/proxyMemory"] == "1Gi"
    assert found["sidecar.istio.io/proxyMemoryLimit"] == "2Gi"


def test_every_injected_value_is_a_string() -> None:
    """The API server refuses an annotation that is a number: `2` must leave as text."""
    sizes = {"inference": {"proxyCPU": "2", "proxyCPULimit": "4"}}
    (item,) = documents(rendered(pod(), policy(sidecars=sizes)))
    assert annotations(item)["sidecar.istio.io/proxyCPU"] == "2"


@pytest.mark.parametrize("bad", ['["a"]', '"text"'])
def test_annotations_that_are_no_map_are_an_error_with_a_place(bad: str) -> None:
    """A list where a map belongs is told with its document, not met with a traceback."""
    item = json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "x"},
            "spec": {
                "template": {"metadata": {"labels": {"mlmesh.dev/role": "inference"}, "annotations": json.loads(bad)}}
            },
        }
    )
    with pytest.raises(InputError, match="annotations is not a map") as caught:
        rendered(item)
    assert "document 0" in caught.value.place


def test_objects_inside_a_list_are_reached() -> None:
    """A List's items are objects like any other; their patches are told from the document's root."""
    import yaml

    items = [yaml.safe_load(pod(name="a")), yaml.safe_load(pod(name="b"))]
    result = rendered(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}, sort_keys=False))
    (item,) = documents(result)
    assert [annotations(entry) for entry in item["items"]] == [FOUR, FOUR]
    assert result.patches[1].name == "b"
    assert result.patches[1].operations[0]["path"].startswith("/items/1/spec/template/")


@pytest.mark.parametrize(
    "metadata",
    ["{name: p, labels: {mlmesh.dev/role: inference}}", "{labels: {mlmesh.dev/role: inference}, annotations: null}"],
)
def test_a_pod_without_annotations_gets_sizes_and_stamps(metadata: str) -> None:
    """A Pod is its own template: the map that the sizes need and the stamps need is made once."""
    (item,) = documents(rendered(f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\nspec: {{containers: []}}\n"))
    assert annotations(item, "Pod") == FOUR
    assert item["metadata"]["annotations"]["mlmesh.dev/rendered-by"]


def test_a_template_without_metadata_gets_it() -> None:
    """Most pod templates of the world have no metadata at all: both maps are made."""
    text = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, labels: {mlmesh.dev/role: training}}\n"
    (item,) = documents(rendered(text + "spec:\n  template:\n    spec: {containers: []}\n"))
    assert annotations(item, "Job")["sidecar.istio.io/proxyCPU"] == "100m"
