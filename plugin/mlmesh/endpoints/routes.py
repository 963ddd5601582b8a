"""The rules of VirtualServices: what each serves, and the block that is derived into it."""

from mlmesh.endpoints.catalogue import TYPES, EndpointType
from mlmesh.endpoints.derive import block
from mlmesh.endpoints.match import type_of_match
from mlmesh.graph.stamps import derived, stamped
from mlmesh.manifests.objects import KubeObject
from mlmesh.model.errors import InputError
from mlmesh.model.patches import Patch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from mlmesh.model.patches import Operation
    from mlmesh.policy.settings import Policy

ANNOTATION = "mlmesh.dev/endpoint"
ANNOTATION_PREFIX = "endpoint.mlmesh.dev/"
FIELDS = ("timeout", "retries")


class Rule:
    """One HTTP rule of a VirtualService: ``index`` in ``spec.http``, the types it serves and why."""

    __slots__ = ("data", "index", "owner", "reason", "types")

    def __init__(
        self, owner: KubeObject, index: int, data: "dict[str, Any]", types: list[EndpointType], reason: str
    ) -> None:
        self.owner = owner
        self.index = index
        self.data = data
        self.types = types
        self.reason = reason

    @property
    def path(self) -> str:
        """The pointer to the rule, from the object."""
        return f"/spec/http/{self.index}"


def rules(item: KubeObject) -> "Iterator[Rule]":
    """The HTTP rules of a VirtualService. No types where one match is of no known type: that is never guessed at."""
    spec = item.data.get("spec")
    http = spec.get("http") if isinstance(spec, dict) else None
    for index, data in enumerate(http if isinstance(http, list) else ()):
        if isinstance(data, dict):
            types, reason = _types(item, data)
            yield Rule(item, index, data, types, reason)


def derive(items: "Iterable[KubeObject]", policy: "Policy") -> "Iterator[Patch]":
    """A patch for each VirtualService with a rule that has neither timeout nor retries and serves known types."""
    for item in items:
        if item.kind != "VirtualService" or item.group != "networking.istio.io":
            continue
        patch = _derive(item, policy)
        if patch is not None:
            yield patch


def _types(item: KubeObject, rule: "dict[str, Any]") -> tuple[list[EndpointType], str]:
    annotations = item.annotations()
    name = rule.get("name")
    for key in (f"{ANNOTATION_PREFIX}{name}", ANNOTATION):
        if key in annotations:
            return [_named(str(annotations[key]), key, item)], f"annotation {key}"
    matches = rule.get("match")
    if not isinstance(matches, list) or not matches:
        return [], "no match"
    types: dict[str, EndpointType] = {}
    paths = []
    for match in matches:
        kind, path = type_of_match(match) if isinstance(match, dict) else (None, "no path")
        if kind is None:
            return [], f"{path} is of no known type"
        types[kind.name] = kind
        paths.append(path)
    return list(types.values()), " and ".join(paths)


def _named(name: str, key: str, item: KubeObject) -> EndpointType:
    if name not in TYPES:
        raise InputError(
            f"endpoint type {name!r} is not known",
            place=f"{item.document.place}, annotation {key}",
            remedy=f"one of {', '.join(TYPES)}; or take the annotation away and write timeout and retries yourself",
        )
    return TYPES[name]


def _derive(item: KubeObject, policy: "Policy") -> Patch | None:
    earlier = derived(item)
    operations: list[Operation] = []
    ours: list[str] = []
    reasons: list[str] = []
    for rule in rules(item):
        set_by_user = [key for key in FIELDS if key in rule.data and f"{rule.path}/{key}" not in earlier]
        wanted: dict[str, Any] = {}
        if rule.types and not set_by_user and isinstance(rule.data.get("route"), list):
            wanted = block(rule.types, policy)
        before = len(operations)
        for key in FIELDS:
            path = item.pointer + f"{rule.path}/{key}"
            if key in wanted:
                ours.append(f"{rule.path}/{key}")
                if key not in rule.data:
                    operations.append({"op": "add", "path": path, "value": wanted[key]})
                elif rule.data[key] != wanted[key]:
                    operations.append({"op": "replace", "path": path, "value": wanted[key]})
            elif key in rule.data and key not in set_by_user:
                operations.append({"op": "remove", "path": path})
        if len(operations) > before:
            served = "+".join(kind.name for kind in rule.types) or "nothing known"
            reasons.append(f"rule {rule.index} serves {served} ({rule.reason})")
    return stamped(item, operations, ours, "; ".join(reasons)) if operations else None
