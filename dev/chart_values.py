"""The chart's values and profiles: values.yaml with its defaults behind a `#`, and the files that templates read.

A key behind a `#` without a blank is a default that a profile may change. Helm must not see it in values.yaml, or
nobody could tell the default from a user who writes the same; so `chart/files/defaults.yaml` has it for the templates.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parent.parent / "chart"
OVERLAYS = CHART.parent / "values"
PROFILES = "files/profiles"
_HEAD = """\
# Written by `make docs` from values.yaml: `unset` is what stands there behind a `#`, `maps` are the maps there.
"""


def opened(text: str) -> str:
    """The text of values.yaml with the defaults behind a `#` among the others, on the same lines."""
    return re.sub(r"^( *)#(?=[^ #\n]|  )", r"\1", text, flags=re.MULTILINE)


def defaults() -> dict[str, Any]:
    """The default values, those behind a `#` included."""
    return _load(opened((CHART / "values.yaml").read_text()))


def given() -> dict[str, Any]:
    """The default values as Helm sees them."""
    return _load((CHART / "values.yaml").read_text())


def files() -> dict[str, str]:
    """The text of each file that is made for the templates, by its path in the chart."""
    live = given()
    both = {"unset": _without(defaults(), live), "maps": _maps(live)}
    made = {"files/defaults.yaml": _HEAD + yaml.safe_dump(both, default_flow_style=None, sort_keys=False, width=120)}
    return made | {f"{PROFILES}/{path.name}": path.read_text() for path in sorted(OVERLAYS.glob("*.yaml"))}


def _without(whole: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What `whole` has and `known` has not."""
    left: dict[str, Any] = {}
    for key, value in whole.items():
        if key not in known:
            left[key] = value
        elif isinstance(value, dict) and (below := _without(value, known[key] or {})):
            left[key] = below
    return left


def _maps(values: Mapping[str, Any]) -> dict[str, Any]:
    """The maps among the values, without what else is in them."""
    return {key: _maps(value) for key, value in values.items() if isinstance(value, dict)}


def _load(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded
