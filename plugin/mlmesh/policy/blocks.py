"""The built-in block of each endpoint type: its timeout and retries, before any policy or objective.

``chat``, ``embeddings`` and ``predict`` are the reference design's to the letter. The others follow from what a second
try costs: what was computed may be computed again (``PURE``), a generation, a job or a transfer only where no server
can have begun it (``SAFE``), and a probe not at all, since a retry hides what it asks for. ``0s`` is no timeout: a
timeout does not bound an open WebSocket, and Istio refuses it as one. ``admin`` has no block: it is to be denied.
"""

SAFE = "connect-failure,refused-stream,reset-before-request"  # only what no server can have begun
PURE = "gateway-error,connect-failure,refused-stream"  # the answer is computed again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _block(timeout: str, attempts: int, per_try: str = "", retry_on: str = "") -> "dict[str, Any]":
    block: dict[str, Any] = {"timeout": timeout, "attempts": attempts}
    if per_try:
        block["perTryTimeout"] = per_try
    if retry_on:
        block["retryOn"] = retry_on
    return block


BLOCKS: "dict[str, dict[str, Any]]" = {
    "chat": _block("120s", 2, "60s", "5xx,reset"),
    "completion": _block("120s", 2, "60s", "5xx,reset"),
    "stream": _block("600s", 2, retry_on=SAFE),
    "responses": _block("600s", 2, retry_on=SAFE),
    "embeddings": _block("30s", 3, "10s"),
    "rerank": _block("30s", 3, "10s", PURE),
    "classify": _block("15s", 3, "5s", PURE),
    "tokenize": _block("10s", 2, "5s", PURE),
    "transcription": _block("300s", 1, retry_on=SAFE),
    "speech": _block("120s", 2, retry_on=SAFE),
    "image": _block("180s", 1, retry_on=SAFE),
    "job": _block("60s", 2, retry_on=SAFE),
    "realtime": _block("0s", 0),
    "predict": _block("30s", 3, "10s", "5xx,reset,connect-failure"),
    "explain": _block("120s", 1, retry_on=SAFE),
    "features": _block("2s", 2, "1s", PURE),
    "feature-write": _block("30s", 2, retry_on=SAFE),
    "registry-read": _block("30s", 2, "15s", PURE),
    "registry-write": _block("60s", 2, retry_on=SAFE),
    "transfer": _block("900s", 0),
    "object": _block("60s", 2, retry_on=SAFE),
    "metadata": _block("10s", 2, "5s", PURE),
    "health": _block("5s", 0),
    "metrics": _block("10s", 0),
    "admin": {},
}
