"""The OpenPGP key of a release: Helm signs chart and plugin with it, GnuPG the list of checksums."""

import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from dev.progress import StepError


class Key(NamedTuple):
    """A key by (part of) its user ID, in a file of secret keys as `gpg --export-secret-keys` writes it.

    `passphrase_file` is None for a key without a passphrase.
    """

    name: str
    keyring: Path
    passphrase_file: Path | None

    def for_helm(self) -> list[str]:
        """The options with which `helm package --sign` and `helm plugin package` take the key."""
        passphrase = ["--passphrase-file", str(self.passphrase_file)] if self.passphrase_file else []
        return ["--key", self.name, "--keyring", str(self.keyring), *passphrase]


def sign(file: Path, key: Key, public: Path) -> Path:
    """Sign a file: FILE.asc beside it, which is returned; the key's public half goes to `public`, as Helm reads it.

    GnuPG works in a home of its own, which is deleted: the user's keys are neither seen nor touched.
    """
    signature = file.with_name(f"{file.name}.asc")
    with tempfile.TemporaryDirectory(prefix="mlmesh-") as home:  # short: the agent's socket lies in it
        try:
            gpg = ["gpg", "--homedir", home, "--batch", "--yes", "--quiet", "--no-tty", "--pinentry-mode", "loopback"]
            gpg += ["--passphrase-file", str(key.passphrase_file)] if key.passphrase_file else ["--passphrase", ""]
            _run([*gpg, "--import", str(key.keyring)])
            _run([*gpg, "--output", str(public), "--export", key.name])
            user = ["--local-user", key.name, "--armor", "--output", str(signature)]
            _run([*gpg, *user, "--detach-sign", str(file)])
        finally:
            # Without a word of this the agent stays, to hold passphrases that nobody asks for any more.
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True, check=False)
    return signature


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise StepError("there is no gpg: install GnuPG, or make archives without signatures (--unsigned)") from None
    if done.returncode:
        raise StepError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
