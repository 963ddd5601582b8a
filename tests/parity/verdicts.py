"""The verdicts on istioctl's messages: which of our codes says the same, or why none does."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from click.testing import CliRunner

from mlmesh.cli import mlmesh
from tests.parity.analysis import Message

FILE = Path(__file__).parent / "verdicts.yaml"
CASES = Path(__file__).parent / "cases"


class Omission(NamedTuple):
    """A message that is left out though others of its code are ours: by its words, its object's, and its place."""

    code: str
    why: str
    says: str  # a part of the message; empty: any
    has: str  # a part of the object
    where: tuple[str, ...]  # patterns of places; none: any

    def fits(self, message: Message, place: str, text: str) -> bool:
        """Whether it is about this message, which was said of a place and of an object with this text."""
        if message.code != self.code or self.says not in message.text or self.has not in text:
            return False
        return not self.where or any(fnmatchcase(place, pattern) for pattern in self.where)

    @property
    def needs_corpus(self) -> bool:
        """Whether only streams that are not part of the repository can need it."""
        return bool(self.where) and all(pattern.startswith("corpus/") for pattern in self.where)


class Verdict(NamedTuple):
    """Of one message: our codes, or why there is none, and whether that is since it needs a cluster."""

    code: str
    name: str
    level: str
    ours: tuple[str, ...]
    why: str
    cluster: bool
    omissions: tuple[Omission, ...]


class Finding(NamedTuple):
    """What `mlmesh check` found, and in which object."""

    code: str
    kind: str
    namespace: str
    name: str
    text: str


def _read() -> dict[str, Verdict]:
    read: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())
    return {code: _verdict(code, **fields) for code, fields in read.items()}


def _verdict(
    code: str, *, name: str, level: str, ours: str = "", why: str = "", cluster: str = "", but: Any = ()
) -> Verdict:
    omissions = tuple(
        Omission(code, each["why"], each.get("says", ""), each.get("has", ""), tuple(each.get("where", "").split()))
        for each in but
    )
    return Verdict(code, name, level, tuple(ours.split()), why or cluster, bool(cluster), omissions)


VERDICTS = _read()


def check(file: Path) -> list[Finding]:
    """What `mlmesh check` finds in a file."""
    done = CliRunner().invoke(mlmesh, ["check", "--format", "json", str(file)])
    found = json.loads(done.output)["findings"]
    return [Finding(each["code"], each["kind"], each["namespace"], each["name"], each["message"]) for each in found]


def same(message: Message, finding: Finding) -> bool:
    """Whether a finding says of the message's object what the message says of it.

    Of several objects that stand in each other's way we may judge one, and name the others.
    """
    verdict = VERDICTS.get(message.code)
    if verdict is None or finding.code not in verdict.ours:
        return False
    namespaces = {message.namespace, finding.namespace}
    if (finding.kind, finding.name) == (message.kind, message.name) and (len(namespaces) == 1 or "" in namespaces):
        return True
    full = f"{message.namespace}/{message.name}" if message.namespace else message.name
    return f"{message.kind} {full}" in finding.text


def excuse(message: Message, place: str, text: str) -> Omission | str | None:
    """Why a message of an object with this text needs no finding: its omission, its code's reason, or nothing."""
    verdict = VERDICTS.get(message.code)
    if verdict is None:
        return None
    found = next((each for each in verdict.omissions if each.fits(message, place, text)), None)
    return found or verdict.why or None
