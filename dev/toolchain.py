"""The programs and files that the demo and the tests need, built or fetched once into the cache directory.

`python -m dev.toolchain [NAME...]` gets those named, or all, and prints their paths.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.cache import kept
from dev.golang import build_program, build_sources, copy_files
from dev.progress import StepError, say
from dev.recipes import FILES, PROGRAMS, GoProgram, GoSources
from dev.wheels import unpack

ROOT = Path(__file__).resolve().parent.parent
NAMES = (*PROGRAMS, *FILES)

_failed: dict[str, StepError] = {}


def tool(name: str) -> Path:
    """The path of the program, or of the folder of files, called `name`; built or fetched first where missing.

    Raises StepError where that fails (once for all: one process does not try again), and KeyError for a name that is
    not in `dev.recipes`.
    """
    if name in _failed:
        raise _failed[name]
    try:
        return _get(name)
    except StepError as error:
        _failed[name] = error
        raise


def _get(name: str) -> Path:
    if name in FILES:
        files = FILES[name]
        return kept(name, files[0].version, _digest(repr(files)), lambda home: copy_files(files, home))
    recipe = PROGRAMS[name]
    if isinstance(recipe, GoProgram):
        home = kept(name, recipe.version, _digest(repr(recipe)), lambda home: build_program(recipe, home))
    elif isinstance(recipe, GoSources):
        sources = sorted(path for path in (ROOT / recipe.folder).glob("*") if path.suffix in {".go", ".mod", ".sum"})
        digest = _digest(*(path.read_text() for path in sources))
        home = kept(name, "source", digest, lambda home: build_sources(recipe, sources, home))
    else:
        home = kept(name, recipe.version, _digest(repr(recipe)), lambda home: unpack(recipe, home))
    return home / recipe.program


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def main(arguments: Sequence[str]) -> int:
    """Get the tools named, or all of them; 1 if one could not be had. The others are still built."""
    parser = argparse.ArgumentParser(prog="python -m dev.toolchain", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    names = parser.parse_args(arguments).names
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such tool: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    failed = False
    for name in names or NAMES:
        try:
            print(f"{name}: {tool(name)}", flush=True)
        except StepError as error:
            say(str(error))
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
