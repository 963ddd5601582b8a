"""What a route serves whose path tells nothing: its backends tell, or nobody does, and then nothing is derived."""

from typing import Any

import pytest
import yaml

from mlmesh.endpoints.catalogue import TYPES
from mlmesh.endpoints.routes import rules
from mlmesh.endpoints.servers import IMAGES, MARKS, PROGRAMS, READING, SERVERS, served_by
from mlmesh.graph.pods import pod_templates
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from mlmesh.model.errors import InputError
from mlmesh.post_renderer import post_render
from tests.support.streams import codes, documents, policy, rendered

READS = ["embeddings", "rerank", "classify"]
GENERATES = ["chat", "completion", "responses"]
POOL = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool"}


def document(api: str, kind: str, name: str, spec: dict[str, Any], **annotations: str) -> str:
    metadata = {"name": name, "namespace": "ml", **({"annotations": annotations} if annotations else {})}
    return yaml.safe_dump({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}, sort_keys=False)


def route(*backends: dict[str, Any], path: str = "/", kind: str = "PathPrefix", **annotations: str) -> str:
    """An HTTPRoute of one rule to these backends; the Service `llm` where there are none."""
    rule = {
        "matches": [{"path": {"type": kind, "value": path}}],
        "backendRefs": list(backends) or [{"name": "llm", "port": 80}],
    }
    spec = {"parentRefs": [{"name": "gw"}], "rules": [rule]}
    return document("gateway.networking.k8s.io/v1", "HTTPRoute", "r", spec, **annotations)


def service(name: str = "llm", app: str = "llm", **annotations: str) -> str:
    return document("v1", "Service", name, {"selector": {"app": app}, "ports": [{"port": 80}]}, **annotations)


def pool(**annotations: str) -> str:
    spec = {"selector": {"matchLabels": {"app": "llm"}}, "targetPorts": [{"number": 8000}]}
    return document("inference.networking.k8s.io/v1", "InferencePool", "pool", spec, **annotations)


def server(image: str = "vllm/vllm-openai:v0.9", name: str = "llm", **container: Any) -> str:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "x", "image": image, **container}]},
    }
    return document("apps/v1", "Deployment", name, {"template": template})


def told(*texts: str, policies: tuple[str, ...] = (), context: str = "") -> tuple[list[str], str, dict[str, Any]]:
    """The types of the first HTTPRoute's rule, why, and its timeouts as they leave."""
    files = [("p.yaml", text.encode()) for text in policies]
    seen = [("c.yaml", context.encode())] if context else []
    result = post_render("---\n".join(texts).encode(), files, context=seen, namespace="ml")
    again = post_render(b"".join(result.output), files, context=seen, namespace="ml")
    assert again.patches == []
    (item,) = result.graph.of("gateway.networking.k8s.io", "HTTPRoute")
    (rule,) = rules(item, result.graph)
    return [kind.name for kind in rule.types], rule.reason, rule.data.get("timeouts", {})


@pytest.mark.parametrize("texts", [(route(), service(), server()), (server(), service(), route())])
def test_a_service_serves_what_its_pods_run_wherever_they_stand_in_the_stream(texts: tuple[str, ...]) -> None:
    """vLLM generates: the route has the longest timeout of that, and the reason names the pods."""
    types, reason, timeouts = told(*texts)
    assert (types, timeouts) == (GENERATES, {"request": "600s"})
    assert "Deployment ml/llm runs vLLM, by its image vllm/vllm-openai" in reason


def test_a_pool_serves_what_its_pods_run() -> None:
    """Most LLM routes match / and lead to an InferencePool."""
    embedder = server("ghcr.io/huggingface/text-embeddings-inference:1.8")
    assert told(route(POOL), pool(), embedder)[::2] == (READS, {"request": "30s"})


def test_a_virtual_service_is_told_by_its_pods_too() -> None:
    """A rule without a match to a vLLM gets its block."""
    spec = {"hosts": ["llm"], "http": [{"route": [{"destination": {"host": "llm"}}]}]}
    text = document("networking.istio.io/v1", "VirtualService", "v", spec)
    result = rendered(f"{text}---\n{service()}---\n{server()}")
    written = yaml.safe_load(bytes(b"".join(result.output)).split(b"---")[0])["spec"]["http"][0]
    assert written["timeout"] == "600s"


