"""What the invariants say of public charts, as a page: made from the verdicts that the tests over these charts hold."""

from collections import Counter, defaultdict
from typing import Any

import yaml

from dev.toolchain import ROOT
from mlmesh.invariants.registry import rules

VERDICTS = ROOT / "tests" / "corpus"
SEVERITIES = ("error", "warning", "info")
HEAD = """\
# What the invariants say of public charts

<!-- Written by dev/docs.py from the verdicts in tests/corpus. -->

The manifests of 81 streams from 46 public repositories (5,102 documents: charts as Helm renders them, kustomizations,
samples), unmodified and with no policy, as tests/corpus sees them. Each finding has a line in
`tests/corpus/findings.yaml` or `twice.yaml` that says whether it is right and why; one that has none fails the test.

| code | rule | errors | warnings | infos |
|---|---|---|---|---|
"""
ERRORS = """
## The errors

Each would have stopped an install.

| code | how often | why it is right |
|---|---|---|
"""


def corpus_page() -> str:
    """The text of docs/corpus.md."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[tuple[str, str]] = Counter()
    for stream in _read("findings.yaml").values():
        for line, why in stream.items():
            severity, code, *_ = line.split()
            counts[code][severity] += 1
            if severity == "error":
                reasons[code, why] += 1
    for verdict in _read("twice.yaml").values():
        counts["MLM903"]["error"] += verdict["objects"]
        reasons["MLM903", verdict["why"]] += verdict["objects"]
    names = {rule.code: rule.name for rule in rules()}
    page = HEAD
    for code in sorted(counts):
        cells = " | ".join(str(counts[code][severity] or "") for severity in SEVERITIES)
        page += f"| [{code}](rules/{code}.md) | {names[code]} | {cells} |\n"
    silent = len(names.keys() - counts.keys())
    page += f"\n{silent} of {len(names)} rules say nothing of them.\n{ERRORS}"
    for (code, why), count in sorted(reasons.items()):
        page += f"| {code} | {count} | {' '.join(why.removeprefix('right, ').split())} |\n"
    return page


def _read(name: str) -> dict[str, dict[str, Any]]:
    verdicts: dict[str, dict[str, Any]] = yaml.safe_load((VERDICTS / name).read_text())
    return verdicts
