"""kubectl as a child process: it finds the cluster and its credentials, and here it only reads.

It is the user's own, found on PATH or named by KUBECTL, so that every way to log in that works there works here. Only
``config view``, ``api-resources`` and ``get`` are asked of it.
"""

import os
import subprocess
import time

from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

REQUEST_SECONDS = 30  # of one request to the API server
TOTAL_SECONDS = 180  # of all calls together
# What kubectl itself says; other lines can be a credential plugin's, and are not repeated.
_OWN = ("Error from server", "Error in configuration", "error: ", "The connection to the server", "Unable to connect")
_UNREACHED = (
    "Error in configuration",
    "error: You must be logged in",
    "The connection to the server",
    "Unable to connect",
)
_REFUSED = "Error from server (Forbidden): "
_SHOWN = 300


class Kubectl:
    """kubectl with the options that choose the cluster (both may be empty: it chooses)."""

    def __init__(self, kubeconfig: str = "", context: str = "") -> None:
        """Raises InputError where there is no kubectl."""
        import shutil

        named = os.environ.get("KUBECTL") or "kubectl"
        program = shutil.which(named)
        if program is None:
            raise InputError(
                f"there is no program {named}, by which --live reads the cluster",
                remedy="install kubectl so that it is on PATH, or name it: KUBECTL=/path/to/kubectl",
            )
        self._command = [program]
        if kubeconfig:
            self._command.append(f"--kubeconfig={kubeconfig}")
        if context:
            self._command.append(f"--context={context}")
        self._deadline = time.monotonic() + TOTAL_SECONDS

    def ask(self, *arguments: str) -> "tuple[int, bytes, str]":
        """(exit code, standard output, standard error) of a call. Raises InputError where it takes too long."""
        left = self._deadline - time.monotonic()
        what = f"kubectl {arguments[0]} "
        try:
            done = subprocess.run(  # noqa: S603 - the user's own kubectl, and no shell
                [*self._command, *arguments, f"--request-timeout={REQUEST_SECONDS}s"],
                env={**os.environ, "KUBERC": "off"},  # no defaults of the user's: what comes out is read here
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=max(left, 0.1),
            )
        except subprocess.TimeoutExpired:
            raise InputError(
                f"the cluster took too long to read: {what}was ended, {TOTAL_SECONDS} s after the start",
                remedy="try again; or read it once, and name the file: kubectl get ... -A -o yaml, --context FILE",
            ) from None
        except OSError as problem:
            raise InputError(
                f"{self._command[0]} cannot be run: {problem.strerror}", remedy="name another kubectl by KUBECTL"
            ) from None
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def told(stderr: str) -> str:
    """The last that kubectl itself said of an error, in one line; without a user's name or password in an address."""
    lines = [line.strip() for line in stderr.splitlines() if line.startswith(_OWN)]
    if not lines:
        return "kubectl failed and did not say why"
    return without_credentials(lines[-1])[:_SHOWN]


def without_credentials(text: str) -> str:
    """A text whose addresses have neither user nor password."""
    import re

    return re.sub(r"(\w://)[^/\s@\"']*@", r"\1", text)


def unreadable(said: str, cluster: str, names: "Sequence[str]" = ()) -> InputError:
    """The error where a cluster could not be read, at all or some kinds of it."""
    what = f" ({', '.join(names)})" if names else ""
    return InputError(
        f"the cluster cannot be read{what}: {said}",
        place=cluster,
        remedy="`kubectl get services -A` must work: see KUBECONFIG, --kubeconfig, --kube-context, and docs/live.md "
        "for what is read",
    )


def forbidden(stderr: str) -> set[str]:
    """The resources that kubectl was refused, each by its name for kubectl: ``gateways.networking.istio.io``."""
    found = set()
    for line in stderr.splitlines():
        _, refused, rest = line.partition(' resource "')
        if refused and line.startswith(_REFUSED):
            name, _, rest = rest.partition('" in API group "')
            group = rest.partition('"')[0]
            found.add(f"{name}.{group}" if group else name)
    return found


def refused_only(stderr: str) -> bool:
    """Whether all that kubectl failed at is what it may not read, and it said what that is."""
    said = [line for line in stderr.splitlines() if line.startswith(_OWN)]
    return bool(said) and all(line.startswith(_REFUSED) and ' resource "' in line for line in said)


def is_out_of_reach(stderr: str) -> bool:
    """Whether kubectl failed at the cluster as a whole, or did not say at what."""
    said = [line for line in stderr.splitlines() if line.startswith(_OWN)]
    return not said or any(line.startswith(_UNREACHED) for line in said)
