"""Section 7 of the reference design: HTTP/1.0, and what it needs."""

from collections.abc import Callable

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually

MeasuredBy = Callable[[str, str], None]

LLM = "http://llm-service.ml-serving:8080"


@pytest.mark.ends_connections  # changes the listeners of every sidecar
def test_http_1_0_is_carried_and_by_what(mesh: Mesh, frontend: Pod, measured: MeasuredBy) -> None:
    """HTTP/1.0 passes a sidecar with the two settings of values/mesh; with ISTIO_META_HTTP10 alone it does not."""
    # A connection that is older than a test's policy gets that policy's answer once more, and is closed.
    assert eventually(lambda: frontend.call(f"{LLM}/v1/models", "--http10").status == 200)
    with mesh.istio.restarted(PILOT_HTTP10="false"):
        alone = eventually(
            lambda: (got := frontend.call(f"{LLM}/v1/models", "--http10", timeout=3)).status != 200 and got
        )
    assert alone, "answered without PILOT_HTTP10 too"
    assert eventually(lambda: frontend.call(f"{LLM}/v1/models", "--http10", timeout=3).status == 200)
    measured(
        "§7 ISTIO_META_HTTP10 with PILOT_HTTP10",
        f"200; as written, with the first alone: {alone.error or alone.status}",
    )
