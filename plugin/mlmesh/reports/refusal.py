"""A refusal as an object, for hosts that apply what a post-renderer prints and look at no exit code.

Its kind is one that no cluster knows, so the API server refuses it: a pipe without ``pipefail`` fails at its end.
"""

from mlmesh.reports.helm4 import block_scalar


def refusal(about: str, exit_code: int, message: str) -> bytes:
    """The object. ``about`` is a name as Kubernetes has them, which kubectl shows; ``message`` has every finding."""
    told = block_scalar(message).decode().replace("\n  ", "\n    ")
    return (
        f"apiVersion: mlmesh.dev/v1alpha1\nkind: Refusal\nmetadata:\n  name: {about}\n"
        f"spec:\n  exitCode: {exit_code}\n  message: {told}"
    ).encode()
