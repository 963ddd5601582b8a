"""What the chart's tests ask of rendered streams."""

from collections.abc import Iterable
from typing import Any, Protocol

import yaml


class Render(Protocol):
    """`helm template` of the chart with further arguments, read."""

    def __call__(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects of the stream, in its order; not to be changed."""


def documents(stream: str) -> list[dict[str, Any]]:
    """The objects of a YAML stream."""
    return [document for document in yaml.load_all(stream, yaml.CSafeLoader) if document]


def key(document: dict[str, Any]) -> tuple[str, str, str]:
    """Kind, namespace and name of an object."""
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


def find(objects: Iterable[dict[str, Any]], kind: str, name: str, namespace: str = "ml-serving") -> dict[str, Any]:
    """The one object of that kind, namespace and name. Raises AssertionError where there is not exactly one."""
    found = [document for document in objects if key(document) == (kind, namespace, name)]
    assert len(found) == 1, f"{len(found)} objects are {kind} {namespace}/{name}"
    return found[0]


def kinds(objects: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The objects of a kind."""
    return [document for document in objects if document["kind"] == kind]
