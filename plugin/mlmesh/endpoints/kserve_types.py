"""What a part of one of KServe's objects serves: by annotation, policy, containers or model format, else by its place.

A model's format says which of KServe's runtimes serves it (kserve/kserve config/runtimes). What tells no runtime, such
as ``onnx`` and ``triton``, tells no type: Triton predicts and generates.
"""

from mlmesh.endpoints.catalogue import TYPES
from mlmesh.endpoints.servers import READS, SERVERS, reads, served_by
from mlmesh.endpoints.serves import named
from mlmesh.graph.fields import entries, mapping, maps
from mlmesh.graph.inventory import ENDPOINT
from mlmesh.roles.signals import command_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.endpoints.catalogue import EndpointType
    from mlmesh.graph.pods import PodTemplate
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

    Told = tuple[tuple[EndpointType, ...], str, bool]  # types (none where nothing tells), why, and whether it is sure

# format of a model, which is also the key of a predictor as it was before there was `model`: server
_FORMATS = {
    "huggingface": "vLLM",
    "pytorch": "TorchServe",
    "tensorflow": "TF Serving",
    "vllm": "vLLM",
    **dict.fromkeys(("lightgbm", "mlflow", "paddle", "pmml", "sklearn", "xgboost"), "KServe's servers"),
}
# What huggingfaceserver's --task makes of a model (kserve/kserve python/huggingfaceserver/huggingfaceserver/task.py).
_GENERATING = ("text_generation", "text2text_generation")
_EMBEDDING = "text_embedding"


def of_part(part: str, parts: "dict[str, PodTemplate]", release: "Release") -> "Told":
    """What the part of an InferenceService serves; of one that nothing tells of what its place says.

    An explainer is asked for explanations alone; a transformer hands on what its predictor serves. Not sure is a model
    of Hugging Face's that may be any, since its server finds out when it has loaded it.
    """
    pod = parts[part]
    if part == "explainer":
        return _declared(pod, release) or ((TYPES["explain"],), "an explainer", True)
    found = _annotated(pod.owner) or _declared(pod, release) or _contained(pod) or _formatted(pod)
    if found or part == "predictor" or "predictor" not in parts:
        return found or ((), "neither its containers nor its model's format tell", False)
    types, reason, sure = of_part("predictor", parts, release)
    return types, f"as its predictor: {reason}", sure


def of_llm(item: "KubeObject", pods: "Sequence[PodTemplate]", release: "Release") -> "Told":
    """What the pods of an LLMInferenceService serve. Where no image is named, KServe runs vLLM."""
    pod = next((pod for pod in pods if not pod.part), None)
    found = _annotated(item)
    if found is None and pod is not None:
        found = _declared(pod, release) or _contained(pod)
    if found is None and not any(each.get("image") for _, each in _containers(pod)):
        found = _named(SERVERS["vLLM"], "KServe runs vLLM where no image is named")
    return found or ((), "its containers do not tell", False)


def _annotated(item: "KubeObject") -> "Told | None":
    return (named(item, ENDPOINT), f"annotation {ENDPOINT}", True) if ENDPOINT in item.annotations() else None


def _declared(pod: "PodTemplate", release: "Release") -> "Told | None":
    """A component of the policy that selects the pods."""
    labels = {str(key): str(value) for key, value in pod.labels.items()}
    namespace = release.namespace(pod.owner)
    for name, each in release.policy.spec.get("components", {}).items():
        selector = each.get("selector")
        here = each.get("namespace", namespace) == namespace
        if each.get("serves") and selector and here and selector.items() <= labels.items():
            return _named(each["serves"], f"component {name} serves it")
    return None


def _contained(pod: "PodTemplate") -> "Told | None":
    names, reason = served_by(pod)
    return _named(names, reason) if names else None


def _formatted(pod: "PodTemplate") -> "Told | None":
    model = mapping(pod.spec.get("model"))
    form = str(mapping(model.get("modelFormat")).get("name") or "")
    if not model:
        form, model = next(((key, mapping(pod.spec[key])) for key in _FORMATS if key in pod.spec), ("", {}))
    server = _FORMATS.get(form.lower())
    if server is None:
        return None
    words, reason = command_words(model), f"model format {form}"
    if form.lower() == "huggingface":
        task = _task(words)
        if not task:
            return (*_named(SERVERS[server], reason)[:2], False)
        reason = f"{reason} and task {task}"
        if task not in _GENERATING:
            return _named(("embeddings",) if task == _EMBEDDING else ("predict",), reason)
    option = reads(server, words)
    names = READS if option else SERVERS[server]
    return _named(names, f"{reason} and {option}" if option else reason)


def _task(words: str) -> str:
    """The value of ``--task``; empty where there is none."""
    _, option, rest = f" {words} ".partition(" --task")
    return rest[1:].split()[0].strip("\"'").lower() if option and rest[:1] in "= " and rest[1:].split() else ""


def _containers(pod: "PodTemplate | None") -> "list[tuple[int, dict[str, Any]]]":
    return [] if pod is None else list(maps(entries(pod.spec.get("containers"))))


def _named(names: "Sequence[str]", reason: str) -> "Told":
    return tuple(TYPES[name] for name in names), reason, True
