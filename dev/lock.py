"""What of requirements.lock a program needs to run: of what is locked, no more than that."""

import re
import tomllib
from collections.abc import Iterator

from dev.toolchain import ROOT

LOCK = ROOT / "requirements.lock"


def runtime(lock: str, project: str) -> str:
    """The entries of the lock, with their hashes, that pyproject.toml's dependencies need, and what those need.

    Who needs whom is told by the comments that pip-compile leaves below each entry.
    """
    entries = dict(_entries(lock))
    wanted = {_name(each) for each in tomllib.loads(project)["project"]["dependencies"]}
    while more := {name for name, entry in entries.items() if wanted & _needed_by(entry)} - wanted:
        wanted |= more
    return "".join(entries[name] for name in sorted(wanted))


def _entries(lock: str) -> Iterator[tuple[str, str]]:
    for entry in re.findall(r"^[a-z0-9].*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL):
        yield entry.split("==")[0], entry


def _needed_by(entry: str) -> set[str]:
    # `# via x`, or `# via` and a line for each
    return set(re.findall(r"^ +#(?: via)? +([a-z0-9-]+)$", entry, re.MULTILINE))


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-")
