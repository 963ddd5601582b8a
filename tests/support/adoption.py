"""The steps of docs/adopting.md: the example of a platform, and each value that changes, in their order."""

import re
from typing import Any, NamedTuple

import yaml

from dev.toolchain import ROOT

PAGE = ROOT / "docs" / "adopting.md"

Values = dict[str, Any]


class Step(NamedTuple):
    """A step: its heading, and the value that it changes."""

    title: str
    values: Values


def platform() -> Values:
    """The values of the example, before the first step."""
    (found,) = re.findall(r"^```yaml platform\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    loaded: Values = yaml.safe_load(found)
    return loaded


def steps() -> list[Step]:
    """The steps, each under a heading of its own."""
    found = re.findall(r"^### \d+\. ([^\n]+)\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    blocks = [
        (title, re.findall(r"^```yaml step\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)) for title, text in found
    ]
    return [Step(title, yaml.safe_load(block)) for title, (block,) in blocks]
