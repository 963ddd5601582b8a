"""Every pod gets the sidecar size of its role, whole, once, and never over what its user set."""

import json
from typing import Any

import pytest
import yaml

import mlmesh
from mlmesh.graph.kinds import KINDS, TRAIN_JOB
from mlmesh.graph.pods import PodTemplate, pod_templates
from mlmesh.graph.stamps import derived
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from mlmesh.model.errors import InputError
from mlmesh.model.patches import pointer
from tests.support.streams import codes, documents, pod, policy, rendered

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
    """The sizes that stand on a pod template."""
    for key in TEMPLATE[kind]:
        item = item[key]
    return {key: value for key, value in item["metadata"]["annotations"].items() if "/proxy" in key}


@pytest.mark.parametrize("kind", sorted(TEMPLATE))
def test_all_four_annotations_reach_the_pods_of_every_kind(kind: str) -> None:
    """The four sizes of the inference role stand on the pod template of each workload kind, all or none."""
    (item,) = documents(rendered(pod(kind)))
    assert annotations(item, kind) == FOUR


def an_object(group: str, kind: str) -> dict[str, Any]:
    """An object of a kind of the table that has pods in each place that its rows name, two where a list is."""
    item: dict[str, Any] = {"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, "metadata": {"name": "x"}}
    item["metadata"]["labels"] = {"mlmesh.dev/role": "inference"}

    def fill(node: dict[str, Any], steps: list[str]) -> None:
        step, *rest = steps
        if step == "*":
            for key in ("Master", "Worker"):
                fill(node, [key, *rest])
        elif step.endswith("[]"):
            for below in node.setdefault(step[:-2], [{"name": "a"}, {"name": "b"}]):
                fill(below, rest) if rest else below.update(container={"image": "i"})
        elif rest:
            fill(node.setdefault(step, {}), rest)
        else:
            node.setdefault(step, {})

    for _, anchor, _, spec in KINDS[group, kind]:
        # A KServe component's PodSpec is the place itself, and an object without any spec has none to give settings.
        made = spec if spec and not spec.startswith("=") else ""
        path = [*anchor.split("."), *made.split(".")] if anchor else made.split(".")
        fill(item, [step for step in path if step])
    return item


def read(text: str) -> list[PodTemplate]:
    """The pod templates of a stream."""
    found = manifests.read(text.encode()).documents
    return [pod for document in found for item in objects(document, document.data) for pod in pod_templates(item)]


@pytest.mark.parametrize(("group", "kind"), sorted(set(KINDS) - {TRAIN_JOB}))
def test_all_four_reach_every_pod_of_every_kind_of_the_table(group: str, kind: str) -> None:
    """Each place where some kind keeps its pods' metadata gets the four, in lists and maps; a second run nothing."""
    text = yaml.safe_dump(an_object(group, kind))
    result = rendered(text)
    after = b"".join(result.output).decode()
    pods = read(after)
    assert pods
    for template in pods:
        assert (template.holder is None) or {key: template.annotations.get(key) for key in FOUR} == FOUR
    for patch in result.patches:
        paths = [operation["path"] for operation in patch.operations]
        assert len(paths) == len(set(paths))
    unplaced = [template for template in pods if template.holder is None]
    assert codes(result).count(("MLM512", "info")) == len(unplaced)
    assert rendered(after).patches == []


def test_the_stamps_are_on_the_object_and_not_on_its_pods() -> None:
    """A new version of the plugin must not roll pods: its stamp is on the Deployment alone."""
    (item,) = documents(rendered(pod()))
    own = item["metadata"]["annotations"]
    assert own["mlmesh.dev/rendered-by"] == mlmesh.__version__
    assert own["mlmesh.dev/derived"].split()[0] == "/spec/template/metadata/annotations/sidecar.istio.io~1proxyCPU"
    assert not any(key.startswith("mlmesh.dev/") for key in item["spec"]["template"]["metadata"]["annotations"])


def test_the_stamp_names_every_value_and_reads_back() -> None:
    """Of a value beside the one before it only the key is written; a later run reads the whole pointers of all."""
    theirs = pod(**{"example.com/own": "x", "proxy.istio.io/config": "concurrency: 2"})
    (document,) = manifests.read(b"".join(rendered(theirs).output)).documents
    (item,) = objects(document, document.data)
    at = "/spec/template/metadata/annotations"
    config = f"{at}/proxy.istio.io~1config"
    assert derived(item) == {f"{at}{pointer(key)}" for key in FOUR} | {
        f"{config}/holdApplicationUntilProxyStarts",
        f"{config}/proxyMetadata/EXIT_ON_ZERO_ACTIVE_CONNECTIONS",
    }
    assert item.annotations()["mlmesh.dev/derived"].split()[:2] == [
        f"{at}/sidecar.istio.io~1proxyCPU",
        "sidecar.istio.io~1proxyCPULimit",
    ]


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


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ({"proxyMemory": "1Gi", "proxyMemoryLimit": "512Mi"}, [("MLM503", "error")]),
        ({"proxyCPU": "2", "proxyCPULimit": "1000m"}, [("MLM503", "error")]),
        ({"proxyCPU": "1", "proxyCPULimit": "1000m"}, []),
        ({"proxyCPU": "2"}, []),
    ],
)
@pytest.mark.parametrize("role", ["inference", ""])
def test_503_a_request_above_its_limit(theirs: dict[str, str], expected: list[tuple[str, str]], role: str) -> None:
    """The API server refuses the pod, so no pod of the workload starts, whatever its role; equal is fine."""
    settings = {f"sidecar.istio.io/{key}": value for key, value in theirs.items()}
    text = pod(**settings) if role else unknown(pod(**settings))
    assert [found for found in codes(rendered(text)) if found[0] == "MLM503"] == expected


