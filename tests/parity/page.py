"""docs/parity.md, made of the verdicts and of what a run saw.

``python -m pytest tests/parity --write-parity`` writes it.
"""

from typing import NamedTuple

from dev.toolchain import ROOT
from mlmesh.invariants.registry import rules
from tests.parity.verdicts import VERDICTS, Verdict

PAGE = ROOT / "docs" / "parity.md"

FILES, CLUSTER = "files", "a cluster"

HEAD = """\
# Beside `istioctl analyze`

<!-- Written by tests/parity from what a run of it saw. -->

What `istioctl analyze` says of manifests, `mlmesh check` says too, or there is a reason why not. A test holds that:
for every message it has manifests (tests/parity/cases) of which the real istioctl says it, and then asks `mlmesh
check` for a finding about the same object.

From files alone istioctl leaves out every check that needs a Pod, a Service, a Namespace, a Deployment or a Secret.
What it says then only "of a cluster" was brought about by storing the case in a real API server; `mlmesh check` has
the files alone each time. What it says of the cases of every rule, and of charts of other projects, is held to the
same.

"""


class Seen(NamedTuple):
    """Of one message: what istioctl needed to say it, and the codes that said the same."""

    source: str
    codes: frozenset[str]


def page(seen: dict[str, Seen]) -> str:
    """The page, given what was seen of each message that is ours."""
    ours = [verdict for verdict in VERDICTS.values() if verdict.ours]
    cluster = [verdict for verdict in VERDICTS.values() if verdict.cluster]
    alone = sum(seen[verdict.code].source == FILES for verdict in ours if verdict.code in seen)
    left = len(VERDICTS) - len(ours) - len(cluster)
    return "".join(
        (
            HEAD,
            f"{len(ours)} of {len(VERDICTS)} messages are ours; {alone} of these istioctl says of files alone. "
            f"{len(cluster)} need a cluster, {left} are left out.\n\n",
            "| istioctl | message | level | said of | ours, or why not |\n|---|---|---|---|---|\n",
            *(_row(verdict, seen.get(verdict.code)) for verdict in VERDICTS.values()),
            "\n## Left out of a message that is ours\n\n| istioctl | what is left out, and why |\n|---|---|\n",
            *(f"| {each.code} | {_what(each.says)}{each.why} |\n" for verdict in ours for each in verdict.omissions),
        )
    )


def _row(verdict: Verdict, seen: Seen | None) -> str:
    if not verdict.ours:
        answer = f"needs a cluster: {verdict.why}" if verdict.cluster else f"left out: {verdict.why}"
    else:
        answer = ", ".join(map(_linked, sorted(seen.codes if seen else ())))
    source = seen.source if seen else "-"
    return f"| {verdict.code} | {verdict.name} | {verdict.level.lower()} | {source} | {answer} |\n"


def _linked(code: str) -> str:
    rule = next(rule for rule in rules() if rule.code == code)
    return f"[{code}](rules/{code}.md) {rule.name}"


def _what(says: str) -> str:
    return f"“{says}”: " if says else ""
