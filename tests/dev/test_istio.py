"""What the lab waits for after a change of istiod's settings."""

from typing import Any

import pytest

from dev.mesh.istio import Istio
from dev.progress import StepError


class Told(Istio):
    """istiod as its debug page and the API would tell of it: `connected` proxies, and pods that stay or are ending."""

    def __init__(self, connected: dict[str, str], pods: dict[str, bool]) -> None:
        self._connected = connected
        self._api = self  # type: ignore[assignment]
        self._pods = pods

    def debug(self, path: str) -> Any:
        """`syncz`: to each proxy nonce `b` was sent, and it has acknowledged the one that `connected` has."""
        return [
            {"proxy": name, "resources": {"CLUSTER": {"sent": "b", "acked": acknowledged}}}
            for name, acknowledged in self._connected.items()
        ]

    def items(self, path: str) -> list[dict[str, Any]]:
        """The pods, of namespace `a`; `True` for one that is ending."""
        return [
            {"metadata": {"name": name, "namespace": "a", **({"deletionTimestamp": "now"} if ending else {})}}
            for name, ending in self._pods.items()
        ]


def test_a_proxy_whose_pod_is_ending_is_not_waited_for() -> None:
    """It was connected before istiod restarted, and never comes back."""
    Told({"stays.a": "b"}, {"stays": False, "going": True}).settle(1, frozenset({"stays.a", "going.a", "gone.a"}))


@pytest.mark.parametrize(
    ("connected", "pods"),
    [
        pytest.param({"stays.a": "b"}, {"stays": False, "late": False}, id="not-back"),
        pytest.param({"stays.a": "b", "late.a": "a"}, {"stays": False}, id="not-acknowledged"),
    ],
)
def test_who_is_waited_for_is_named(connected: dict[str, str], pods: dict[str, bool]) -> None:
    """A proxy of a pod that stays must be back, and one that is connected must have acknowledged."""
    with pytest.raises(StepError, match=r"within 1 s: late\.a$"):
        Told(connected, pods).settle(1, frozenset({"stays.a", "late.a"}))
