"""`make dist`: makes what is released into dist/, from the commit that is checked out.

python -m dev.release --key mlmesh --keyring secret.gpg     signed, as a release is
python -m dev.release --unsigned                            without signatures, to try it

  mlmesh-VERSION-py3-none-any.whl, mlmesh-VERSION.tar.gz   the Python package; the same commit gives the same bytes
  requirements.txt                                         what it needs, locked by hash
  ml-mesh-VERSION.tgz, .prov                               the chart, and its provenance as Helm verifies it
  mlmesh-post-VERSION.tgz, .prov                           the plugin of Helm 4, and its provenance
  mlmesh-VERSION.cdx.json                                  what is in all of these (CycloneDX)
  SHA256SUMS, SHA256SUMS.asc                               the checksums of the files above, signed
  mlmesh-signing-key.gpg                                   the public key of the signatures
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dev.lock import LOCK, runtime
from dev.progress import StepError, say
from dev.release import helm, python, sbom
from dev.release.signing import Key, sign
from dev.release.sources import commit_time, unpack_commit
from dev.toolchain import ROOT
from dev.version import version

SUMS = "SHA256SUMS"
PUBLIC_KEY = "mlmesh-signing-key.gpg"


def make_dist(out: Path, key: Key | None) -> None:
    """Make everything into `out`, whose old content goes; StepError, and `out` as it was, where a step fails."""
    epoch = commit_time()
    os.umask(0o022)  # which decides on the modes in the wheel
    with tempfile.TemporaryDirectory(prefix="mlmesh-dist-") as scratch:
        sources, made = Path(scratch) / "sources", Path(scratch) / "dist"
        unpack_commit(sources)
        number = version(sources)
        made.mkdir()
        requirements = made / "requirements.txt"
        requirements.write_text(runtime((sources / LOCK.name).read_text(), (sources / "pyproject.toml").read_text()))
        archives = helm.make(sources, made, epoch, number, key)
        wheel, _ = python.make(sources, made, epoch)
        sbom.make(sources, wheel, archives, made / f"mlmesh-{number}.cdx.json", epoch)
        sums = made / SUMS
        lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(made.iterdir())]
        sums.write_text("\n".join(lines) + "\n")
        if key:
            sign(sums, key, made / PUBLIC_KEY)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made, out)


def main(arguments: Sequence[str]) -> int:
    """Make the release; 1 where that fails, which is told, 2 where it is not said how to sign it."""
    parser = argparse.ArgumentParser(
        prog="make dist", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--key", default=os.environ.get("MLMESH_SIGNING_KEY"), help="user ID of the key, or part of it")
    parser.add_argument(
        "--keyring",
        default=os.environ.get("MLMESH_SIGNING_KEYRING"),
        help="file that `gpg --export-secret-keys` wrote",
    )
    parser.add_argument(
        "--passphrase-file",
        default=os.environ.get("MLMESH_SIGNING_PASSPHRASE_FILE"),
        help="file with the key's passphrase, where it has one",
    )
    parser.add_argument("--unsigned", action="store_true", help="sign nothing, whatever key is named")
    parser.add_argument("--out", default="dist", help="the folder; its old content goes (default: dist)")
    options = parser.parse_args(arguments)
    key = None
    if not options.unsigned:
        if not (options.key and options.keyring):
            parser.error("name the key to sign with (--key, --keyring), or ask for archives without one (--unsigned)")
        passphrase = Path(options.passphrase_file).absolute() if options.passphrase_file else None
        if passphrase and passphrase.is_file() and not passphrase.stat().st_size:
            passphrase = None  # Helm takes an empty file for a passphrase that was not given
        key = Key(options.key, Path(options.keyring).absolute(), passphrase)
        for file in (key.keyring, passphrase):
            if file and not file.is_file():
                parser.error(f"there is no file {file}")
    try:
        make_dist(ROOT / options.out, key)
    except StepError as error:
        say(str(error))
        return 1
    say(f"made {options.out}/")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
