"""Writes docs/egress.md: the packs of hosts that the chart has, and what its settings for hosts outside do."""

import re
from pathlib import Path
from typing import Any

import yaml

from dev.toolchain import ROOT

PACKS = ROOT / "chart" / "files" / "egress-packs.yaml"
PROSE = Path(__file__).parent / "egress.md"

_LISTED = re.compile(r"^    - \"?(?P<host>[^\"\s]+)\"?(?: # (?P<why>.*))?$")


def packs() -> dict[str, dict[str, Any]]:
    """The packs by name, as the chart reads them."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(PACKS.read_text())
    return found


def egress_page() -> str:
    """The text of docs/egress.md."""
    blocks = []
    notes = _notes()
    for name, pack in sorted(packs().items()):
        lines = [f"### {name}\n\n{pack['what']}. Source: {pack['source']}.\n\n"]
        for parameter, default in (pack.get("parameters") or {}).items():
            lines.append(
                f"Parameter `{parameter}`" + (f", `{default}` unless given.\n\n" if default else ", needed.\n\n")
            )
        lines += [f"- `{host}`" + (f": {why}" if why else "") + "\n" for host, why in notes[name]]
        blocks.append("".join(lines))
    return PROSE.read_text() + "\n" + "\n".join(blocks)


def _notes() -> dict[str, list[tuple[str, str]]]:
    """Each pack's hosts with their comments, which a reader of YAML leaves out."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for line in PACKS.read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            name = line.rstrip(":")
            found[name] = []
        elif host := _LISTED.match(line):
            found[name].append((host["host"], host["why"] or ""))
    return found
