"""A chart's values and those of its subcharts, from a folder or an archive."""

import os
from pathlib import Path

from mlmesh.model.errors import InputError
from mlmesh.model.values import Map, Origin
from mlmesh.values.reading import read_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MOST = 64 * 1024 * 1024  # bytes of an archive's files that are read


class Chart:
    """``name``, default ``values`` and subcharts (``dependencies``) of a chart; ``requirements`` are Chart.yaml's.

    ``file`` is its values file's name and ``files`` what lies in it, by path.
    """

    def __init__(self, place: str, files: "Mapping[str, bytes]", helm: int, notes: list[str]) -> None:
        """``place`` is the folder or archive in which the files are. Raises InputError."""
        self.files = files
        self.file = os.path.join(place, "values.yaml")
        told = os.path.join(place, "Chart.yaml")
        if "Chart.yaml" not in files:
            raise InputError("there is no Chart.yaml", place=place, remedy="name a chart: a folder, or a .tgz")
        about = read_values(told, files["Chart.yaml"], layer="chart", helm=helm).plain()
        name = about.get("name")
        if not isinstance(name, str) or not name:
            raise InputError("the chart has no name", place=told, remedy="write `name:` in it")
        self.name = name
        self.version = str(about.get("version") or "")
        listed = about.get("dependencies")
        if "requirements.yaml" in files:  # Helm warns where Chart.yaml could have them, and takes these
            older = os.path.join(place, "requirements.yaml")
            listed = (
                read_values(older, files["requirements.yaml"], layer="chart", helm=helm).plain().get("dependencies")
            )
        self.requirements: list[dict[str, Any]] = [each for each in listed or () if isinstance(each, dict)]
        self.values = Map(Origin(self.file, 1, "chart"))
        if "values.yaml" in files:
            self.values = read_values(self.file, files["values.yaml"], layer="chart", helm=helm, notes=notes)
        self.dependencies = [
            Chart(os.path.join(place, "charts", folder), below, helm, notes)
            for folder, below in _subcharts(place, files)
        ]
        there = {child.name for child in self.dependencies}
        notes += [
            f"{told}: the dependency {name} is not in charts/, and its values are not here: helm dependency build"
            for name in dict.fromkeys(each.get("name") for each in self.requirements)
            if name not in there
        ]

    def called(self, name: str) -> "Chart":
        """The same chart under another name."""
        made: Chart = Chart.__new__(Chart)
        made.__dict__.update(self.__dict__, name=name, dependencies=[*self.dependencies])
        return made


def read_chart(name: str, helm: int, notes: list[str]) -> Chart:
    """The chart in a folder or a .tgz file. Raises InputError."""
    try:
        if os.path.isdir(name):
            return Chart(name, _folder(name), helm, notes)
        with open(name, "rb") as source:
            return Chart(name, _archive(name, source.read()), helm, notes)
    except OSError as problem:
        raise InputError(
            f"the chart cannot be read: {problem.strerror}",
            place=problem.filename or name,
            remedy="name its folder, or a .tgz that `helm pull` has fetched",
        ) from None


def is_chart(name: str) -> bool:
    """Whether a word of a call names a chart."""
    return os.path.isfile(os.path.join(name, "Chart.yaml")) or (name.endswith(".tgz") and os.path.isfile(name))


def _wanted(name: str) -> bool:
    parts = name.split("/")
    while len(parts) > 2 and parts[0] == "charts":
        parts = parts[2:]
    tgz = len(parts) == 2 and parts[0] == "charts" and parts[1].endswith(".tgz")
    return tgz or parts[0] == "files" or parts in (["Chart.yaml"], ["values.yaml"], ["requirements.yaml"])


def _folder(name: str) -> dict[str, bytes]:
    found = {}
    for each, _, names in os.walk(name, followlinks=True):
        for file in names:
            path = Path(each, file)
            inside = path.relative_to(name).as_posix()
            if _wanted(inside):
                found[inside] = path.read_bytes()
    return found


def _archive(name: str, data: bytes) -> dict[str, bytes]:
    """The files of a .tgz, each without the folder that holds all."""
    import io
    import tarfile

    found = {}
    left = _MOST
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                inside = member.name.removeprefix("./").partition("/")[2]
                if not member.isfile() or not _wanted(inside):
                    continue
                left -= member.size
                source = archive.extractfile(member)
                if left < 0 or source is None:
                    raise InputError("the archive is too large", place=name, remedy="unpack it, and name the folder")
                found[inside] = source.read()
    except (tarfile.TarError, EOFError, OSError):
        raise InputError("not an archive of a chart", place=name, remedy="name a chart: a folder, or a .tgz") from None
    return found


def _subcharts(place: str, files: "Mapping[str, bytes]") -> "list[tuple[str, dict[str, bytes]]]":
    """Folder or archive and files of everything in charts/ that Helm takes for a chart, by name."""
    found: dict[str, dict[str, bytes]] = {}
    for path, data in files.items():
        parts = path.split("/", 2)
        if parts[0] != "charts" or parts[1][:1] in "_.":
            continue
        if len(parts) == 3:
            found.setdefault(parts[1], {})[parts[2]] = data
        elif parts[1].endswith(".tgz"):
            found[parts[1]] = _archive(os.path.join(place, path), data)
    return sorted(found.items())
