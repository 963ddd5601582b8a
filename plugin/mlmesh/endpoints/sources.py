"""What was read of each server that the catalogue names: the release, and the files that register its paths."""

SOURCES = {
    "OpenAI": "openai-openapi: openapi.json",
    "Anthropic": "anthropic-sdk-python: src/anthropic/resources",
    "Cohere": "cohere-python: src/cohere",
    "Gemini": "python-genai: google/genai",
    "vLLM": "vLLM 0.33.0: entrypoints/*/api_router.py",
    "SGLang": "SGLang 0.5.23: srt/entrypoints/http_server.py",
    "TGI": "text-generation-inference: router/src/server.rs",
    "TEI": "text-embeddings-inference: router/src/http/server.rs, proto/tei.proto",
    "LMDeploy": "lmdeploy: serve/openai/api_server.py, serve/proxy/proxy.py",
    "llama.cpp": "llama.cpp: tools/server/server.cpp",
    "Ollama": "ollama: server/routes.go",
    "NIM": "NVIDIA NIM: API reference",
    "Triton": "triton-inference-server: server/src/http_server.cc, common/protobuf/grpc_service.proto",
    "KServe": "kserve: python/kserve/kserve/protocol/rest",
    "TF Serving": "tensorflow/serving: model_servers/http_rest_api_util.cc, apis/prediction_service.proto",
    "TorchServe": "pytorch/serve: docs, frontend/server/src/main/resources/proto",
    "MLflow": "MLflow 3.18.0: server/handlers.py, pyfunc/scoring_server",
    "Kubeflow": "kubeflow/model-registry: api/openapi/model-registry.yaml",
    "Feast": "feast: sdk/python/feast/feature_server.py, protos/feast/{serving,registry}",
    "LiteLLM": "LiteLLM 1.110.2: proxy/proxy_server.py",
}
