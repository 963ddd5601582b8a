"""Go's reading of documents, from the program in tests/oracle."""

import json
import subprocess
from typing import Any


class GoError(str):
    """What Go says of a document that it does not read."""

    __slots__ = ()


class Oracle:
    """The program, running until `close`."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, text: bytes) -> Any:
        """Go's reading of one document, or a GoError."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"%d\n%b" % (len(text), text))
        self._process.stdin.flush()
        line = self._process.stdout.readline().decode()
        return GoError(line.strip()) if line.startswith("error: ") else json.loads(line)

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def same(ours: Any, go: Any) -> bool:
    """Whether two readings are equal, types included; beyond 64 bits both sides have a float."""
    if isinstance(ours, dict) and isinstance(go, dict):
        return ours.keys() == go.keys() and all(same(ours[key], go[key]) for key in ours)
    if isinstance(ours, list) and isinstance(go, list):
        return len(ours) == len(go) and all(map(same, ours, go))
    if isinstance(go, int) and not isinstance(go, bool) and isinstance(ours, float):
        return abs(go) >= 2**63 and float(go) == ours
    return type(ours) is type(go) and bool(ours == go)
