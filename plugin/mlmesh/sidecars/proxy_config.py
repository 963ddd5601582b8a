"""The annotation ``proxy.istio.io/config``: a ProxyConfig as YAML text, which a user may have begun.

What is added stands behind the user's keys, which win. The text is then JSON, which is YAML too; one that already says
all of it stays as it is.
"""

from functools import lru_cache

from mlmesh.model.errors import InputError
from mlmesh.model.patches import pointer
from mlmesh.sidecars.sidecar import Sidecar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONFIG = "proxy.istio.io/config"
METADATA = "proxyMetadata"


def theirs(sidecar: Sidecar) -> "dict[str, Any]":
    """What the user's text says, under its own spelling of the keys; empty where there is none.

    InputError where it is no map, which the injector refuses.
    """
    place = sidecar.at(CONFIG)
    if CONFIG not in sidecar.theirs:
        return {}
    config = _parsed(sidecar)
    for inner in sidecar.ours:
        if inner.startswith(place + "/"):
            _take_away(config, inner[len(place) + 1 :].split("/"))
    return config


def set_keys(config: "dict[str, Any]") -> "set[str]":
    """The keys of a ProxyConfig in the spelling of its documentation, those of its metadata included.

    Protobuf takes ``drain_duration`` for ``drainDuration``, but not both.
    """
    metadata = config.get(spelling(config, METADATA))
    return {_camel(key) for key in config} | set(metadata if isinstance(metadata, dict) else ())


def spelling(config: "dict[str, Any]", key: str) -> str:
    """The key as the user writes it, or as it is documented where it is not there."""
    return next((name for name in config if _camel(name) == key), key)


def add(sidecar: Sidecar, config: "dict[str, Any]", added: "dict[str, Any]") -> None:
    """Have the annotation say what the user's ``config`` and ``added`` say; ``added`` repeats no key of the user's."""
    if CONFIG not in sidecar.theirs:
        if added:
            sidecar.annotations[CONFIG] = _own(added)
        return
    inner = []
    merged = dict(config)
    for key, value in added.items():
        name = spelling(config, key)
        if isinstance(value, dict):
            merged[name] = {**(config.get(name) or {}), **value}
            inner += [pointer(name, below) for below in value]
        else:
            merged[name] = value
            inner.append(pointer(name))
    text = str(sidecar.theirs[CONFIG])
    sidecar.annotations[CONFIG] = text if merged == _parsed(sidecar) else _text(merged)
    sidecar.inner[CONFIG] = [sidecar.at(CONFIG) + path for path in inner]


@lru_cache(64)  # most pods have the same text
def with_metadata(text: str, key: str, value: str) -> str:
    """A user's text, which can be read, with one entry in its proxyMetadata; its words and comments stay.

    Empty where the text does not allow it.
    """
    from mlmesh.graph.stamps import additions
    from mlmesh.manifests.editor import edit
    from mlmesh.manifests.stream import read

    try:
        (document,) = read(text.encode()).documents
        config = document.data
        new, _ = edit(document, additions("", config, [spelling(config, METADATA)], {key: value}))
    except (InputError, ValueError):
        return ""
    return new.decode()


def _own(value: "dict[str, Any] | str | bool") -> str:
    """What is ours as json.dumps writes it: most runs need no more of json, which costs as much as ten pods."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}": {_own(below)}' for key, below in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _text(config: "dict[str, Any]") -> str:
    from json import dumps

    return dumps(config, ensure_ascii=False)


def _parsed(sidecar: Sidecar) -> "dict[str, Any]":
    """The annotation's text as istiod reads it (sigs.k8s.io/yaml, whose rules the stream's reader follows)."""
    from mlmesh.manifests.stream import read

    text = sidecar.theirs[CONFIG]
    if not isinstance(text, str):
        raise sidecar.wrong(CONFIG, "the proxy's settings are no string", "write them as a text that is a YAML map")
    try:
        documents = read(text.encode()).documents
        config = documents[0].data if len(documents) == 1 else {} if not documents else None
    except InputError as error:
        raise sidecar.wrong(CONFIG, f"the proxy's settings: {error.what}", "write them as a YAML map") from None
    metadata = config.get(spelling(config, METADATA)) if config is not None else None
    if config is None or not (metadata is None or isinstance(metadata, dict)):
        what = "the proxy's settings are several documents" if config is None else f"{METADATA} is not a map"
        raise sidecar.wrong(CONFIG, what, "write them as one YAML map")
    return config


def _take_away(config: "dict[str, Any]", path: "list[str]") -> None:
    """Remove what an earlier run added, and the map that it was alone in."""
    for key in path[:-1]:
        below = config.get(key)
        if not isinstance(below, dict):
            return
        _take_away(below, path[1:])
        if not below:
            del config[key]
        return
    config.pop(path[-1], None)


def _camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(word.capitalize() for word in others) if others and key.islower() else key