def unknown(text: str) -> str:
    """A workload that tells nobody its role."""
    return text.replace("mlmesh.dev/role: inference", "tier: backend")


def test_504_a_partial_set_on_a_pod_of_no_known_role() -> None:
    """The injector drops the mesh's sizes for one annotation; with a role the set is completed and nothing is said."""
    partial = pod(**{"sidecar.istio.io/proxyCPU": "2"})
    assert codes(rendered(partial)) == []
    result = rendered(unknown(partial))
    assert codes(result) == [("MLM504", "warning")]
    assert "proxyMemoryLimit" in result.findings[0].message
    assert codes(rendered(unknown(pod(**FOUR)))) == []
    no_size = unknown(partial.replace("proxyCPU", "inject").replace("'2'", "'false'"))
    assert codes(rendered(no_size)) == [("MLM957", "info")]


def test_a_size_that_is_no_string_is_an_error_with_a_place() -> None:
    """The API server takes no number as an annotation: the whole object would be refused."""
    with pytest.raises(InputError, match="2 is no string") as caught:
        rendered(pod(**{"sidecar.istio.io/proxyCPU": "2"}).replace("'2'", "2"))
    assert 'in quotes: "2"' in caught.value.remedy


@pytest.mark.parametrize("bad", ["1gb", "500 m", "lots", ""])
def test_a_bad_quantity_of_the_user_is_an_error_with_a_place(bad: str) -> None:
    """Istio's injector refuses the pod, so the release is refused before it is installed."""
    with pytest.raises(InputError, match="is not a resource quantity") as caught:
        rendered(pod(**{"sidecar.istio.io/proxyMemoryLimit": bad}))
    assert "sidecar.istio.io/proxyMemoryLimit" in caught.value.place
    assert "document 0" in caught.value.place


def test_a_policy_with_a_request_above_its_limit_is_refused() -> None:
    """Also where the other one is a built-in default: 2 cores are above the inference role's limit of one."""
    with pytest.raises(InputError, match="proxyCPU 2 is above proxyCPULimit 1000m") as caught:
        rendered(pod(), policy(sidecars={"inference": {"proxyCPU": "2"}}))
    assert "spec.sidecars.inference" in caught.value.place
    rendered(pod(), policy(sidecars={"inference": {"proxyCPU": "2", "proxyCPULimit": None}}))


