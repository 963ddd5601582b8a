"""Requests that take minutes: begun when the session begins, and looked at by the tests that come last."""

import subprocess

from dev.mesh.traffic import Pod, Response

LLM = "http://llm-service.ml-serving:8080"
SERVICE = "http://inference-service.ml-serving:8080"
_ASKED = ("--method", "POST", "--body", "{}")

# By name: where to, what the server does with it, and further flags.
_WANTED = {
    # An answer of 90 seconds that comes whole.
    "chat": (f"{LLM}/v1/chat/completions", "delay=90", _ASKED),
    # A token a second for longer than any limit.
    "stream": (f"{LLM}/v1/chat/completions", "tokens=150,first=1,interval=1", _ASKED),
    "embeddings": (f"{LLM}/v1/embeddings", "delay=45", _ASKED),
    "other path": (f"{LLM}/v1/batches", "delay=45", _ASKED),
    "pinned": (f"{SERVICE}/v1/models/m", "delay=45", ("--header", "x-model-version: v2")),
}


class SlowRequests:
    """The requests of `caller`. Each has its name in the header `x-test`, by which an app tells it from others."""

    def __init__(self, caller: Pod) -> None:
        self._caller = caller
        self._begun: dict[str, subprocess.Popen[str]] = {}

    def begin_all(self) -> None:
        """Begin every one that has not begun."""
        for name in _WANTED:
            self._begin(name)

    def response(self, name: str) -> Response:
        """Wait for the end of one; begun now if it has not."""
        self._begin(name)
        return self._caller.finish_call(self._begun[name])

    def _begin(self, name: str) -> None:
        if name not in self._begun:
            url, do, flags = _WANTED[name]
            marks = ("--header", f"x-do: {do}", "--header", f"x-test: {name}")
            self._begun[name] = self._caller.start_call(url, *marks, *flags, timeout=170)
