"""Floor 2: a stream of Kubernetes manifests: split, read by Go's rules, edited in its own text.

PyYAML compiles regular expressions at import that only its readers in Python need; one of them takes a tenth of a whole
run. Here only libyaml's parser is used, so they wait until somebody asks something of them.
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


re.compile = _Later  # type: ignore[assignment]
try:
    import yaml  # noqa: F401
finally:
    re.compile = _compile
