"""The timeout and retries of a route, from its endpoint types and the policy."""

from mlmesh.endpoints.catalogue import STRICTNESS, EndpointType
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.policy.settings import Policy


def block(types: "Sequence[EndpointType]", policy: "Policy") -> "dict[str, Any]":
    """The ``timeout`` and ``retries`` of a VirtualService's rule that serves these types; a key left out is unset.

    Several types: the block of the one whose repetition costs most, with the longest timeout of all. ``0s`` and null in
    the policy leave a field out (Istio refuses ``timeout: 0s``).
    """
    blocks = policy.spec["endpoints"]["types"]
    strictest = max(types, key=lambda kind: STRICTNESS.index(kind.retry))
    settings = blocks.get(strictest.name, {})
    timeouts = [_duration(blocks.get(kind.name, {}).get("timeout")) for kind in types]
    fields: dict[str, Any] = {}
    if all(timeouts):
        fields["timeout"] = max(timeouts, key=duration_ms)
    attempts = settings.get("attempts")
    if attempts == 0:
        fields["retries"] = {"attempts": 0}  # istiod refuses any other field beside it
    elif attempts is not None:
        retries: dict[str, Any] = {"attempts": attempts}
        if _duration(settings.get("perTryTimeout")):
            retries["perTryTimeout"] = settings["perTryTimeout"]
        if settings.get("retryOn"):
            retries["retryOn"] = settings["retryOn"]
        fields["retries"] = retries
    return fields


def _duration(value: str | None) -> str:
    return value if value is not None and duration_ms(value) > 0 else ""