@pytest.mark.parametrize(
    ("labels", "annotation", "equipped"),
    [
        ({"sidecar.istio.io/inject": "true"}, "false", True),
        ({"sidecar.istio.io/inject": "false"}, "true", False),
        ({"sidecar.istio.io/inject": "False"}, None, True),
        ({}, "false", False),
    ],
)
def test_who_is_injected_is_read_as_the_injector_reads_it(
    labels: dict[str, str], annotation: str | None, equipped: bool
) -> None:
    """The label beats the annotation, and only the word false counts (injectRequired of Istio's injector)."""
    item = yaml.safe_load(pod(**({"sidecar.istio.io/inject": annotation} if annotation else {})))
    item["spec"]["template"]["metadata"]["labels"].update(labels)
    assert bool(rendered(yaml.safe_dump(item)).patches) is equipped


@pytest.mark.parametrize(
    "change",
    [
        lambda template: template["metadata"]["annotations"].update({"inject.istio.io/templates": "gateway"}),
        lambda template: template["spec"].update(containers=[{"name": "istio-proxy", "image": "auto"}]),
    ],
)
def test_a_proxy_of_istio_s_own_is_left_alone_whatever_its_role(change: Any) -> None:
    """A gateway's pods, or ztunnel's, selected by a component too wide or labelled by mistake, get nothing."""
    item = yaml.safe_load(pod())
    change(item["spec"]["template"])
    result = rendered(yaml.safe_dump(item))
    assert result.patches == []
    assert result.pods[0].role == "inference"


def test_a_pod_with_a_customized_proxy_is_equipped() -> None:
    """A container istio-proxy beside the application is the injector's way to customize the sidecar."""
    item = yaml.safe_load(pod())
    item["spec"]["template"]["spec"]["containers"].append({"name": "istio-proxy", "image": "auto"})
    assert rendered(yaml.safe_dump(item)).patches


def test_a_pod_that_lost_its_role_loses_what_an_earlier_run_gave_it() -> None:
    """Only what the stamp names goes; the stamp goes with it."""
    once = b"".join(rendered(pod(**{"example.com/own": "x", "proxy.istio.io/config": "concurrency: 2"})).output)
    (item,) = documents(rendered(unknown(once.decode().replace('"inference"', "inference"))))
    assert item["spec"]["template"]["metadata"]["annotations"]["example.com/own"] == "x"
    assert set(item["spec"]["template"]["metadata"]["annotations"]) == {"example.com/own", "proxy.istio.io/config"}
    config = yaml.safe_load(item["spec"]["template"]["metadata"]["annotations"]["proxy.istio.io/config"])
    assert config == {"concurrency": 2}
    assert "mlmesh.dev/derived" not in item["metadata"]["annotations"]


def test_one_object_with_several_templates_has_one_patch_and_one_stamp() -> None:
    """The pointers of all its templates stand in one annotation, so that a second run knows each."""
    text = yaml.safe_dump(an_object("kubeflow.org", "PyTorchJob"))
    result = rendered(text)
    (patch,) = result.patches
    (item,) = documents(result)
    stamp = item["metadata"]["annotations"]["mlmesh.dev/derived"]
    for part in ("Master", "Worker"):
        assert f"/spec/pytorchReplicaSpecs/{part}/template/metadata/annotations/sidecar.istio.io~1proxyCPU" in stamp
    assert patch.role == "inference"
    assert [found.part for found in result.pods] == ["master", "worker"]


def test_an_object_within_an_object_has_its_own_stamp() -> None:
    """What a wrapper holds becomes an object of the cluster: its stamp goes with it, for the next run to know it by."""
    inner = [yaml.safe_load(pod(name=name)) for name in ("a", "b")]
    wrapper = {
        "apiVersion": "workload.codeflare.dev/v1beta2",
        "kind": "AppWrapper",
        "metadata": {"name": "w"},
        "spec": {"components": [{"template": item} for item in inner]},
    }
    result = rendered(json.dumps(wrapper))
    (after,) = documents(result)
    assert "annotations" not in after["metadata"]
    for component in after["spec"]["components"]:
        assert annotations(component["template"]) == FOUR
        stamp = component["template"]["metadata"]["annotations"]["mlmesh.dev/derived"]
        assert stamp.startswith("/spec/template/metadata/annotations/")
    assert [patch.name for patch in result.patches] == ["a", "b"]
    assert rendered(b"".join(result.output).decode()).patches == []
