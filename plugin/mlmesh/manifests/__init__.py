"""Floor 2: a stream of Kubernetes manifests: split, read by Go's rules, edited in its own text.

PyYAML and json compile regular expressions at import that only their readers in Python need; one of them takes a tenth
of a whole run. Here only the readers in C are used, so they wait until somebody asks something of them.
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_compile = re.compile


class _Later:
    """A regular expression that is compiled when it is first used."""

    def __init__(self, *arguments: "Any") -> None:
        self._arguments = arguments

    def __getattr__(self, name: str) -> "Any":
        return getattr(_compile(*self._arguments), name)  # `re` keeps what it compiled


def load(module: str) -> "Any":
    """Import a module of the library; what it compiles at import waits."""
    re.compile = _Later  # type: ignore[assignment]
    try:
        return __import__(module)
    finally:
        re.compile = _compile


load("yaml")
