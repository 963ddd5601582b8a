"""Timeouts of KServe's objects: what their models need is written where they carry one, and too little is told."""

import json
from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.support.streams import codes, documents, policy, rendered, run


def service(predictor: dict[str, Any], **annotations: str) -> dict[str, Any]:
    metadata = {"name": "llm", "namespace": "ml", "annotations": annotations}
    kind = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    return {**kind, "metadata": metadata, "spec": {"predictor": predictor}}


HUGGING = {"model": {"modelFormat": {"name": "huggingface"}, "args": ["--model_id=m"]}}
VLLM = {"containers": [{"name": "kserve-container", "image": "vllm/vllm-openai:v0.11.0"}]}
MODE = "serving.kserve.io/deploymentMode"
STANDARD = {MODE: "Standard"}
CHAT = {"mlmesh.dev/endpoint": "chat"}
READS = {"mlmesh.dev/endpoint": "embeddings"}


def after(item: dict[str, Any], *policies: str) -> dict[str, Any]:
    (found,) = documents(rendered(yaml.safe_dump(item), *policies))
    return found


def model(form: str, *args: str, **fields: Any) -> dict[str, Any]:
    return {"model": {"modelFormat": {"name": form}, **({"args": [*args]} if args else {}), **fields}}


@pytest.mark.parametrize(
    ("predictor", "annotations", "timeout"),
    [
        (HUGGING, {}, 600),
        (VLLM, {}, 600),
        (model("vLLM"), STANDARD, 600),
        (model("vllm", "--runner", "pooling"), STANDARD, 30),
        (model("huggingface", "--task=text_generation"), STANDARD, 600),
        (model("huggingface", "--task", "text_embedding"), STANDARD, 30),
        (model("huggingface", "--task=fill_mask"), STANDARD, 30),
        (model("sklearn"), STANDARD, 30),
        (model("sklearn"), {MODE: "RawDeployment"}, 30),
        ({"sklearn": {"storageUri": "gs://m"}}, STANDARD, 30),
        ({"pytorch": {"storageUri": "gs://m"}}, STANDARD, 120),
        (HUGGING, {**READS, **STANDARD}, 30),
        ({**VLLM, "timeout": 700}, {}, 700),
        ({**VLLM, "timeout": None}, {}, 600),
        (model("triton"), STANDARD, None),
        (model("unheard-of"), {}, None),
        (VLLM, {MODE: "ModelMesh"}, None),
    ],
)
def test_a_predictor_gets_the_time_that_its_model_needs(
    predictor: dict[str, Any], annotations: dict[str, str], timeout: int | None
) -> None:
    """By annotation, image or format the longest of its types; the user's own stays; of an unknown model nothing."""
    found = after(service(predictor, **annotations))
    assert found["spec"]["predictor"].get("timeout") == timeout
    assert after(found) == found


@pytest.mark.parametrize(
    ("wanted", "standard", "knative", "unknown"),
    [
        ("0s", None, None, None),
        ("30s", 30, None, None),
        ("60s", 60, None, None),
        ("120s", 120, None, 300),
        ("300500ms", 301, 301, 301),
        ("601s", 601, 600, 600),
    ],
)
def test_knative_is_given_no_less_than_it_gives_and_no_more_than_it_takes(
    wanted: str, standard: int | None, knative: int | None, unknown: int | None
) -> None:
    """It counts the start of a pod from zero, too, and refuses more than 600 s. Nobody knows: it may be."""
    asked = policy(endpoints={"types": {"chat": {"timeout": wanted}}})
    for how, timeout in (("Standard", standard), ("Knative", knative), ("Serverless", knative), ("", unknown)):
        found = after(service(VLLM, **CHAT, **({MODE: how} if how else {})), asked)
        assert found["spec"]["predictor"].get("timeout") == timeout, how


def test_a_transformer_needs_the_time_of_its_predictor_and_an_explainer_that_of_explanations() -> None:
    """Requests pass the transformer first: 60 s of KServe's there would end them whatever the predictor has."""
    own = {"containers": [{"name": "kserve-container", "image": "me/mine:1"}]}
    item = service(VLLM, **STANDARD)
    item["spec"] |= {"transformer": deepcopy(own), "explainer": own}
    spec = after(item)["spec"]
    assert [spec[part]["timeout"] for part in ("predictor", "transformer", "explainer")] == [600, 600, 120]
    item["spec"]["transformer"] = {**own, "timeout": 60}
    assert ("MLM207", "warning") in codes(rendered(yaml.safe_dump(item)))


