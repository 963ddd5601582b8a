"""Timeouts of KServe's objects: what their models need is written where they carry one, and too little is told."""

from typing import Any

import pytest
import yaml

from tests.support.streams import codes, documents, policy, rendered


def service(predictor: dict[str, Any], **annotations: str) -> dict[str, Any]:
    metadata = {"name": "llm", "namespace": "ml", "annotations": annotations}
    kind = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    return {**kind, "metadata": metadata, "spec": {"predictor": predictor}}


HUGGING = {"model": {"modelFormat": {"name": "huggingface"}, "args": ["--model_id=m"]}}
VLLM = {"containers": [{"name": "kserve-container", "image": "vllm/vllm-openai:v0.11.0"}]}


def after(item: dict[str, Any], *policies: str) -> dict[str, Any]:
    (found,) = documents(rendered(yaml.safe_dump(item), *policies))
    return found


@pytest.mark.parametrize(
    ("predictor", "annotations", "timeout"),
    [
        (HUGGING, {}, 600),
        (VLLM, {}, 600),
        ({"model": {"modelFormat": {"name": "huggingface"}}}, {"mlmesh.dev/endpoint": "embeddings"}, None),
        ({**VLLM, "timeout": 700}, {}, 700),
        ({"model": {"modelFormat": {"name": "unheard-of"}}}, {}, None),
    ],
)
def test_a_predictor_gets_the_time_that_its_model_needs(
    predictor: dict[str, Any], annotations: dict[str, str], timeout: int | None
) -> None:
    """The longest of its types; the user's own stays; of an unknown model, and below what Knative gives, nothing."""
    found = after(service(predictor, **annotations))
    assert found["spec"]["predictor"].get("timeout") == timeout
    assert after(found) == found


def test_objectives_and_blocks_of_the_policy_count() -> None:
    """Whole seconds, rounded up; and what an earlier run derived follows the policy, or goes away."""
    chat = service(VLLM, **{"mlmesh.dev/endpoint": "chat"})
    once = after(chat, policy(endpoints={"types": {"chat": {"timeout": "300500ms"}}}))
    assert once["spec"]["predictor"]["timeout"] == 301
    again = after(once, policy(endpoints={"types": {"chat": {"timeout": "400s"}}}))
    assert again["spec"]["predictor"]["timeout"] == 400
    del once["metadata"]["annotations"]["mlmesh.dev/endpoint"]
    unknown = {"timeout": 301, "model": {"modelFormat": {"name": "unheard-of"}}}
    assert "timeout" not in after({**once, "spec": {"predictor": unknown}})["spec"]["predictor"]


def test_knative_gets_no_more_than_it_takes() -> None:
    """Beyond 600 s it refuses the revision; a deployment without Knative has no such limit."""
    settings = policy(endpoints={"types": {"chat": {"timeout": "900s"}}})
    for mode, timeout in (("Serverless", 600), ("RawDeployment", 900), ("Standard", 900)):
        chosen = {"mlmesh.dev/endpoint": "chat", "serving.kserve.io/deploymentMode": mode}
        assert after(service(VLLM, **chosen), settings)["spec"]["predictor"]["timeout"] == timeout
    assert after(service(VLLM, **{"mlmesh.dev/endpoint": "chat"}), settings)["spec"]["predictor"]["timeout"] == 600


def test_a_component_of_the_policy_tells_what_is_served() -> None:
    """`serves` of the component that selects the pods stands before the format."""
    component = {"role": "inference", "selector": {"app": "llm"}, "serves": ["job"]}
    settings = policy(components={"c": component}, endpoints={"types": {"job": {"timeout": "450s"}}})
    item = service({**HUGGING, "labels": {"app": "llm"}})
    assert after(item, settings)["spec"]["predictor"]["timeout"] == 450


def test_what_kserve_would_cut_is_told() -> None:
    """MLM207 for a timeout below the policy's, on models that generate; a longer one and a classifier are fine."""
    assert ("MLM207", "warning") in codes(rendered(yaml.safe_dump(service({**VLLM, "timeout": 30}))))
    assert "MLM207" not in dict(codes(rendered(yaml.safe_dump(service({**VLLM, "timeout": 600})))))
    sklearn = {"model": {"modelFormat": {"name": "sklearn"}}, "timeout": 5}
    assert "MLM207" not in dict(codes(rendered(yaml.safe_dump(service(sklearn)))))


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
