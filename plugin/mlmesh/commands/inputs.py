"""Files, folders and standard input as one release, and the way back from its lines to theirs."""

from pathlib import Path

from mlmesh.files import read_input
from mlmesh.manifests.objects import objects
from mlmesh.manifests.stream import read
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mlmesh.model.findings import Finding

SUFFIXES = (".yaml", ".yml", ".json")


class Inputs:
    """Several texts as one stream. ``names`` are their files', ``texts`` their contents; "-" is standard input."""

    def __init__(self, sources: "Sequence[str]") -> None:
        """Raises InputError for what cannot be read, and for a folder without manifests."""
        self.names = list(dict.fromkeys(name for source in sources or ["-"] for name in _files(source)))
        self.texts = [read_input(name) for name in self.names]

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
        from bisect import bisect_right

        firsts = self.firsts()
        for finding in findings:
            at = bisect_right(firsts, finding.line) - 1
            if self.names[at] != "-":
                finding.put_in(self.names[at], firsts[at])

    def blame(self) -> None:
        """Find the file that alone cannot be read, and raise the InputError that names it; there may be none."""
        for name, text in zip(self.names, self.texts, strict=True):
            try:
                for document in read(text).documents:
                    list(objects(document, document.data))
            except InputError as error:
                remedy = error.remedy or "name the files that hold manifests"
                raise InputError(error.what, place=f"{name}, {error.place}", remedy=remedy) from None

    def split(self, documents: int) -> "list[tuple[int, int]]":
        """The documents of each text, as (first, one behind the last). Raises InputError if they are not all of it."""
        found = []
        at = 0
        for text in self.texts:
            count = len(read(text).documents)
            found.append((at, at + count))
            at += count
        if at != documents:
            raise InputError("the files do not part where their documents do", remedy="check each file by itself")
        return found


def _files(source: str) -> list[str]:
    path = Path(source)
    if source == "-" or not path.is_dir():
        return [source]
    if (path / "Chart.yaml").exists() and (path / "templates").is_dir():
        raise InputError(
            "the folder is a chart: its templates are no manifests yet",
            place=source,
            remedy=f"render it first: helm template {source} | mlmesh check",
        )
    found = sorted(str(file) for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not found:
        raise InputError(
            "the folder holds no manifests", place=source, remedy=f"name files or a folder with {', '.join(SUFFIXES)}"
        )
    return found
