"""The endpoint types: which paths and gRPC methods serve them, who does, and what a second try of one costs.

A tail is the end of a path: any base may stand in front (``/openai``, ``/NAMESPACE/NAME``, ``/engines/M``, ``/v1``).
``*`` is one element (an id), ``**`` whatever follows, nothing included; ``[...]`` may be there or not, ``|`` parts what
may stand in it. Words in front are HTTP methods; without them the method does not matter. A tail that begins with a
colon is the end of an element. A gRPC method is its whole path, since no base can stand before one. The blocks are in
policy/blocks.py, where every other setting's default is, and what of each server was read in sources.py.
"""

from mlmesh.endpoints.admin import ADMIN_METHODS, ADMIN_TAILS, ADMIN_UNSURE

# What a second try of one request costs, the least first. A rule that serves several types follows the last of them.
PURE = "pure"  # the answer is computed again, and is the same
GENERATION = "generation"  # a whole generation runs again, on the same accelerators
CREATES = "creates"  # a second object, job or record is made
NEVER = "never"  # a retry does harm or hides the truth
STRICTNESS = (PURE, GENERATION, CREATES, NEVER)

NONE, ASKED, ALWAYS, WEBSOCKET, BYTES = "none", "s", "S", "w", "bytes"
STREAMING = {
    NONE: "one answer",
    ASKED: "streamed if the body asks for it (`stream: true`), which no route can see",
    ALWAYS: "always streamed, as the path says",
    WEBSOCKET: "a WebSocket",
    BYTES: "a body of bytes, sent as it comes",
}

_OIP = "/inference.GRPCInferenceService/"
_TF = "/tensorflow.serving.PredictionService/"
_TORCH = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/"
_FEAST = "/grpc.connector.GrpcFeatureServer/"
_GEMINI = "google.ai.generativelanguage.v1{}.GenerativeService"
_MODEL = "/models/*[/versions/*|/labels/*]"
_OIP_MODEL = "/v2/models/*[/versions/*]"


class EndpointType:
    """A type of endpoint.

    ``tails`` are the ends of its paths, ``grpc`` its gRPC methods; ``retry`` is one of STRICTNESS, ``streaming`` a key
    of STREAMING; ``unsure`` tells, by tail, what else is served at it; ``grpc_retry_on`` joins retryOn where requests
    are gRPC; ``served_by`` are keys of SOURCES, with commas.
    """

    __slots__ = ("grpc", "grpc_retry_on", "name", "retry", "served_by", "streaming", "tails", "unsure")

    def __init__(
        self,
        name: str,
        retry: str,
        streaming: str,
        served_by: str,
        tails: tuple[str, ...],
        *,
        grpc: tuple[str, ...] = (),
        unsure: dict[str, str] | None = None,
        grpc_retry_on: str = "",
    ) -> None:
        self.name = name
        self.retry = retry
        self.streaming = streaming
        self.served_by = served_by
        self.tails = tails
        self.grpc = grpc
        self.unsure = unsure or {}
        self.grpc_retry_on = grpc_retry_on

    @property
    def generates(self) -> bool:
        """Whether a second try runs a whole generation again."""
        return self.retry == GENERATION

    def __repr__(self) -> str:
        return self.name


def _under(base: str, *names: str) -> tuple[str, ...]:
    return tuple(base + name for name in names)


