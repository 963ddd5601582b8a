"""What a container's command tells: the program that runs, or an option that only one program has."""

# words of a command, in this order: role. An empty role: a program that plays none, whatever image it stands in.
COMMANDS = {
    # model servers, and routers in front of them
    "bentoml serve": "inference",
    "dynamo.frontend": "inference",
    "dynamo.sglang": "inference",
    "dynamo.vllm": "inference",
    "huggingfaceserver": "inference",
    "infinity_emb v2": "inference",
    "llama_cpp.server": "inference",
    "llama-server": "inference",
    "lmdeploy serve": "inference",
    "mlflow models serve": "inference",
    "mlserver start": "inference",
    "ollama serve": "inference",
    "serve run": "inference",  # Ray Serve
    "sglang serve": "inference",
    "sglang.launch_server": "inference",
    "sglang_router.launch_router": "inference",
    "sglang_router.launch_server": "inference",
    "tensorflow_model_server": "inference",
    "text-embeddings-router": "inference",
    "text-generation-launcher": "inference",
    "torchserve": "inference",
    "trtllm-serve": "inference",
    "tritonserver": "inference",
    "vllm serve": "inference",
    "vllm.entrypoints.api_server": "inference",
    "vllm.entrypoints.cli.main serve": "inference",
    "vllm.entrypoints.grpc_server": "inference",
    "vllm.entrypoints.openai.api_server": "inference",
    "vllm-router": "inference",
    "vllm_router.app": "inference",
    "xinference-local": "inference",
    # options of vLLM, of text-generation-inference, of Triton's server over several nodes
    "--data-parallel-size": "inference",
    "--gpu-memory-utilization": "inference",
    "--max-batch-prefill-tokens": "inference",
    "--max-model-len": "inference",
    "--num-shard": "inference",
    "--tensor-parallel-size": "inference",
    "--triton_model_repo_dir": "inference",
    # endpoint pickers (gateway-api-inference-extension pkg/epp/server/options.go)
    "--pool-namespace": "picker",
    "--poolNamespace": "picker",
    "-poolNamespace": "picker",
    # training
    "accelerate launch": "training",
    "accelerate.commands.launch": "training",
    "axolotl": "training",
    "deepspeed": "training",
    "horovodrun": "training",
    "llamafactory-cli train": "training",
    "torch.distributed.launch": "training",
    "torch.distributed.run": "training",
    "torchrun": "training",
    "trl dpo": "training",
    "trl grpo": "training",
    "trl sft": "training",
    "trl vllm-serve": "training",  # the generations of a trainer
    "tune run": "training",  # torchtune
    "verl.trainer.main_ppo": "training",
    # pipelines
    "airflow": "pipeline",
    "dagster api grpc": "pipeline",
    "dagster-daemon": "pipeline",
    "dagster-webserver": "pipeline",
    "prefect server start": "pipeline",
    "prefect worker start": "pipeline",
    # stores
    "feast serve": "feature-store",
    "feast serve_offline": "feature-store",
    "feast serve_registry": "feature-store",
    "feast serve_transformations": "feature-store",
    "mlflow server": "model-registry",
    "mlflow ui": "model-registry",
    # clients, jobs and caches that live in a server's image
    "feast apply": "",
    "feast materialize": "",
    "feast materialize-incremental": "",
    "genai-perf": "",
    "lmcache_experimental_server": "",
    "lmcache_server": "",
    "perf_analyzer": "",
    "sglang.bench_serving": "",
    "vllm bench": "",
}

# A simple command that begins so speaks of programs and runs none.
SPEAKING = frozenset({"apt-get", "cat", "cd", "cp", "echo", "export", "git", "ls", "mkdir", "mv", "printf", "rm"})
INSTALLING = frozenset({"install", "uninstall"})

# A command of these words alone, and of numbers, keeps a container up and runs nothing.
IDLE = frozenset({"infinity", "null", "sleep", "tail"})
SHELL = frozenset(
    {"--", "-c", "-ce", "-e", "-ec", "-f", "-lc", "-xc", "bash", "do", "done", "exec", "sh", "true", "while"}
)
