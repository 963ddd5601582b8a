"""`mlmesh plan`: every pod, every change, each with its reason, replayable by any JSON Patch tool."""

import json
from typing import Any

import jsonpatch
import yaml

from tests.support.streams import pod, policy, route, run

STREAM = "---\n".join(
    [policy(release={"name": "rel"}) + "\n", pod(), pod(name="other", role="gateway"), route("/v1/embeddings")]
)


def plan(stream: str, *arguments: str) -> dict[str, Any]:
    """The plan as JSON."""
    done = run("plan", "--format", "json", *arguments, stdin=stream, command="mlmesh")
    assert done.returncode == 0, done.stderr
    shape: dict[str, Any] = json.loads(done.stdout)
    return shape


def test_the_plan_replays_to_what_the_post_renderer_writes() -> None:
    """jsonpatch, applied to the documents as they came, gives the documents as they leave."""
    before = list(yaml.safe_load_all(STREAM))
    for patch in plan(STREAM)["patches"]:
        before[patch["document"]] = jsonpatch.apply_patch(before[patch["document"]], patch["operations"])
    assert before == list(yaml.safe_load_all(run(stdin=STREAM).stdout))


def test_the_plan_has_its_stable_shape() -> None:
    """Pods with role and reason, also those that are left alone; patches with object, reason and operations."""
    shape = plan(STREAM)
    assert shape["version"] == 1
    assert shape["pods"][0] == {
        "document": 1, "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "ml", "name": "llm",
        "pointer": "/spec/template", "role": "inference", "reason": "label mlmesh.dev/role on the pod template",
    }  # fmt: skip
    assert shape["pods"][1]["role"] == "gateway"
    assert [patch["kind"] for patch in shape["patches"]] == ["MeshPolicy", "Deployment", "VirtualService"]
    assert shape["patches"][1]["role"] == "inference"
    assert list(shape["patches"][2]) == [
        "apiVersion", "kind", "namespace", "name", "document", "role", "reason", "operations",
    ]  # fmt: skip
    assert shape["patches"][2]["reason"] == "rule 0 serves embeddings (prefix /v1/embeddings)"


def test_the_plan_as_text_tells_what_and_why() -> None:
    """A person sees each change with its reason, and the pods that are left as they are."""
    done = run("plan", stdin=STREAM, command="mlmesh")
    shown = done.stdout.decode()
    for part in (
        "3 objects to change, 2 pod templates",
        "Deployment ml/llm (document 1)",
        "why: inference sidecar: label mlmesh.dev/role on the pod template",
        'add     /spec/template/metadata/annotations/sidecar.istio.io~1proxyCPU = "500m"',
        "Pods left as they are:\n  Deployment ml/other: gateway: label mlmesh.dev/role on the pod template",
    ):
        assert part in shown, shown


def test_a_plan_is_made_whatever_the_findings_are() -> None:
    """It shows what would change; whether the release passes is the post-renderer's word."""
    broken = yaml.safe_dump(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "g"},
            "spec": {"gatewayClassName": "istio", "listeners": [{"protocol": "GRPC"}]},
        }
    )
    assert plan(f"{pod()}---\n{broken}")["patches"]
    assert plan("") == {"version": 1, "pods": [], "patches": []}


def test_a_file_and_a_policy_can_be_named(tmp_path: Any) -> None:
    """`mlmesh plan FILE --policy FILE`, and a wrong call is met with its help."""
    (tmp_path / "stream.yaml").write_text(STREAM)
    (tmp_path / "policy.yaml").write_text(policy(sidecars={"inference": {"proxyCPU": "750m"}}))
    shape = plan("", str(tmp_path / "stream.yaml"), "--policy", str(tmp_path / "policy.yaml"))
    assert "750m" in json.dumps(shape["patches"][1])
    done = run("plan", "nowhere.yaml", command="mlmesh")
    assert done.returncode == 2
    assert b"nowhere.yaml" in done.stderr
    assert run("plan", "--format", "xml", command="mlmesh").returncode == 2
    assert b"plan" in run("--help", command="mlmesh").stdout
    done = run("plan", stdin="kind: Pod\n\tx", command="mlmesh")
    assert (done.returncode, done.stdout) == (2, b"")