def test_objectives_and_blocks_of_the_policy_count() -> None:
    """What an earlier run derived follows the policy, or goes away; objectives of its Service are the part's own."""
    chat = service(VLLM, **CHAT, **STANDARD)
    once = after(chat, policy(endpoints={"types": {"chat": {"timeout": "300500ms"}}}))
    assert once["spec"]["predictor"]["timeout"] == 301
    again = after(once, policy(endpoints={"types": {"chat": {"timeout": "200s"}}}))
    assert again["spec"]["predictor"]["timeout"] == 200
    tokens = {"timeToFirstToken": "5s", "timePerOutputToken": "50ms", "outputTokens": 1000, "streaming": False}
    hosts = {"llm-predictor.ml.svc.cluster.local": {**tokens, "attempts": 1}}
    assert after(chat, policy(endpoints={"objectives": {"hosts": hosts}}))["spec"]["predictor"]["timeout"] == 55
    del once["metadata"]["annotations"]["mlmesh.dev/endpoint"]
    unknown = {"timeout": 301, "model": {"modelFormat": {"name": "unheard-of"}}}
    assert "timeout" not in after({**once, "spec": {"predictor": unknown}})["spec"]["predictor"]


def test_a_component_of_the_policy_tells_what_is_served() -> None:
    """`serves` of the component that selects the pods stands before the format."""
    settings = policy(components={"c": {"role": "inference", "selector": {"app": "llm"}, "serves": ["embeddings"]}})
    item = service({**HUGGING, "labels": {"app": "llm"}}, **STANDARD)
    assert after(item, settings)["spec"]["predictor"]["timeout"] == 30


def test_what_kserve_would_cut_is_told() -> None:
    """MLM207 for a timeout below the policy's, on models that generate; a longer one and a classifier are fine.

    Of a model of Hugging Face's without a task nobody knows whether it generates.
    """
    assert ("MLM207", "warning") in codes(rendered(yaml.safe_dump(service({**VLLM, "timeout": 30}))))
    assert "MLM207" not in dict(codes(rendered(yaml.safe_dump(service({**HUGGING, "timeout": 30})))))
    assert "MLM207" not in dict(codes(rendered(yaml.safe_dump(service({**VLLM, "timeout": 600})))))
    sklearn = {"model": {"modelFormat": {"name": "sklearn"}}, "timeout": 5}
    assert "MLM207" not in dict(codes(rendered(yaml.safe_dump(service(sklearn)))))


def said(item: dict[str, Any], code: str, *policies: str) -> list[str]:
    return [found.message for found in rendered(yaml.safe_dump(item), *policies).findings if found.code == code]


def test_what_knative_will_not_take_is_told() -> None:
    """More than 600 s: Knative's webhook refuses the revision, so 600 is derived, and what is lost is a finding."""
    asked = policy(endpoints={"types": {"chat": {"timeout": "900s"}}})
    (message,) = said(service(VLLM, **CHAT), "MLM207", asked)
    assert "may take 900s, and Knative refuses more than 600s unless its max-revision-timeout-seconds" in message
    assert said(service(VLLM, **CHAT, **STANDARD), "MLM207", asked) == []


def test_what_the_object_cannot_say_is_told() -> None:
    """Retries of a known type; and that nothing tells the type, where KServe's 60 s are left."""
    (message,) = said(service(VLLM, **CHAT), "MLM217")
    assert message.endswith("an InferenceService cannot say that: Istio repeats 2 times what no server began")
    assert "attempts 2, perTryTimeout 60s, retryOn 5xx,reset" in message
    experimental = policy(mesh={"gatewayApiChannel": "experimental"})
    assert len(said(service(VLLM, **CHAT), "MLM217", experimental)) == 1
    (message,) = said(service(model("unheard-of")), "MLM216")
    assert "nothing tells what the predictor serves" in message
    assert said(service({**model("unheard-of"), "timeout": 90}), "MLM216") == []


@pytest.mark.parametrize("hostile", [[], "60", {"a": 1}, -1, 0, True])
def test_a_hostile_timeout_ends_in_no_exception(hostile: Any) -> None:
    """What the API server would refuse is left as it is."""
    assert after(service({**VLLM, "timeout": hostile}))["spec"]["predictor"]["timeout"] == hostile


ROUTED = """\
apiVersion: serving.kserve.io/v1alpha1
kind: LLMInferenceService
metadata: {name: llm, namespace: ml}
spec:
  model: {uri: "hf://m"}
  router:
    route:
      http:
        spec:
          rules:
            - matches: [{path: {type: PathPrefix, value: /ml/llm/v1/chat/completions}}]
              backendRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: llm-inference-pool}]
            - matches: [{path: {type: PathPrefix, value: /ml/llm/v1/embeddings}}]
              timeouts: {request: 5s}
              backendRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: llm-inference-pool}]
"""


