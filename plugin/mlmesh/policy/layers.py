"""Layers of settings laid over each other: maps merge, lists replace, null takes away."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def merge(layers: "Sequence[dict[str, Any]]") -> "dict[str, Any]":
    """The layers as one, the later over the earlier. The layers themselves stay as they are.

    A key that only one layer sets is taken from it; where two do, deepmerge decides (and is loaded only then).
    """
    merged: dict[str, Any] = {}
    clashing: dict[str, None] = {}
    for layer in layers:
        for key, value in layer.items():
            if not merged.get(key):
                merged[key] = value
            elif value not in ({}, merged[key]):
                clashing[key] = None
    if clashing:
        from copy import deepcopy

        from deepmerge.merger import Merger

        merger = Merger([(list, "override"), (dict, "merge")], ["override"], ["override"])
        for key in clashing:
            values = [deepcopy(layer[key]) for layer in layers if key in layer]
            merged[key] = values[0]
            for value in values[1:]:
                merged[key] = merger.merge(merged[key], value)
    return merged