_TYPES = (
    EndpointType(
        "chat", GENERATION, ASKED,
        "OpenAI, vLLM, SGLang, TGI, LMDeploy, llama.cpp, NIM, Triton, KServe, Anthropic, Cohere, Ollama, Gemini",
        ("/chat/completions", "/chat/completions/batch", "/messages", "/v2/chat", "/api/chat", ":generateContent"),
    ),
    EndpointType(
        "completion", GENERATION, ASKED,
        "OpenAI, vLLM, SGLang, TGI, LMDeploy, llama.cpp, Ollama, Triton, KServe",
        (
            "/completions", "/completion", "/infill", "/generate", "/api/generate", "/inference/v1/generate",
            _OIP_MODEL + "/generate",
        ),
        unsure={"/generate": "a language model's or a diffusion model's"},
    ),
    EndpointType(
        "stream", GENERATION, ALWAYS,
        "TGI, Triton, Gemini, TorchServe",
        ("/generate_stream", ":streamGenerateContent", _OIP_MODEL + "/generate_stream"),
        grpc=(_OIP + "ModelStreamInfer", *_under(_TORCH, "StreamPredictions", "StreamPredictions2")),
    ),
    EndpointType(
        "responses", CREATES, ASKED,
        "OpenAI, vLLM, SGLang, LMDeploy, llama.cpp, Ollama",
        ("POST /responses", "POST /responses/compact", "GET /responses/*"),
    ),
    EndpointType(
        "embeddings", PURE, NONE,
        "OpenAI, vLLM, SGLang, TEI, LMDeploy, llama.cpp, Ollama, KServe, Cohere, Gemini",
        (
            "/embeddings", "/embed", "/embed_all", "/embed_sparse", "/similarity", "/encode", "/pooling", "/api/embed",
            "/api/embeddings", "/embedding", ":embedContent", ":batchEmbedContents",
        ),
        grpc=_under(
            "/tei.v1.Embed/",
            "Embed", "EmbedStream", "EmbedSparse", "EmbedSparseStream", "EmbedAll", "EmbedAllStream",
        ),
    ),
    EndpointType(
        "rerank", PURE, NONE,
        "vLLM, SGLang, TEI, llama.cpp, Cohere, KServe",
        ("/rerank", "/reranking", "/score", "/generative_scoring"),
        grpc=_under("/tei.v1.Rerank/", "Rerank", "RerankStream"),
    ),
    EndpointType(
        "classify", PURE, NONE,
        "vLLM, SGLang, OpenAI, TEI",
        ("/classify", "/decisions", "/moderations", "/predict"),
        grpc=_under("/tei.v1.Predict/", "Predict", "PredictPair", "PredictStream", "PredictPairStream"),
        unsure={"/predict": "TEI's classification or another model's prediction"},
    ),
    EndpointType(
        "tokenize", PURE, NONE,
        "vLLM, SGLang, TGI, TEI, llama.cpp, OpenAI, Anthropic, Gemini",
        (
            "/tokenize", "/detokenize", "/messages/count_tokens", "/input_tokens", "/chat/completions/input_tokens",
            "/responses/input_tokens", "/completions/render", "/completions/derender", "/chat/completions/render",
            "/chat/completions/derender", "/apply-template", ":countTokens",
        ),
        grpc=_under("/tei.v1.Tokenize/", "Tokenize", "TokenizeStream", "Decode", "DecodeStream"),
    ),
    EndpointType(
        "transcription", GENERATION, ASKED,
        "OpenAI, vLLM, SGLang, Ollama, llama.cpp",
        ("/audio/transcriptions", "/audio/translations"),
    ),
    EndpointType("speech", GENERATION, BYTES, "OpenAI, LiteLLM", ("/audio/speech",)),
    EndpointType(
        "image", GENERATION, ASKED,
        "OpenAI, SGLang",
        _under("/images/", "generations", "edits", "variations"),
    ),
    EndpointType(
        "job", CREATES, NONE,
        "OpenAI, Anthropic, Cohere, Gemini",
        (
            "POST /videos", "POST /videos/*/remix", "POST /batches", "POST /messages/batches", "POST /fine_tuning/jobs",
            "POST /v1/embed-jobs", ":predictLongRunning", ":batchGenerateContent",
        ),
    ),
    EndpointType(
        "realtime", NEVER, WEBSOCKET,
        "OpenAI, vLLM, SGLang, LiteLLM, Gemini",
        (
            "/realtime", "/realtime_video", "/BidiGenerateContent",
            *(f"/{_GEMINI.format(stage)}.BidiGenerateContent" for stage in ("", "alpha", "beta")),
        ),
    ),
    EndpointType(
        "predict", PURE, NONE,
        "KServe, TF Serving, Triton, TorchServe, MLflow, TGI, TEI, vLLM",
        (
            *_under("POST " + _MODEL, ":predict", ":classify", ":regress"), _OIP_MODEL + "/infer",
            "/predictions/*[/*]", "/wfpredict/*", "/invocations",
        ),
        grpc=(
            _OIP + "ModelInfer", *_under(_TF, "Predict", "Classify", "Regress", "MultiInference"),
            _TORCH + "Predictions",
        ),
        unsure={"/invocations": "MLflow's prediction, TGI's chat, TEI's embeddings or anything of vLLM"},
        grpc_retry_on="unavailable",
    ),
    EndpointType("explain", PURE, NONE, "KServe, TorchServe", (f"POST {_MODEL}:explain", "/explanations/*[/*]")),
    EndpointType(
        "features", PURE, NONE,
        "Feast, OpenAI",
        ("/get-online-features", "/retrieve-online-documents", "/search", "/vector_stores/*/search"),
        grpc=(
            "/feast.serving.ServingService/GetOnlineFeatures",
            *_under(_FEAST, "GetOnlineFeatures", "GetOnlineFeaturesRange"),
        ),
        unsure={"/search": "Feast's, or any other server's"},
    ),
    EndpointType(
        "feature-write", CREATES, NONE,
        "Feast",
        ("/push", "/write-to-online-store"),
        grpc=_under(_FEAST, "Push", "WriteToOnlineStore"),
        unsure={"/push": "Feast's, or any other server's"},
    ),
    EndpointType(
        "registry-read", PURE, NONE,
        "MLflow, Kubeflow",
        tuple(
            f"{method} {base}/**{tail}"
            for base in ("/api/2.0/mlflow", "/api/3.0/mlflow", "/ajax-api", "/api/model_registry")
            for method, tail in (("GET", ""), ("POST", "/search"))
        ),
    ),
    EndpointType(
        "registry-write", CREATES, NONE,
        "MLflow, Kubeflow",
        _under(
            "POST|PUT|PATCH|DELETE ",
            "/api/2.0/mlflow/**", "/api/3.0/mlflow/**", "/ajax-api/**", "/api/model_registry/**",
        ),
    ),
    EndpointType(
        "transfer", NEVER, BYTES,
        "MLflow, OpenAI",
        (
            "/api/2.0/mlflow-artifacts/**", "/ajax-api/2.0/mlflow-artifacts/**", "/files[/*[/content]]",
            "/uploads[/*[/parts|/complete|/cancel]]", "/videos/*/content", "/containers/*/files/*/content",
            "/vector_stores/*/files/*/content",
        ),
    ),
    EndpointType(
        "object", CREATES, ASKED,
        "OpenAI, Anthropic, Cohere",
        (
            "/assistants[/*]", "/threads[/*]", "/threads/runs", "/threads/*/messages[/*]",
            "/threads/*/runs[/*[/cancel|/submit_tool_outputs|/steps[/*]]]", "/conversations[/*[/items[/*]]]",
            "/vector_stores[/*[/files[/*]]]", "/vector_stores/*/file_batches[/*[/cancel|/files]]",
            "/containers[/*[/files[/*]]]", "/evals[/*[/runs[/*[/output_items[/*]]]]]",
            "DELETE /responses/*", "POST /responses/*/cancel", "GET /responses/*/input_items",
            "GET /videos", "GET|DELETE /videos/*", "GET /batches[/*]", "POST /batches/*/cancel",
            "GET /messages/batches[/*[/results]]", "DELETE /messages/batches/*", "POST /messages/batches/*/cancel",
            "GET /fine_tuning/jobs[/*[/events|/checkpoints]]", "POST /fine_tuning/jobs/*[/cancel|/pause|/resume]",
            "GET /v1/embed-jobs[/*]", "POST /v1/embed-jobs/*/cancel",
            "/realtime/sessions", "/realtime/transcription_sessions", "/realtime/client_secrets",
        ),
    ),
    EndpointType(
        "metadata", PURE, NONE,
        "OpenAI, vLLM, SGLang, TGI, TEI, llama.cpp, Ollama, NIM, Triton, KServe, TF Serving",
        (
            "GET /models", "GET " + _MODEL, "GET /models/*[/versions/*|/labels/*]/metadata", "GET /v2",
            f"GET {_OIP_MODEL}[/config|/stats]", "GET /info", "GET /model_info", "GET /get_model_info",
            "GET /server_info", "GET /get_server_info", "/api/show", *_under("GET /api/", "tags", "ps", "version"),
            "GET /v1/metadata",
        ),
        grpc=(
            *_under(_OIP, "ServerMetadata", "ModelMetadata", "ModelConfig", "ModelStatistics"),
            _TF + "GetModelMetadata", "/tensorflow.serving.ModelService/GetModelStatus", "/tei.v1.Info/Info",
        ),
    ),
    EndpointType(
        "health", NEVER, NONE,
        "vLLM, SGLang, TGI, TEI, llama.cpp, NIM, Triton, KServe, TorchServe",
        ("/health", "/health_generate", "/v1/health/*", "/v2/health/*", "/ping", f"GET {_OIP_MODEL}/ready"),
        grpc=(
            *_under(_OIP, "ServerLive", "ServerReady", "ModelReady"), _TORCH + "Ping",
            *_under("/grpc.health.v1.Health/", "Check", "Watch"),
        ),
    ),
    EndpointType("metrics", NEVER, NONE, "vLLM, SGLang, TGI, TEI, llama.cpp, NIM, Triton, KServe", ("/metrics",)),
    EndpointType(
        "admin", NEVER, NONE,
        "vLLM, SGLang, LMDeploy, Triton, KServe, TF Serving, TorchServe, Ollama, llama.cpp, Feast, LiteLLM",
        ADMIN_TAILS, grpc=ADMIN_METHODS, unsure=ADMIN_UNSURE,
    ),
)  # fmt: skip

TYPES = {kind.name: kind for kind in _TYPES}
