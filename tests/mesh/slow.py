"""Requests that take minutes: all are begun when the session begins, and looked at by the tests that come last."""

import subprocess
from typing import NamedTuple

from dev.mesh.traffic import Pod, Response

LLM = "http://llm-service.ml-serving:8080"
SERVICE = "http://inference-service.ml-serving:8080"
ASKED = ("--method", "POST", "--body", "{}")


class Slow(NamedTuple):
    """A request under way; `name` is also its header `x-test`, by which an app's records tell it from others."""

    name: str
    caller: Pod
    process: "subprocess.Popen[str]"

    def response(self) -> Response:
        """Wait for its end."""
        return self.caller.finish_call(self.process)


def begin(caller: Pod) -> dict[str, Slow]:
    """Begin all of them, by name."""
    wanted = {
        # An answer of 90 seconds that comes whole.
        "chat": (f"{LLM}/v1/chat/completions", "delay=90", ASKED),
        # A token a second for longer than any limit.
        "stream": (f"{LLM}/v1/chat/completions", "tokens=150,first=1,interval=1", ASKED),
        "embeddings": (f"{LLM}/v1/embeddings", "delay=45", ASKED),
        "other path": (f"{LLM}/v1/batches", "delay=45", ASKED),
        "pinned": (f"{SERVICE}/v1/models/m", "delay=45", ("--header", "x-model-version: v2")),
    }
    return {
        name: Slow(
            name,
            caller,
            caller.start_call(url, "--header", f"x-do: {do}", "--header", f"x-test: {name}", *flags, timeout=170),
        )
        for name, (url, do, flags) in wanted.items()
    }
