"""What mends findings, written into the texts that they are in."""

from mlmesh.commands.conflicts import Accepted
from mlmesh.commands.newcomers import additions, followed
from mlmesh.manifests.editor import edit
from mlmesh.manifests.stream import RESOURCE_LIST, read
from mlmesh.model.errors import DefectError, InputError, MlmeshError
from mlmesh.model.masking import masked
from mlmesh.reports.words import printable, relative

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlmesh.commands.inputs import Inputs
    from mlmesh.manifests.stream import Document
    from mlmesh.model.findings import Finding

ROUNDS = 10  # a fix can make room for another; ones that undo each other must end


def mend(
    inputs: "Inputs", findings: "list[Finding]", judged: "Callable[[], list[Finding]]", *, unsafe: bool
) -> "list[Finding]":
    """The findings that are left when every fix was made in the texts of ``inputs``; no file is written.

    Safe fixes are made, the unsafe ones where they are asked for. ``judged`` gives the findings of the texts as they
    are. Of fixes of the same place one is made at a time, and what it left is judged again.
    """
    for _ in range(ROUNDS):
        texts = _fixed(inputs, findings, unsafe=unsafe)
        if texts == inputs.texts:
            break
        inputs.texts = texts
        findings = judged()
    return findings


def _fixed(inputs: "Inputs", findings: "Sequence[Finding]", *, unsafe: bool) -> list[bytes]:
    """Each text with the fixes in it that do not touch each other. Raises InputError."""
    stream = read(inputs.stream)
    wanted: dict[int, list[Finding]] = {}
    for finding in findings:
        if finding.operations and (unsafe or finding.fix == "safe"):
            wanted.setdefault(finding.mends, []).append(finding)
    added = additions(finding for finding in findings if unsafe or finding.fix == "safe")
    texts = []
    for name, text, first in zip(inputs.names, inputs.texts, inputs.split(len(stream.documents)), strict=True):
        own = read(text)
        extensible = not name.endswith(".json") and own.dialect != RESOURCE_LIST
        changed = {}
        for document in own.documents:
            index = first + document.index
            new = _edited(document, wanted[index]) if index in wanted else None
            if extensible and index in added:
                new = followed(document.text if new is None else new, added[index])
            if new is not None:
                changed[document.index] = new
        texts.append(b"".join(own.write(changed)))
    return texts


def _edited(document: "Document", findings: "Sequence[Finding]") -> bytes | None:
    """The document's text with fixes; None where it allows none of them."""
    accepted = Accepted(document.data)
    # the last place first: what is taken out of a list there leaves the numbers before it as they are
    taken = [finding for finding in reversed(findings) if accepted.take(finding.operations)]
    try:
        return edit(document, accepted.operations)[0]
    except MlmeshError as error:
        if len(taken) == 1:
            if isinstance(error, DefectError):
                raise
            return None  # the text does not allow it: the finding stays
    for finding in taken:  # one of them is in the way: the first that can be made, alone
        try:
            return edit(document, finding.operations)[0]
        except InputError:
            continue
    return None


def diff(inputs: "Inputs", before: "Sequence[bytes]") -> str:
    """A unified diff of every text that was changed; lines around a change that may hold a secret are masked."""
    from difflib import unified_diff

    out: list[str] = []
    for name, old, new in zip(inputs.names, before, inputs.texts, strict=True):
        if old != new:
            shown = printable(relative(name))
            out += unified_diff(_lines(old), _lines(new), f"a/{shown}", f"b/{shown}")
    return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in out)


def _lines(text: bytes) -> list[str]:
    lines = text.decode("utf-8", "replace").split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in masked(lines)] + ([masked([last])[0]] if last else [])
