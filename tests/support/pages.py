"""The code blocks of a page, as its tests run them."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dev.toolchain import ROOT

_BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str, name: str = "") -> list[str]:
    """The texts of a page's blocks that begin with ```LANGUAGE NAME, in their order."""
    found = _BLOCK.findall((ROOT / page).read_text())
    return [text for its_language, its_name, text in found if (its_language, its_name) == (language, name)]


def block(page: str, language: str, name: str = "") -> str:
    """The text of the one such block."""
    (text,) = blocks(page, language, name)
    return text


def shell(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A script in bash, which ends at the first command that fails; the result is the caller's to judge."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
