"""The endpoint types: which paths serve them, and what a second try of one costs.

Tails are compared from the path's end, so a base such as ``/openai`` or ``/NAMESPACE/NAME`` in front changes nothing.
Sources: OpenAI's openapi.json; vLLM entrypoints/*/api_router.py; SGLang srt/entrypoints/http_server.py; TEI and TGI
router/src/server.rs; Ollama server/routes.go; Cohere's SDK.
"""

PURE = "pure"  # the answer is computed again, cheaply
GENERATION = "generation"  # a whole generation runs again, on the same accelerators

STRICTNESS = (PURE, GENERATION)  # a rule that serves several types follows the last of them


class EndpointType:
    """A type of endpoint: ``tails`` are the ends of its paths, ``retry`` what a repeated request costs."""

    __slots__ = ("name", "retry", "tails")

    def __init__(self, name: str, retry: str, tails: tuple[str, ...]) -> None:
        self.name = name
        self.retry = retry
        self.tails = tails


TYPES = {
    kind.name: kind
    for kind in (
        EndpointType("chat", GENERATION, ("/chat/completions", "/v2/chat", "/api/chat")),
        EndpointType("embeddings", PURE, ("/embeddings", "/embed", "/embed_all", "/embed_sparse")),
    )
}