def test_pods_of_the_context_that_the_release_replaces_tell_nothing() -> None:
    """An upgrade from a server that writes to one that reads, or to an unknown, derives for the new one alone."""
    reads = server("ghcr.io/huggingface/text-embeddings-inference:1.8")
    assert told(route(), service(), reads, context=server())[0] == READS
    assert told(route(), service(), server("registry.example.com/own:1"), context=server())[0] == []


def test_pods_and_services_of_the_context_tell_what_they_serve() -> None:
    """Routes and servers are often two releases."""
    types, _, timeouts = told(route(), context=f"{service()}---\n{server()}")
    assert (types, timeouts) == (GENERATES, {"request": "600s"})
    annotated = service(**{"mlmesh.dev/endpoint": "embeddings"})
    assert told(route(), context=f"{annotated}---\n{server()}")[0] == ["embeddings"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((route(**{"mlmesh.dev/endpoint": "predict"}),), ["predict"]),
        ((route(), service(**{"mlmesh.dev/endpoint": "chat, embeddings"})), ["chat", "embeddings"]),
        ((route(POOL), pool(**{"mlmesh.dev/endpoint": "embeddings"})), ["embeddings"]),
    ],
)
def test_annotations_go_before_everything_else(texts: tuple[str, ...], expected: list[str]) -> None:
    """Route, then pool or Service; what the pods run does not matter then, nor a component."""
    component = policy(components={"a": {"selector": {"app": "llm"}, "serves": ["speech"]}})
    assert told(*texts, server(), policies=(component,))[0] == expected


def test_a_component_goes_before_its_pods() -> None:
    """`serves` speaks for Services that select nothing but pods of the component."""
    serves = {"selector": {"app": "llm"}, "serves": ["embeddings", "chat"]}
    assert told(route(), service(), server(), policies=(policy(components={"a": serves}),))[0] == ["embeddings", "chat"]
    elsewhere = {**serves, "namespace": "other"}
    assert told(route(), service(), server(), policies=(policy(components={"a": elsewhere}),))[0] == GENERATES
    narrower = {**serves, "selector": {"app": "llm", "version": "v2"}}
    assert told(route(), service(), server(), policies=(policy(components={"a": narrower}),))[0] == GENERATES


def test_all_backends_of_a_rule_must_tell() -> None:
    """The block binds each of them; together they serve what each does."""
    other = {"name": "other", "port": 80}
    here = ({"name": "llm", "port": 80}, other)
    assert told(route(*here), service(), server())[0] == []
    more = (service("other", "other"), server("ollama/ollama", "other"))
    assert told(route(*here), service(), server(), *more)[0] == [*GENERATES, "embeddings"]


@pytest.mark.parametrize(
    "texts",
    [
        (route(), service()),
        (route(), service(), server("nginx")),
        (route(), service(), server(command=["./start.sh"])),
        (route(), service(), server("vllm/vllm-router")),
        (route(), service(app="nobody"), server()),
        (route(path="/login", kind="Exact"), service(), server()),
        (route(POOL), server()),
    ],
)
def test_what_nothing_tells_is_never_guessed(texts: tuple[str, ...]) -> None:
    """An image's command that is replaced, a router, other labels, a path that is no base: nothing is derived."""
    assert told(*texts)[::2] == ([], {})


def test_a_path_goes_before_the_backend() -> None:
    """A chat path is chat whatever else the server has."""
    assert told(route(path="/v1/chat/completions", kind="Exact"), service(), server())[0] == ["chat"]


def test_a_path_above_others_is_told_by_the_backend() -> None:
    """/v1/models lists and predicts: a server that predicts settles it."""
    assert told(route(path="/v1/models"), service(), server("kserve/sklearnserver"))[0] == ["predict"]


@pytest.mark.parametrize(("path", "kind"), [("/search", "features"), ("/push", "feature-write")])
def test_a_path_that_others_have_too_is_derived_only_where_backend_or_annotation_agrees(path: str, kind: str) -> None:
    """/search and /push are Feast's, or any web application's."""
    text = route(path=path, kind="Exact")
    assert told(text)[::2] == ([kind], {})
    assert told(text, service(), server())[::2] == ([kind], {})
    feast = server("feastdev/feature-server")
    assert told(text, service(), feast)[2] != {}
    assert told(route(path=path, kind="Exact", **{"mlmesh.dev/endpoint": kind}))[2] != {}
    assert ("MLM216", "info") in codes(rendered(text))
    assert ("MLM216", "info") not in codes(rendered(f"{text}---\n{service()}---\n{feast}", namespace="ml"))


