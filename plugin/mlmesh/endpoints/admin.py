"""What changes or stops a server, and must not pass a gateway: the paths and methods of the type ``admin``.

vLLM has the first of its own where VLLM_ALLOW_RUNTIME_LORA_UPDATING is set, most others with VLLM_SERVER_DEV_MODE.
SGLang has them always, open to everybody where no key is set (its ADMIN_OPTIONAL), many by GET too; LMDeploy ends by
GET. Triton and KServe load and unload models on the inference port, Ollama too. TorchServe's management has a port of
its own (8081) whose paths are those of metadata, so there the port is judged, not the path. LiteLLM passes `/vllm/` on
to all of vLLM's: the tails hold under any base.
"""


def _under(base: str, *names: str) -> tuple[str, ...]:
    return tuple(base + name for name in names)


VLLM = _under(
    "/",
    "load_lora_adapter", "unload_lora_adapter", "start_profile", "stop_profile", "scale_elastic_ep", "sleep", "wake_up",
    "reset_prefix_cache", "reset_mm_cache", "reset_encoder_cache", "collective_rpc", "update_weights",
)  # fmt: skip
SGLANG = _under(
    "/",
    "set_internal_state", "flush_cache", "add_external_corpus", "remove_external_corpus", "list_external_corpora",
    "hicache/storage-backend", "hicache/storage-backend/clear", "set_trace_level", "freeze_gc",
    "start_expert_distribution_record", "stop_expert_distribution_record", "dump_expert_distribution_record",
    "update_weights_from_disk", "update_weights_from_tensor", "update_weights_from_distributed",
    "update_weights_from_ipc", "update_weight_version", "begin_weight_update", "end_weight_update",
    "init_weights_send_group_for_remote_instance", "send_weights_to_remote_instance",
    "get_remote_instance_transfer_engine_info", "remote_instance_transfer_engine_info", "init_weights_update_group",
    "destroy_weights_update_group", "get_weights_by_name", "weights_checker", "release_memory_occupation",
    "resume_memory_occupation", "slow_down", "pd_role_switch", "load_lora_adapter_from_tensors", "configure_logging",
    "abort_request", "pause_generation", "continue_generation",
)  # fmt: skip
_LMDEPLOY = (
    *_under("/", "terminate", "wakeup", "distserve/**"),
    *_under("/nodes/", "add", "remove", "terminate", "terminate_all", "status"),
)
_TRITON = (
    *_under("/v2/", "repository/**", "logging", "trace/setting", "systemsharedmemory/**", "cudasharedmemory/**"),
    "/v2/models/*[/versions/*]/trace/setting",
    "/models/*/load", "/models/*/unload",
)  # fmt: skip
_OLLAMA = _under("/api/", "pull", "push", "create", "copy", "delete", "blobs/*")
_LLAMA_CPP = ("/slots[/*]", "POST /props", "/lora-adapters", "/models/load", "/models/unload", "/tools", "/cors-proxy")
_FEAST = ("/materialize", "/materialize-incremental")
_LITELLM = ("/key/*", "/key/generate", "/config/*")

ADMIN_TAILS = (*VLLM, *SGLANG, *_LMDEPLOY, *_TRITON, *_OLLAMA, *_LLAMA_CPP, *_FEAST, *_LITELLM)

# Words that any other server may have for something else: not a finding by themselves.
ADMIN_UNSURE = {
    "/sleep": "vLLM's and LMDeploy's, or any other server's",
    "/terminate": "LMDeploy's, or any other server's",
    "/wakeup": "LMDeploy's, or any other server's",
    "/slots[/*]": "llama.cpp's, or any other server's",
    "POST /props": "llama.cpp's, or any other server's",
    "/tools": "llama.cpp's, or any other server's",
    "/slow_down": "SGLang's, or any other server's",
    "/materialize": "Feast's, or any other server's",
    "/key/generate": "LiteLLM's, or any other server's",
    "/key/*": "LiteLLM's, or any other server's",
    "/config/*": "LiteLLM's, or any other server's",
}

_OBJECTS = (
    "Entity", "DataSource", "FeatureView", "FeatureService", "SavedDataset", "ValidationReference", "Permission",
    "Project",
)  # fmt: skip

ADMIN_METHODS = (
    *_under(
        "/inference.GRPCInferenceService/",
        "RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload", "TraceSetting", "LogSettings",
        *(
            f"{memory}SharedMemory{verb}"
            for memory in ("System", "Cuda")
            for verb in ("Status", "Register", "Unregister")
        ),
    ),
    "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
    *_under(
        "/org.pytorch.serve.grpc.management.ManagementAPIsService/",
        "RegisterModel", "UnregisterModel", "ScaleWorker", "SetDefault", "ListModels", "DescribeModel",
    ),
    *_under(
        "/feast.registry.RegistryServer/",
        *(f"{verb}{thing}" for thing in _OBJECTS for verb in ("Apply", "Delete")),
        "ApplyMaterialization", "UpdateInfra", "Commit",
    ),
)  # fmt: skip
