"""Model servers that leave open what changes or stops them: told by the settings in a PodSpec.

- SGLang has such paths always, open to everybody where no key is set (srt/entrypoints/http_server.py, utils/auth.py)
- vLLM has them with VLLM_SERVER_DEV_MODE, and those of LoRA adapters with VLLM_ALLOW_RUNTIME_LORA_UPDATING; a key of
  its own guards what is under /v1 (entrypoints/openai/api_server.py, envs.py)
- Ray's dashboard (8265) takes jobs, TorchServe's management (8081) models: ports of their own
"""

from mlmesh.graph.fields import entries, maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.graph.pods import PodTemplate

SGLANG, VLLM_DEV, VLLM_LORA, RAY, TORCHSERVE = (
    "SGLang",
    "vLLM in dev mode",
    "vLLM with runtime LoRA",
    "Ray",
    "TorchServe",
)
_DEV, _LORA = "VLLM_SERVER_DEV_MODE", "VLLM_ALLOW_RUNTIME_LORA_UPDATING"
_ON = ("1", "true")
# A part of every word by which one is told.
_MARKS = (b"sglang", b"VLLM_", b"torchserve", b"rayproject/ray", b"ray start")


def exposed(pod: "PodTemplate") -> tuple[str, ...]:
    """Which of the servers above a pod's containers run."""
    return servers(pod.spec) if any(map(pod.owner.document.mentions, _MARKS)) else ()  # most documents have none


def servers(spec: "dict[str, Any]") -> tuple[str, ...]:
    """The same of a PodSpec."""
    found: tuple[str, ...] = ()
    for _, container in maps(spec.get("containers")):
        words = " ".join(map(str, (*entries(container.get("command")), *entries(container.get("args")))))
        image = str(container.get("image"))
        if ("sglang.launch_server" in words or "sglang serve" in words) and "api-key" not in words:
            found += (SGLANG,)
        if "torchserve" in words or "torchserve" in image:
            found += (TORCHSERVE,)
        if "ray start" in words or "rayproject/ray" in image:
            found += (RAY,)
        found += _vllm(words, container.get("env"))
    return found


def _vllm(words: str, env: "Any") -> tuple[str, ...]:
    settings = {str(entry.get("name")): str(entry.get("value")).strip().lower() for _, entry in maps(env)}
    found = []
    if settings.get(_DEV) in _ON or f"{_DEV}=1" in words:
        found.append(VLLM_DEV)
    keyed = "api-key" in words or "VLLM_API_KEY" in settings
    if not keyed and (settings.get(_LORA) in _ON or f"{_LORA}=1" in words or f"{_LORA.lower()}=true" in words.lower()):
        found.append(VLLM_LORA)
    return tuple(found)
