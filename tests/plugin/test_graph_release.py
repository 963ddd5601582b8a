"""The release as a whole: routes before workloads whatever their order, Lists that hold both, and the context."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlmesh.model.errors import InputError
from mlmesh.post_renderer import Result, post_render
from mlmesh.sidecars.stage import equip
from tests.support.graphs import item
from tests.support.streams import codes, documents, pod, policy, rendered, route, run

SERVICE = item("v1", "Service", "llm", {"selector": {"app": "llm"}})


def listed(*texts: str, kind: str = "List") -> str:
    """Objects as one List."""
    import yaml

    return json.dumps({"apiVersion": "v1", "kind": kind, "items": [yaml.safe_load(text) for text in texts]})


@pytest.mark.parametrize(
    "text",
    [
        f"{pod()}---\n{SERVICE}\n---\n{route()}",
        f"{route()}---\n{SERVICE}\n---\n{pod()}",
        listed(pod(), SERVICE, route()),
        f"{listed(pod(), SERVICE)}\n---\n{route()}",
        f"{pod()}---\n{listed(route(), SERVICE)}",
    ],
    ids=["pods first", "routes first", "one List", "List first", "List last"],
)
def test_a_pod_s_stage_knows_every_route(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that comes later in the stream, with the timeout that is derived into it in the same run."""
    seen: list[float | None] = []

    def spy(templates: Any, release: Any) -> Any:
        seen.extend(map(release.longest_timeout, templates))
        return equip(templates, release)

    monkeypatch.setattr("mlmesh.post_renderer.equip", spy)
    rendered(text)
    assert seen == [120]


def test_the_output_keeps_the_order_of_the_stream() -> None:
    """Routes are worked on first, but nothing moves; the plan is in the order of the stream too."""
    text = f"{pod(name='a')}---\n{route()}---\n{pod(name='b')}---\n{SERVICE}\n"
    result = rendered(text)
    assert [(each["kind"], each["metadata"]["name"]) for each in documents(result)] == [
        ("Deployment", "a"),
        ("VirtualService", "llm"),
        ("Deployment", "b"),
        ("Service", "llm"),
    ]
    assert [patch.document for patch in result.patches] == [0, 1, 2]
    assert [each.name for each in result.pods] == ["a", "b"]


def test_a_list_of_routes_and_workloads_is_written_once_with_both() -> None:
    """Each object of it gets its own patch, and post-rendering the output changes nothing."""
    result = rendered(listed(pod(), route(), SERVICE))
    output = b"".join(result.output)
    assert [patch.kind for patch in result.patches] == ["VirtualService", "Deployment"]
    (whole,) = documents(result)
    assert whole["items"][1]["spec"]["http"][0]["timeout"] == "120s"
    assert whole["items"][0]["metadata"]["annotations"]["mlmesh.dev/rendered-by"]
    assert b"".join(post_render(output).output) == output


def test_annotations_that_are_passed_down_are_not_misplaced() -> None:
    """KServe gives an InferenceService's own annotations to its pods; a Deployment keeps them to itself."""
    annotations = {"sidecar.istio.io/logLevel": "debug"}
    model = item("serving.kserve.io/v1beta1", "InferenceService", "m", {"predictor": {}}, annotations=annotations)
    other = item("apps/v1", "Deployment", "d", {"template": {"spec": {}}}, annotations=annotations)
    assert ("MLM502", "error") not in codes(rendered(model))
    assert ("MLM502", "error") in codes(rendered(other))


def test_several_lists_cost_no_limit_twice() -> None:
    """A stream that is near the reader's limits is not refused because a List of it is needed in both passes."""
    lists = "\n---\n".join(listed(*(pod(name=f"p{n}") for n in range(60)), SERVICE) for _ in range(40))
    assert len(rendered(lists).pods) == 40 * 60


DENIED = item(
    "security.istio.io/v1",
    "AuthorizationPolicy",
    "allow",
    {"rules": [{"from": [{"source": {"principals": ["cluster.local/ns/infra/sa/edge"]}}]}]},
)
ACCOUNT = item("v1", "ServiceAccount", "edge", namespace="infra")


def with_context(text: str, *context: str, **spec: Any) -> Result:
    """The stream post-rendered with context files and a policy."""
    files = [(f"context-{number}.yaml", content.encode()) for number, content in enumerate(context)]
    return post_render(text.encode(), [("p", policy(**spec).encode())], context=files, namespace="ml")


def test_the_context_tells_what_the_release_lacks() -> None:
    """An identity that another release has is no finding; without the context it is."""
    assert codes(with_context(DENIED)) == [("MLM401", "warning")]
    assert codes(with_context(DENIED, ACCOUNT)) == []
    gateway = item("gateway.networking.k8s.io/v1", "Gateway", "edge", {"gatewayClassName": "istio"}, "infra")
    assert codes(with_context(DENIED.replace("sa/edge", "sa/edge-istio"), gateway)) == []


def test_the_context_is_never_judged_written_or_owned() -> None:
    """What is wrong in it is another's; its Namespaces make nothing the release's; nothing of it is put out."""
    namespace = item("v1", "Namespace", "infra", namespace="")
    bad = item("gateway.networking.k8s.io/v1", "Gateway", "g", {"listeners": [{"protocol": "GRPC"}]})
    result = with_context(DENIED, f"{namespace}\n---\n{bad}\n---\n{pod()}")
    assert codes(result) == [("MLM401", "warning")]
    assert b"".join(result.output) == DENIED.encode()
    assert not result.pods
    assert not result.patches


def test_a_policy_in_the_context_does_not_count() -> None:
    """It is that of another release: --policy names one that is meant."""
    theirs = policy(sidecars={"inference": {"proxyCPU": "7"}})
    assert with_context(pod(), theirs).output == with_context(pod()).output


def test_a_cluster_s_list_is_a_context() -> None:
    """As `kubectl get -A -o yaml` prints it: one List, with status and all that is not read."""
    held = '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "cGFzcw=="}}'
    assert codes(with_context(DENIED, listed(ACCOUNT, held, SERVICE))) == []


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a: [", "context file context-0.yaml, document 0, line 1"),
        (f"{ACCOUNT}\n---\nkind: Service\nmetadata: {{name: x}}\n", "context file context-0.yaml, document 1 "),
        (pod().replace("template:", "template: text\n  old:"), "context file context-0.yaml, document 0 (Deployment"),
    ],
)
def test_an_error_in_the_context_names_file_and_document(content: str, place: str) -> None:
    """It is no finding: a context that cannot be read tells nothing."""
    with pytest.raises(InputError) as caught:
        with_context(DENIED, content)
    assert caught.value.place.startswith(place)


def test_context_files_are_named_on_the_command_line_or_in_the_environment(tmp_path: Path) -> None:
    """--context may be repeated; MLMESH_CONTEXT separates files by colons; a file that is missing is exit code 2."""
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(SERVICE)
    second.write_text(ACCOUNT)
    assert b"MLM401" in run(stdin=DENIED).stderr
    assert run("--context", str(first), f"--context={second}", stdin=DENIED).stderr == b""
    assert run(stdin=DENIED, MLMESH_CONTEXT=f"{first}:{second}").stderr == b""
    missing = run("--context", str(tmp_path / "none.yaml"), stdin=DENIED)
    assert (missing.returncode, missing.stdout) == (2, b"")
    assert b"none.yaml" in missing.stderr
    assert b"--context" in run("--help").stdout
    assert run("plan", "--context", str(second), "-", stdin=DENIED, command="mlmesh").returncode == 0
