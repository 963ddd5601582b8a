"""How the processes of one run share the tests (`--numprocesses`): what would be set up twice stays in one of them."""

import pytest
from xdist.scheduler import LoadScopeScheduling

_MESH = "tests/mesh/"


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A file's tests stay together, and so do those of all files that share the mesh."""

    def _split_scope(self, nodeid: str) -> str:
        return _MESH if nodeid.startswith(_MESH) else nodeid.partition("::")[0]


def mesh_first(items: list[pytest.Item]) -> None:
    """What takes longest begins, so that the other processes do not wait for it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(_MESH))
