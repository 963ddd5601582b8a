"""Files, folders and standard input as one release, and the way back from its lines to theirs."""

import os
import re
from bisect import bisect_right
from pathlib import Path

from mlmesh.files import read_input
from mlmesh.manifests.objects import objects
from mlmesh.manifests.stream import read
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from io import FileIO

    from mlmesh.model.findings import Finding

SUFFIXES = (".yaml", ".yml", ".json")


class Inputs:
    """Several texts as one stream. ``names`` are their files', ``texts`` their contents; "-" is standard input."""

    def __init__(self, sources: "Sequence[str]", besides: "Sequence[str]" = ()) -> None:
        """``besides`` are files that a folder may hold and that are no manifests.

        Raises InputError for what cannot be read, for a folder without manifests, and for a chart.
        """
        left_out = {os.path.realpath(name) for name in besides}
        names = [name for source in sources or ["-"] for name in _files(source, left_out)]
        # by another spelling or a link a file is the same, and its objects are there once
        self.names = list({os.path.realpath(name): name for name in reversed(names)}.values())[::-1]
        self.texts = [read_input(name) for name in self.names]

    @classmethod
    def of(cls, names: "Sequence[str]", texts: "Sequence[bytes]") -> "Inputs":
        """Texts that were read elsewhere."""
        found = cls.__new__(cls)
        found.names, found.texts = list(names), list(texts)
        return found

    @property
    def stream(self) -> bytes:
        """All texts, each a document of its own or several."""
        return b"".join(self._pieces())

    def _pieces(self) -> "Iterator[bytes]":
        for index, text in enumerate(self.texts):
            if index:
                yield b"---\n"
            yield text if text.endswith(b"\n") or index == len(self.texts) - 1 else text + b"\n"

    def firsts(self) -> list[int]:
        """The line of the stream, from 1, at which each text begins."""
        found = []
        line = 1
        for index, text in enumerate(self.texts):
            line += 1 if index else 0
            found.append(line)
            line += text.count(b"\n") + (0 if text.endswith(b"\n") else 1)
        return found

    def locate(self, findings: "Iterable[Finding]") -> None:
        """Say of each finding in which file it is, and at which line of that."""
        firsts = self.firsts()
        for finding in findings:
            at = bisect_right(firsts, finding.line) - 1
            if self.names[at] != "-":
                finding.put_in(self.names[at], firsts[at])

    def blame(self, error: InputError) -> None:
        """Raise the error of the file that alone cannot be read, else this one with the file that it is in.

        Nothing is raised where it is in none.
        """
        for name, text in zip(self.names, self.texts, strict=True):
            try:
                for document in read(text).documents:
                    list(objects(document, document.data))
            except InputError as unread:
                remedy = unread.remedy or "name the files that hold manifests"
                if len(self.names) > 1:
                    remedy += "; or name only the files and folders that hold manifests"
                raise InputError(unread.what, place=f"{name}, {unread.place}", remedy=remedy) from None
        found = re.match(r"document (\d+)(.*?), line (\d+)(?!\d)", error.place, re.DOTALL)  # as Document.at has it
        if found:
            firsts = self.firsts()
            at = bisect_right(firsts, int(found[3])) - 1
            number = int(found[1]) - sum(len(read(text).documents) for text in self.texts[:at])
            line = int(found[3]) - firsts[at] + 1
            place = f"{self.names[at]}, document {number}{found[2]}, line {line}{error.place[found.end() :]}"
            raise InputError(error.what, place=place, remedy=error.remedy) from None

    def split(self, documents: int) -> list[int]:
        """The number of the first document of each text. Raises InputError if the texts are not all of them."""
        found = []
        at = 0
        for text in self.texts:
            found.append(at)
            at += len(read(text).documents)
        if at != documents:
            raise InputError("the files do not part where their documents do", remedy="check each file by itself")
        return found

    def save(self, before: "Sequence[bytes]") -> None:
        """Write the files whose text is not what it was. Raises InputError."""
        for name, old, new in zip(self.names, before, self.texts, strict=True):
            if name != "-" and new != old:
                try:
                    _rewrite(name, old, new)
                except OSError as problem:
                    raise InputError(
                        f"the file cannot be written: {problem.strerror or 'it is a pipe'}",
                        place=name,
                        remedy="--diff shows what would be written",
                    ) from None


def _rewrite(name: str, old: bytes, new: bytes) -> None:
    """Change a file itself: its mode, its links and its owner stay, and its text where the disk is full."""
    with open(name, "r+b", buffering=0) as target:
        if not target.seekable():
            raise OSError
        try:
            _write(target, new)
        except OSError:
            _write(target, old)  # this much there was room for
            raise


def _write(target: "FileIO", text: bytes) -> None:
    target.seek(0)
    left = memoryview(text)
    while left:
        left = left[target.write(left) :]
    target.truncate()


def _files(source: str, left_out: set[str]) -> list[str]:
    path = Path(source)
    if source in ("", "-"):
        return [source]
    if not path.is_dir():
        return [str(path)]
    found = []
    for each, below, names in os.walk(path):
        folder = str(Path(each))
        if "Chart.yaml" in names and "templates" in below:
            raise InputError(
                "the folder is a chart: its templates are no manifests yet",
                place=folder,
                remedy=f"render it first: helm template {folder} | mlmesh check",
            )
        below[:] = [name for name in below if not name.startswith(".")]
        files = (os.path.join(folder, name) for name in names if name.endswith(SUFFIXES) and not name.startswith("."))
        found += [str(Path(file)) for file in files if os.path.realpath(file) not in left_out]
    if not found:
        raise InputError(
            "the folder holds no manifests", place=source, remedy=f"name files or a folder with {', '.join(SUFFIXES)}"
        )
    return sorted(found)
