"""What was seen in a run: messages that are ours, excused, or neither."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import yaml

from tests.parity.analysis import Message
from tests.parity.verdicts import Omission, check, excuse, same


def _text(file: Path, message: Message) -> str:
    """The message's object, written out; of several of that name all."""
    found = []
    for item in yaml.safe_load_all(file.read_text()):
        metadata = item.get("metadata") or {} if isinstance(item, dict) else {}
        if metadata.get("name") == message.name and item["kind"] == message.kind:
            found.append(yaml.safe_dump(item))
    return "".join(found)


class Judged:
    """The messages of some files, each beside what `mlmesh check` finds in the file."""

    def __init__(self) -> None:
        self.open: list[str] = []  # messages that are neither ours nor excused
        self.codes: dict[str, set[str]] = defaultdict(set)  # by message, our codes that said the same
        self.used: set[Omission] = set()

    def take(self, file: Path, place: str, messages: Iterable[Message]) -> None:
        """Judge what was said of a file."""
        findings = check(file)
        for message in sorted(messages):
            codes = {finding.code for finding in findings if same(message, finding)}
            self.codes[message.code] |= codes
            reason = None if codes else excuse(message, place, _text(file, message))
            if isinstance(reason, Omission):
                self.used.add(reason)
            elif not codes and reason is None:
                self.open.append(
                    f"{place}: {message.code} {message.kind} {message.namespace}/{message.name}: {message.text}"
                )
