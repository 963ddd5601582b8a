"""How `mlmesh-post` finds and loads its own modules: over a hundred small ones, which are half of a small run.

Python's own finders look for each at six places and read the folder's date first, and its loader reads each file
through buffers, by eleven system calls. One look and five calls do.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec as _Spec
    from importlib.machinery import SourceFileLoader as _Source
else:  # importlib itself would have to be loaded
    _Spec = type(__spec__)
    _Source = type(__spec__.loader)

_PACKAGE = "mlmesh."
_BLOCK = 65_536  # bytes: more than any module has, and few enough to come from the heap


def beside() -> None:
    """Load the modules of this package from its folder from now on, where it lies in one: as pip installs it."""
    if _Source.__name__ == "SourceFileLoader":
        sys.meta_path.insert(0, _Beside())


class _Beside:
    """Finds a module of this package in its package's folder; packages, and what is not there, are left to others."""

    def find_spec(self, name: str, path: "Sequence[str] | None", _: object = None) -> "_Spec | None":
        """Where the module is; None where that is another finder's to say."""
        if not path or not name.startswith(_PACKAGE):
            return None
        file = f"{path[0]}/{name.rpartition('.')[2]}.py"
        try:
            status = os.stat(file)
        except OSError:
            return None
        spec = _Spec(name, _Loader(name, file, status), origin=file)
        spec.has_location = True
        return spec


class _Loader(_Source):
    """Loads a module, or its bytecode where that is of this source, as Python's own loader does."""

    def __init__(self, name: str, file: str, status: os.stat_result) -> None:
        super().__init__(name, file)
        self._status = status

    def path_stats(self, _: str) -> "dict[str, float]":
        """Size and time of the source, which the bytecode names."""
        return {"mtime": self._status.st_mtime, "size": self._status.st_size}

    def get_data(self, path: str) -> bytes:
        """A file's bytes. Raises OSError."""
        file = os.open(path, os.O_RDONLY)
        try:
            parts = [os.read(file, _BLOCK)]
            while len(parts[-1]) == _BLOCK:
                parts.append(os.read(file, _BLOCK))
        finally:
            os.close(file)
        return b"".join(parts)
