"""Where a setting of a policy stands, for what is said against it."""

from mlmesh.manifests.objects import KubeObject
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Layer = tuple[KubeObject, str]  # a policy, and the name of its file ("": it is in the stream)


def place(layers: "Sequence[Layer]", path: str) -> str:
    """The line of a setting (``spec.endpoints...``, with or without an index at its end) in the last layer with it.

    Empty where none has it.
    """
    words = path.partition("[")[0].split(".")
    for item, name in reversed(layers):
        keys = _keys(item.data, words)
        if keys:
            line = item.document.line_of(item.pointer + pointer(*keys))
            return f"policy file {name}, line {line}" if name else item.document.at(line)
    return ""


def _keys(node: "Any", words: "list[str]") -> "list[str]":
    """The keys that lead to a setting, of which some have dots in them; empty where it is not there."""
    for end in range(len(words), 0, -1):
        key = ".".join(words[:end])
        if isinstance(node, dict) and key in node:
            if end == len(words):
                return [key]
            below = _keys(node[key], words[end:])
            if below:
                return [key, *below]
    return []