def test_a_route_to_a_pool_that_nothing_tells_of_is_an_info_and_another_projects_route_is_not() -> None:
    """A web shop's routes are nobody's business here."""
    assert ("MLM216", "info") in codes(rendered(route(POOL)))
    assert "MLM216" not in dict(codes(rendered(route(path="/cart"))))


def test_an_unknown_type_on_a_service_or_in_the_policy_is_an_error() -> None:
    """A misspelt type must not pass for nothing."""
    with pytest.raises(InputError, match="endpoint type 'chta' is not known"):
        rendered("---\n".join([route(), service(**{"mlmesh.dev/endpoint": "chta"})]), namespace="ml")
    with pytest.raises(InputError, match=r"spec\.components\.a\.serves\[0\]"):
        rendered(route(), policy(components={"a": {"serves": ["chta"]}}))


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"image": "vllm/vllm-openai", "args": ["--model", "x", "--runner", "pooling"]}, READS),
        ({"image": "vllm/vllm-openai", "args": ["--task=embed"]}, READS),
        ({"image": "a", "command": ["sh", "-c", "vllm serve x --task embed"]}, READS),
        ({"image": "a", "command": ["vllm", "serve", "x"]}, GENERATES),
        ({"image": "lmsysorg/sglang", "command": ["python3", "-m", "sglang.launch_server", "--is-embedding"]}, READS),
        ({"image": "ghcr.io/ggml-org/llama.cpp:server"}, GENERATES),
        ({"image": "ghcr.io/ggml-org/llama.cpp:server", "args": ["--embeddings"]}, READS),
        ({"image": "ghcr.io/huggingface/text-generation-inference"}, ["chat", "completion", "stream"]),
        ({"image": "tensorflow/tensorflow", "command": ["tensorflow_model_server"]}, ["predict"]),
        ({"image": "tensorflow/serving:2.19"}, ["predict"]),
        ({"image": "tensorflow/tensorflow"}, []),
        ({"image": "vllm/vllm-openai", "command": ["torchrun", "x.py"]}, []),
        ({"image": "vllm/vllm-openai", "command": ["vllm", "bench", "serve"]}, []),
        ({"image": "$VLLM_IMAGE"}, []),
    ],
)
def test_image_and_command_tell_what_a_server_serves(container: dict[str, Any], expected: list[str]) -> None:
    """An option can make a generating server read only; a command counts before the image."""
    text = document("apps/v1", "Deployment", "d", {"template": {"spec": {"containers": [{"name": "x", **container}]}}})
    (held,) = manifests.read(text.encode()).documents
    (pod,) = pod_templates(next(objects(held, held.data)))
    types, reason = served_by(pod)
    assert list(types) == expected
    assert bool(reason) == bool(expected)


def test_the_tables_of_servers_speak_of_known_things() -> None:
    """Every type is of the catalogue, every server has its row, and every word is found in a document that has it."""
    assert {kind for types in SERVERS.values() for kind in types} <= set(TYPES)
    assert {*PROGRAMS.values(), *IMAGES.values()} == set(SERVERS)
    assert set(READING) <= set(SERVERS)
    for word in (*PROGRAMS, *IMAGES):
        assert any(mark.decode() in part for mark in MARKS for part in word.split()), word


def test_a_list_of_everything_is_read_as_its_items_are() -> None:
    """`kubectl get -o yaml` and chart helpers put routes, Services and workloads into one List."""
    items = [yaml.safe_load(text) for text in (route(), service(), server())]
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}, sort_keys=False)
    types, _, timeouts = told(text)
    assert (types, timeouts) == (GENERATES, {"request": "600s"})
    (held,) = documents(rendered(text, namespace="ml"))
    assert held["items"][0]["spec"]["rules"][0]["timeouts"] == {"request": "600s"}
    assert held["items"][2]["metadata"]["annotations"]["mlmesh.dev/rendered-by"]


def test_a_drain_follows_the_timeout_that_its_own_pods_told() -> None:
    """The route is derived from what the pods run, and the pods end after the longest request that it allows."""
    result = rendered(f"{server()}---\n{route()}---\n{service()}", namespace="ml")
    deployment = next(item for item in documents(result) if item["kind"] == "Deployment")
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 600
