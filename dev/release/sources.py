"""The files of a commit, and its time: what a release is made of, and nothing that merely lies in the work tree."""

import io
import subprocess
import tarfile
from pathlib import Path

from dev.progress import StepError, say
from dev.toolchain import ROOT


def commit_time(root: Path = ROOT) -> int:
    """Seconds since 1970 at which the commit was made: the time of every file in an archive (SOURCE_DATE_EPOCH)."""
    return int(_git(root, "log", "-1", "--format=%ct"))


def unpack_commit(target: Path, root: Path = ROOT) -> None:
    """Write the files of HEAD to the new folder `target`; says so where the work tree holds something else."""
    if _git(root, "status", "--porcelain", "--untracked-files=no"):
        say("the work tree has changes that are not committed: they are not packed")
    # Modes by a umask that is written here, not by the one of this user's git.
    archive = _git(root, "-c", "tar.umask=0022", "archive", "--format=tar", "HEAD")
    target.mkdir()
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(target, filter="tar")


def _git(root: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    if done.returncode:
        raise StepError(
            f"git {' '.join(arguments)} failed: a release is made from a git checkout\n{done.stderr.decode()}"
        )
    return done.stdout
