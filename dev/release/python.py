"""The wheel and the source archive: from the same commit the same bytes, whoever makes them and when."""

import gzip
import os
import sys
import tarfile
from pathlib import Path

from dev.progress import run_step


def make(sources: Path, out: Path, epoch: int) -> list[Path]:
    """Write both to `out`, the wheel built from the source archive; the paths are returned, the wheel's first.

    The build backend is the locked one, of this environment. StepError where the build fails.
    """
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(sources)]
    run_step("building the wheel and the source archive", command, env=environment)
    (wheel,) = out.glob("*.whl")
    (archive,) = out.glob("*.tar.gz")
    _normalise(archive, epoch)
    return [wheel, archive]


def _normalise(archive: Path, epoch: int) -> None:
    """Write the archive anew: setuptools takes times, users and modes of a source archive from the build machine."""
    with tarfile.open(archive) as old:
        members = sorted(old.getmembers(), key=lambda member: member.name)
        contents = {member.name: old.extractfile(member) for member in members}
        unfinished = archive.with_suffix(".new")
        with (
            unfinished.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=epoch) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
        ):
            for member in members:
                member.mtime, member.pax_headers = epoch, {}
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                new.addfile(member, contents[member.name])
    unfinished.replace(archive)
