"""Hosts outside the cluster that a PodSpec's settings call: hubs of models, buckets, and what stands in URLs.

The hub is asked wherever a model server's model is ``organisation/name``, unless its environment says otherwise
(huggingface/huggingface_hub docs/source/en/package_reference/environment_variables.md).
"""

from mlmesh.graph.fields import at, entries, maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

HUB = "huggingface.co"
# A part of every word by which a call outside is told.
MARKS = (b"://", b"--model", b"HF_")
SCHEMES = {"s3": "s3.amazonaws.com", "gs": "storage.googleapis.com", "hf": HUB}
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_PROXIES = ("https_proxy", "http_proxy", "all_proxy")
_STORES = ("endpoint_url", "s3_endpoint", "s3_endpoint_url", "aws_endpoint_url", "aws_endpoint_url_s3")


def called(spec: "dict[str, Any]") -> "Iterator[tuple[str, str]]":
    """(host, the word that tells it) of each call of a PodSpec's containers; none through a proxy of their own."""
    stored = at(spec, "model.storageUri")  # of KServe's predictors
    if isinstance(stored, str):
        yield from _in_word(stored, {})
    for field in ("initContainers", "containers"):
        for _, container in maps(spec.get(field)):
            env = {str(each.get("name")): str(each.get("value") or "") for _, each in maps(container.get("env"))}
            lower = {key.lower(): value for key, value in env.items()}
            if any(lower.get(key) for key in _PROXIES):
                continue
            words = [str(each) for key in ("command", "args") for each in entries(container.get(key))]
            for text in (*words, *env.values()):
                for word in text.split():
                    yield from _in_word(word, lower)
            yield from _hub(words, env)


def _in_word(word: str, env: "dict[str, str]") -> "Iterator[tuple[str, str]]":
    before, found, rest = word.partition("://")
    scheme = "".join(letter if letter.isalnum() else " " for letter in before).split()[-1:]
    if not found or not scheme:
        return
    if scheme[0] in SCHEMES:
        if scheme[0] != "s3" or not any(env.get(key) for key in _STORES):
            yield SCHEMES[scheme[0]], word
    elif scheme[0] in ("http", "https"):
        server = rest.split("/")[0].split("?")[0].rpartition("@")[2]
        host = server.partition(":")[0].strip("'\",;)").lower()
        if is_outside(host):
            yield host, f"{before}://{server}"  # who asks, a path and a query can be secrets


def _hub(words: list[str], env: "dict[str, str]") -> "Iterator[tuple[str, str]]":
    """The hub, where a server loads a model by its name there."""
    if any(env.get(key, "").lower() in ("1", "true", "yes", "on") for key in _OFFLINE) or env.get("HF_ENDPOINT"):
        return
    text = " ".join(words).replace("=", " ").split()
    for index, value in enumerate(text[1:]):
        flag = text[index]
        named = flag in ("--model", "--model-path", "--model-id", "--tokenizer") or (
            flag == "serve" and text[index - 1].endswith("vllm")
        )
        if named and is_hub_name(value):
            yield HUB, f"{flag} {value}"


def is_hub_name(value: str) -> bool:
    """Whether a model is named as the hub names it: ``organisation/name``."""
    organisation, slash, name = value.partition("/")
    return bool(slash) and all(
        part and not part.startswith((".", "$")) and all(letter.isalnum() or letter in "-_." for letter in part)
        for part in (organisation, name)
    )


def is_outside(host: str) -> bool:
    """Whether a name is of the world outside: with a dot, no address, and none of the cluster's."""
    last = host.rpartition(".")[2]
    return (
        "." in host
        and last.isalpha()
        and ".svc" not in host
        and last not in ("local", "internal", "localhost", "svc")
        and all(letter.isalnum() or letter in "-." for letter in host)
    )
