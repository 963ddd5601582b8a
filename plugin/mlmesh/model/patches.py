"""A change to one document: RFC 6902 operations and the reason for them."""

from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal, NotRequired, TypedDict

    class Operation(TypedDict):
        """One RFC 6902 operation; only these three are ever made."""

        op: Literal["add", "replace", "remove"]
        path: str
        value: NotRequired[Any]


def escape(token: str) -> str:
    """One reference token of an RFC 6901 pointer, from a map's key."""
    return token.replace("~", "~0").replace("/", "~1") if "/" in token or "~" in token else token


def unescape(token: str) -> str:
    """The map's key that a reference token stands for."""
    return token.replace("~1", "/").replace("~0", "~") if "~" in token else token


@lru_cache(1024)  # the objects of a release have the same keys
def pointer(*tokens: str | int) -> str:
    """The RFC 6901 pointer of a path of keys and list indices."""
    path = ""
    for token in tokens:
        path += "/" + (escape(token) if isinstance(token, str) else str(token))
    return path


class Patch:
    """What changes in one object, and why.

    ``operations`` are RFC 6902 operations whose paths start at the document's root (an object inside a List has the
    List's index in front). ``role`` is the pod's role where the patch writes sidecar settings, else empty.
    """

    __slots__ = ("api_version", "document", "kind", "name", "namespace", "operations", "reason", "role")

    def __init__(
        self,
        *,
        document: int,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        reason: str,
        operations: "Sequence[Operation]",
        role: str = "",
    ) -> None:
        self.document = document
        self.api_version = api_version
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.reason = reason
        self.operations = operations
        self.role = role
