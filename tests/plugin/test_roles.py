"""A pod's role comes from what its manifest says, in a stated order; where nothing tells it, it has none."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlmesh.graph.pods import pod_templates
from mlmesh.graph.release import Release
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import KubeObject
from mlmesh.model.errors import InputError
from mlmesh.model.pods import PodRole
from mlmesh.policy.defaults import DEFAULTS, PROXY_ROLES
from mlmesh.policy.settings import load
from mlmesh.roles import commands, images, kinds, labels, role_of
from mlmesh.roles.signals import command_role, image_role
from tests.plugin.test_hot_path import loaded
from tests.support.streams import codes, policy, rendered

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "roles" / "cases.yaml").read_text())
VLLM = [{"name": "c", "image": "vllm/vllm-openai:v1"}]


def deployment(containers: Any, pod_labels: Any = None, own_labels: Any = None, **metadata: Any) -> dict[str, Any]:
    """A Deployment of these containers."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "llm", "namespace": "ml", "labels": own_labels or {}, **metadata},
        "spec": {"template": {"metadata": {"labels": pod_labels or {}}, "spec": {"containers": containers}}},
    }


def roles(item: dict[str, Any], *policies: str) -> list[PodRole]:
    """The pods of the object, as a plan has them."""
    return rendered(yaml.safe_dump(item), *policies).pods


def role(item: dict[str, Any], *policies: str) -> tuple[str, str, str]:
    """Role, reason and conflict of the object's only pod template."""
    (pod,) = roles(item, *policies)
    return pod.role, pod.reason, pod.conflict


@pytest.mark.parametrize("case", CASES, ids=[case["claim"] for case in CASES])
def test_a_signal_tells_what_its_claim_says(case: dict[str, Any]) -> None:
    """Each case of cases.yaml: role, reason and conflict."""
    item = case.get("object") or deployment(case["pods"], case.get("labels"))
    told = [pod for pod in roles(item) if "part" not in case or pod.part == case["part"]]
    found = {(pod.role, pod.reason.partition(";")[0], pod.conflict) for pod in told}
    assert found == {(case["role"], case.get("reason", ""), case.get("conflict", ""))}