def test_the_route_in_an_llm_inference_service_gets_its_timeouts() -> None:
    """As an HTTPRoute does; the user's own stay, and a second run changes nothing."""
    found = after(yaml.safe_load(ROUTED))
    rules = found["spec"]["router"]["route"]["http"]["spec"]["rules"]
    assert [rule.get("timeouts") for rule in rules] == [{"request": "120s"}, {"request": "5s"}]
    assert after(found) == found
    longer = after(found, policy(endpoints={"types": {"chat": {"timeout": "200s"}}}))
    assert longer["spec"]["router"]["route"]["http"]["spec"]["rules"][0]["timeouts"] == {"request": "200s"}


def routed(value: str, name: str = "llm-inference-pool", **rule: Any) -> dict[str, Any]:
    item: dict[str, Any] = yaml.safe_load(ROUTED)
    backend = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": name}
    matches = [{"path": {"type": "PathPrefix", "value": value}}]
    item["spec"]["router"]["route"]["http"]["spec"]["rules"] = [{"matches": matches, "backendRefs": [backend], **rule}]
    return item


def timeouts(item: dict[str, Any], *policies: str) -> Any:
    return after(item, *policies)["spec"]["router"]["route"]["http"]["spec"]["rules"][0].get("timeouts")


def test_a_path_that_tells_nothing_serves_what_the_objects_own_pods_do() -> None:
    """vLLM where no image is named, what the image tells where one is; another's pool tells nothing."""
    assert timeouts(routed("/")) == {"request": "600s"}
    assert timeouts(routed("/", "llm-kserve-workload-svc")) == {"request": "600s"}
    assert timeouts(routed("/", "other-pool")) is None
    item = routed("/")
    container = {"name": "main", "image": "vllm/vllm-openai:v0.11.0", "args": ["--runner", "pooling"]}
    item["spec"]["template"] = {"containers": [container]}
    assert timeouts(item) == {"request": "30s"}
    item["spec"]["template"] = {"containers": [{"name": "main", "image": "me/mine:1"}]}
    assert timeouts(item) is None


def test_a_route_of_an_llm_inference_service_is_judged_as_a_route() -> None:
    """Too short: MLM207 with what mends it; without retries: MLM217, which the experimental channel needs less of."""
    short = routed("/v1/chat/completions", timeouts={"request": "5s"})
    (finding,) = [found for found in rendered(yaml.safe_dump(short)).findings if found.code == "MLM207"]
    path = "/spec/router/route/http/spec/rules/0/timeouts/request"
    assert finding.operations == [{"op": "replace", "path": path, "value": "120s"}]
    (message,) = said(routed("/v1/chat/completions"), "MLM217")
    assert "an LLMInferenceService cannot say that: Istio repeats 2 times" in message
    experimental = policy(mesh={"gatewayApiChannel": "experimental"})
    (message,) = said(routed("/v1/chat/completions"), "MLM217", experimental)
    assert "perTryTimeout 60s" in message
    assert "attempts" not in message


def test_what_kserve_routes_is_shown_with_the_routes() -> None:
    """`mlmesh routes`: each part with its types, its timeout and why, and the worst case; a user's own as such."""
    item = service(VLLM, **CHAT)
    item["spec"]["transformer"] = {"timeout": 45, "containers": [{"name": "c", "image": "me/mine:1"}]}
    other = service(model("unheard-of"), **STANDARD)
    stream = "---\n".join(map(yaml.safe_dump, (item, other, routed("/v1/chat/completions"))))
    done = run("routes", "--format", "json", stdin=stream, command="mlmesh")
    assert done.stderr == b""
    predictor, transformer, unknown, llm = json.loads(done.stdout)["routes"]
    source = "the default of chat; 300s is what Knative gives, with the start of a pod from zero"
    assert predictor["fields"] == {"timeout": {"value": 300, "source": source}}
    assert predictor["backends"] == ["llm-predictor.ml.svc.cluster.local"]
    assert predictor["worstCases"][0]["answer"] == 300
    assert predictor["unsaid"] == ["attempts 2", "perTryTimeout 60s", "retryOn 5xx,reset"]
    assert transformer["fields"] == {"timeout": {"value": 45, "source": "written in the route"}}
    assert transformer["reason"] == "annotation mlmesh.dev/endpoint"
    assert unknown["types"] == []
    assert unknown["fields"] == {"timeout": {"value": "60s", "source": "KServe's own, in its HTTPRoute"}}
    assert unknown["worstCases"][0]["answer"] == 60
    assert (llm["kind"], llm["pointer"]) == ("LLMInferenceService", "/spec/router/route/http/spec/rules/0")
    assert llm["fields"] == {"timeouts.request": {"value": "120s", "source": "the default of chat"}}
