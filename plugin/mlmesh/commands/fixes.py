"""What mends findings, written into the texts that they are in."""

from mlmesh.manifests.editor import edit
from mlmesh.manifests.stream import read
from mlmesh.model.errors import DefectError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlmesh.commands.inputs import Inputs
    from mlmesh.model.findings import Finding
    from mlmesh.model.patches import Operation


def fixed(inputs: "Inputs", findings: "Sequence[Finding]", *, unsafe: bool) -> list[bytes]:
    """Each text with the safe fixes made in it, and with the unsafe ones where they are asked for.

    A fix whose place an earlier one has changed is left for the next run. Raises InputError.
    """
    stream = read(inputs.stream)
    wanted: dict[int, list[Finding]] = {}
    for finding in findings:
        if finding.operations and (unsafe or finding.fix == "safe"):
            wanted.setdefault(finding.document, []).append(finding)
    texts = []
    for text, (first, end) in zip(inputs.texts, inputs.split(len(stream.documents)), strict=True):
        own = read(text)
        changed = {}
        for document in own.documents:
            operations = _together(wanted.get(first + document.index, ()))
            if operations and first + document.index < end:
                try:
                    changed[document.index] = edit(document, operations)[0]
                except DefectError:  # two fixes of one place: the first alone
                    changed[document.index] = edit(document, wanted[first + document.index][0].operations)[0]
                except InputError:
                    continue  # the text does not allow it: the finding stays
        texts.append(b"".join(own.write(changed)))
    return texts


def _together(findings: "Sequence[Finding]") -> "list[Operation]":
    """The operations of several findings; a map that two of them would make is made once."""
    made: set[str] = set()
    operations = []
    for operation in (each for finding in findings for each in finding.operations):
        if operation["op"] == "add" and operation["value"] == {}:
            if operation["path"] in made:
                continue
            made.add(operation["path"])
        operations.append(operation)
    return operations


def diff(inputs: "Inputs", texts: "Sequence[bytes]") -> str:
    """A unified diff of every text that would change."""
    from difflib import unified_diff

    out: list[str] = []
    for name, old, new in zip(inputs.names, inputs.texts, texts, strict=True):
        before, after = (each.decode("utf-8", "replace").splitlines(keepends=True) for each in (old, new))
        out += unified_diff(before, after, f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in out)