def test_the_order_is_label_component_kind_label_image_command() -> None:
    """With a signal of another role at every step, taking the strongest away uncovers the next."""
    step = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "x", "namespace": "ml", "labels": {"mlmesh.dev/role": "training"}},
        "spec": {"rayClusterConfig": {"headGroupSpec": {"template": {
            "metadata": {"labels": {"mlmesh.dev/role": "pipeline", "app": "x", "inferencepool": "x"}},
            "spec": {"containers": [{"name": "c", "image": "mlflow/mlflow", "args": ["feast", "serve"]}]},
        }}}},
    }  # fmt: skip
    template = step["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]  # type: ignore[index]
    component = policy(components={"m": {"role": "monitoring", "selector": {"app": "x"}}})
    found = [role(step, component)]
    del template["metadata"]["labels"]["mlmesh.dev/role"]
    found.append(role(step, component))
    step["metadata"]["labels"] = {}  # type: ignore[index]
    found.append(role(step, component))
    found.append(role(step))
    template["metadata"] = {}
    plain = deployment(template["spec"]["containers"], {"inferencepool": "x"})
    found.append(role(plain))
    plain["spec"]["template"]["metadata"] = {}
    found.append(role(plain))
    plain["spec"]["template"]["spec"]["containers"][0]["image"] = "$IMAGE"
    found.append(role(plain))
    assert [(name, reason.partition(";")[0], conflict) for name, reason, conflict in found] == [
        ("pipeline", "label mlmesh.dev/role on the pod template", "component m says monitoring; the label goes first"),
        ("training", "label mlmesh.dev/role on the RayService", "component m says monitoring; the label goes first"),
        ("monitoring", "component m selects it", ""),
        ("inference", "kind RayService", "label inferencepool=x says picker; the kind goes first"),
        ("picker", "label inferencepool=x", "image mlflow/mlflow says model-registry; the label goes first"),
        ("model-registry", "image mlflow/mlflow", "command feast serve says feature-store; the image goes first"),
        ("feature-store", "command feast serve", ""),
    ]


def test_a_label_of_the_object_tells_where_the_pods_have_none() -> None:
    """A project's own label on the Deployment counts after those of its pods."""
    own = {"ai.gke.io/model": "gemma"}
    assert role(deployment([], {}, own))[:2] == ("inference", "label ai.gke.io/model=gemma")
    assert role(deployment([], {"inferencepool": "x"}, own))[0] == "picker"


def test_two_components_of_one_role_agree() -> None:
    """Only roles that differ are an error; one component without a role claims nothing."""
    claims: dict[str, dict[str, Any]] = {
        "a": {"role": "training", "selector": {"app": "x"}},
        "b": {"role": "training", "selector": {"app": "x"}},
        "c": {"selector": {"app": "x"}},
    }
    assert role(deployment(VLLM, {"app": "x"}), policy(components=claims)) == ("training", "component a selects it", "")
    claims["b"]["role"] = "inference"
    with pytest.raises(InputError, match="components a and b both select the pod, with roles training and inference"):
        role(deployment(VLLM, {"app": "x"}), policy(components=claims))
    labelled = deployment(VLLM, {"app": "x", "mlmesh.dev/role": "inference"})
    assert role(labelled, policy(components=claims))[2] == "component a says training; the label goes first"


@pytest.mark.parametrize(("value", "shown"), [(5, "5"), (True, "true"), (None, "null"), (["a"], "['a']")])
def test_a_role_that_is_no_string_is_told(value: object, shown: str) -> None:
    """`mlmesh.dev/role: 5` is met with what it is, where it is, and how it is mended."""
    with pytest.raises(InputError, match=r"label mlmesh\.dev/role is .* no string") as caught:
        role(deployment(VLLM, {"mlmesh.dev/role": value}))
    assert shown in str(caught.value.what)
    assert "document 0" in caught.value.place
    assert "quote it" in caught.value.remedy


@pytest.mark.parametrize(("held", "wanted"), [(1, "1"), (1.5, "1.5"), (True, "true")])
def test_a_number_where_a_component_wants_its_text_is_told(held: object, wanted: str) -> None:
    """`version: 1` on a pod looks selected by `version: "1"` and is refused by the API server: neither is guessed."""
    component = policy(components={"m": {"role": "monitoring", "selector": {"version": wanted}}})
    with pytest.raises(InputError, match=r"label version is .* no string") as caught:
        role(deployment(VLLM, {"version": held}), component)
    assert f'version: "{wanted}"' in caught.value.remedy
    assert role(deployment(VLLM, {"other": held}), component)[0] == "inference"


def test_labels_that_are_no_map_are_told() -> None:
    """A list of labels is an error with its place, of the pod template and of the object."""
    for item in (deployment(VLLM, ["a"]), deployment(VLLM, {}, ["a"])):
        with pytest.raises(InputError, match="labels is not a map"):
            role(item)


COMPONENTS = {"m": {"role": "monitoring", "namespace": "ml", "selector": {"app": "monitor"}}}


def select(item: dict[str, Any], components: dict[str, Any] = COMPONENTS) -> list[str]:
    """What the rule about components says of a stream that holds its policy and the object."""
    text = policy(components=components, release={"name": "r", "namespace": "ml"})
    result = rendered(f"{text}\n---\n{yaml.safe_dump(item)}")
    return [f"{f.severity} {f.message}" for f in result.findings if f.code == "MLM513"]


def test_a_component_that_selects_nothing_beside_a_pod_that_none_selects_is_a_warning() -> None:
    """A misspelt selector is told with its labels; it is silent where the component's pods are another release's."""
    (said,) = select(deployment(VLLM, {"app": "monitr"}))
    assert said.startswith("warning component m (app=monitor) selects no pod, and namespace ml has pods that no")
    assert select(deployment(VLLM, {"app": "monitor"})) == []
    assert select(deployment(VLLM, {"app": "x", "mlmesh.dev/role": "training"})) == []
    assert select(deployment(VLLM, {"app": "x"}, namespace="other")) == []
    hook = deployment(VLLM, {"app": "x"}, annotations={"helm.sh/hook": "test"})
    assert select(hook) == []
    both = {**COMPONENTS, "x": {"role": "training", "selector": {"app": "x"}}}
    assert select(deployment(VLLM, {"app": "x"}), both) == []
    pair = {"kind": "List", "apiVersion": "v1"}
    pair["items"] = [deployment(VLLM, {"app": "monitor"}), deployment(VLLM, {"app": "x"})]  # type: ignore[assignment]
    assert select(pair) == []
    anywhere = {"m": {"role": "monitoring", "selector": {"app": "monitor"}}}
    (said,) = select(deployment(VLLM, {"app": "x"}), anywhere)
    assert "this release has pods that no component selects" in said


def test_a_component_of_the_wrong_namespace_is_told_where_its_pods_are() -> None:
    """The selector fits and the namespace does not: the finding names the namespace that does."""
    (said,) = select(deployment(VLLM, {"app": "monitor"}, namespace="monitoring"))
    assert said == (
        "warning component m (app=monitor) selects no pod in namespace ml; pods with its labels are in monitoring"
    )


def test_a_component_of_a_policy_file_can_be_another_releases() -> None:
    """A platform's policy, laid over somebody else's chart, names what that chart does not have: nothing is said."""
    text = policy(components=COMPONENTS)
    assert codes(rendered(yaml.safe_dump(deployment(VLLM, {"app": "x"})), text, namespace="ml")) == []


def test_a_second_run_says_nothing_of_the_components() -> None:
    """The ConfigMap that took the MeshPolicy's place holds what the policy files said, too."""
    text = policy(components=COMPONENTS, release={"name": "r", "namespace": "ml"})
    once = rendered(f"{text}\n---\n{yaml.safe_dump(deployment(VLLM, {'app': 'x'}))}")
    assert ("MLM513", "warning") in codes(once)
    assert ("MLM513", "warning") not in codes(rendered(b"".join(once.output).decode()))


def test_a_finding_about_a_component_can_be_excused() -> None:
    """The MeshPolicy carries the annotation with its reason, like any other object."""
    text = json.loads(policy(components=COMPONENTS, release={"name": "r", "namespace": "ml"}))
    text["metadata"]["annotations"] = {"allow.mlmesh.dev/MLM513": "the monitor comes next week"}
    stream = f"{json.dumps(text)}\n---\n{yaml.safe_dump(deployment(VLLM, {'app': 'x'}))}"
    assert ("MLM513", "warning") not in codes(rendered(stream))


def test_every_role_of_a_table_is_known() -> None:
    """A table gives no role that has no sidecar sizes and is no proxy's."""
    known = {*DEFAULTS["sidecars"], *PROXY_ROLES}
    told = {*kinds.KINDS.values(), *kinds.WEAK.values(), *images.NAMES.values(), *dict(images.PHRASES).values()}
    told |= set(commands.COMMANDS.values()) - {""} | {role for row in kinds.PARTS.values() for role in row.values()}
    for row in labels.LABELS.values():
        told |= {row} if isinstance(row, str) else set(row.values())
    assert told <= known
    assert told == known  # and no role is left that only a label or a component can give


def test_the_rows_of_the_tables_can_match() -> None:
    """No row is dead: each command and each image of the tables is told by itself."""
    for command, name in commands.COMMANDS.items():
        assert command_role(command) == (name, command)
    for image, name in images.NAMES.items():
        assert image_role(f"registry.example.com/{image}:v1")[0] == name, image
    for tool in images.TOOLS:
        assert image_role(tool)[0] == "tool"


def test_a_pod_that_a_label_or_a_component_settles_loads_no_table() -> None:
    """The chart's own pods are settled so: a run on them pays for none of the tables."""
    run = """\
import sys
from mlmesh import post_main
assert post_main.run([]) == 0
sys.stderr.write("\\nLOADED " + " ".join(sys.modules))
"""
    component = policy(release={"name": "r"}, components={"m": {"role": "monitoring", "selector": {"app": "x"}}})
    settled = f"{component}\n---\n{yaml.safe_dump(deployment(VLLM, {'app': 'x'}))}"
    assert "mlmesh.roles.signals" not in loaded(run, settled)
    assert "mlmesh.roles.signals" in loaded(run, yaml.safe_dump(deployment(VLLM)))


def test_a_cluster_of_many_groups_is_read_once() -> None:
    """3,000 worker groups of one RayCluster look at each other without the work growing by the square."""
    group = {"template": {"spec": {"containers": [{"name": "c", "image": "$IMAGE"}]}}}
    data = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "x"},
        "spec": {"headGroupSpec": group, "workerGroupSpecs": [group] * 3000},
    }
    (document,) = manifests.read(yaml.safe_dump(data | {"spec": {}}).encode()).documents
    item = KubeObject(document, "", data)
    release = Release(load([], ()))
    started = time.perf_counter()
    assert {role_of(pod, release).name for pod in pod_templates(item)} == {""}
    assert time.perf_counter() - started < 0.9


def test_a_megabyte_of_commands_is_read_in_well_under_a_second() -> None:
    """Long scripts are words to be looked up, no more: 1 MB of them, and 5,000 images that repeat."""
    script = "pip install -q torch; echo step done; export A=b\n" * 400
    started = time.perf_counter()
    for number in range(50):
        assert command_role(f"{script}# {number}\nvllm serve m")[0] == "inference"
    for number in range(5000):
        image_role(f"registry.example.com/team/app-{number % 50}:v{number % 50}")
    assert time.perf_counter() - started < 0.9
