"""What a pod's image and command tell of the endpoints that it serves.

A server is known by the program that its command runs, else, where no command replaces the entrypoint, by its image.
What it serves is all that it registers for a model of its sort: a rule that leads to all of it binds all of it.
Listings and probes are left out, since they end within any of these blocks. A router in front of servers has no row:
what it serves is what they do.
"""

from mlmesh.roles.signals import command_role, command_words, image_role

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.graph.pods import PodTemplate

_GENERATES = ("chat", "completion", "responses")
READS = ("embeddings", "rerank", "classify")
_PREDICTS = ("predict",)

# server: the types that it serves
SERVERS: dict[str, tuple[str, ...]] = {
    "vLLM": _GENERATES,
    "SGLang": _GENERATES,
    "LMDeploy": _GENERATES,
    "llama.cpp": _GENERATES,
    "Ollama": (*_GENERATES, "embeddings"),
    "TGI": ("chat", "completion", "stream"),
    "TEI": READS,
    "Infinity": READS,
    "KServe's servers": _PREDICTS,
    "MLServer": _PREDICTS,
    "MLflow's scoring server": _PREDICTS,
    "TF Serving": _PREDICTS,
    "TorchServe": (*_PREDICTS, "explain"),
    "Feast": ("features", "feature-write"),
    "MLflow": ("registry-read", "registry-write", "transfer"),
}

# words of a command, as mlmesh.roles.commands has them: server
PROGRAMS = {
    "feast serve": "Feast",
    "infinity_emb v2": "Infinity",
    "llama-server": "llama.cpp",
    "llama_cpp.server": "llama.cpp",
    "lmdeploy serve": "LMDeploy",
    "mlflow models serve": "MLflow's scoring server",
    "mlflow server": "MLflow",
    "mlserver start": "MLServer",
    "ollama serve": "Ollama",
    "sglang serve": "SGLang",
    "sglang.launch_server": "SGLang",
    "tensorflow_model_server": "TF Serving",
    "text-embeddings-router": "TEI",
    "text-generation-launcher": "TGI",
    "torchserve": "TorchServe",
    "vllm serve": "vLLM",
    "vllm.entrypoints.cli.main serve": "vLLM",
    "vllm.entrypoints.openai.api_server": "vLLM",
}

# words of an image's last name, those of a longer name before those in it, or both its last names: server
IMAGES = {
    "feature-server": "Feast",
    "infinity": "Infinity",
    "lgbserver": "KServe's servers",
    "llama-cpp": "llama.cpp",
    "llamacpp": "llama.cpp",
    "llm-d": "vLLM",
    "lmdeploy": "LMDeploy",
    "mlserver": "MLServer",
    "ollama": "Ollama",
    "paddleserver": "KServe's servers",
    "pmmlserver": "KServe's servers",
    "sglang": "SGLang",
    "sklearnserver": "KServe's servers",
    "tensorflow/serving": "TF Serving",
    "text-embeddings-inference": "TEI",
    "text-generation-inference": "TGI",
    "torchserve": "TorchServe",
    "vllm": "vLLM",
    "xgbserver": "KServe's servers",
}
_BESIDE = frozenset({"epp", "lmcache", "picker", "proxy", "router", "scheduler", "sidecar"})  # another part of a server

# server: options that make it read only, each as its words
READING: dict[str, tuple[str, ...]] = {
    "vLLM": (
        *("--runner pooling", "--task embed", "--task embedding", "--task score", "--task classify", "--task reward"),
        *("--convert embed", "--convert classify", "--convert reward"),
    ),
    "SGLang": ("--is-embedding",),
    "llama.cpp": ("--embedding", "--embeddings", "--rerank", "--reranking"),
}

# Text that a document must have to be looked at: a part of every word above that tells a server.
MARKS = (
    *(b"feast", b"feature-server", b"infinity", b"llama", b"llm", b"lmdeploy", b"mlflow", b"mlserver"),
    *(b"paddleserver", b"pmmlserver", b"sglang", b"sklearnserver", b"lgbserver", b"xgbserver", b"tensorflow"),
    *(b"text-embeddings", b"text-generation", b"torchserve"),
)


def served_by(pod: "PodTemplate") -> "tuple[tuple[str, ...], str]":
    """Names of the types that a pod's containers serve, and what told them; empty where nothing tells."""
    types: dict[str, None] = {}
    told: dict[str, None] = {}
    containers = pod.spec.get("containers")
    for container in containers if isinstance(containers, list) else ():
        if isinstance(container, dict):
            words = command_words(container)
            server, by = _server(container, words)
            if server:
                option = reads(server, words)
                types |= dict.fromkeys(READS if option else SERVERS[server])
                told[f"{server}, by its {by}" + (f" and {option}" if option else "")] = None
    return tuple(types), " and ".join(told)


def _server(container: "dict[str, object]", words: str) -> tuple[str, str]:
    _, program = command_role(words)
    if program in PROGRAMS:
        return PROGRAMS[program], f"command {program}"
    if container.get("command"):
        return "", ""
    _, image = image_role(str(container.get("image") or ""))
    name = image.rpartition("/")[2].replace(".", "-").replace("_", "-")
    if not name or not _BESIDE.isdisjoint(name.split("-")):
        return "", ""
    server = next((server for phrase, server in IMAGES.items() if f"-{phrase}-" in f"-{name}-" or phrase == image), "")
    return server, f"image {image}"


def reads(server: str, words: str) -> str:
    """The option, of a command's words, that makes a server read only; empty where none does."""
    given = f" {words.translate(_SEPARATED)} "
    return next((option for option in READING.get(server, ()) if f" {' '.join(option.split())} " in given), "")


_SEPARATED = str.maketrans(dict.fromkeys("=\"'\\\n", " "))
