"""``mlmesh render``: a chart rendered by Helm and post-rendered, all of it or nothing."""

import os
import subprocess
import sys

import click

from mlmesh.manifests.objects import objects
from mlmesh.manifests.stream import read
from mlmesh.model.errors import InputError
from mlmesh.options import NAMESPACE
from mlmesh.post_help import HELP as HELP_FLAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HELP = """\
Render a chart with `helm template` and post-render it, for hosts that take manifests and no post-renderer. All
arguments are those of `helm template`, of the Helm that is on PATH, 3 or 4:

\b
  mlmesh render ml-mesh chart/ --values prod.yaml --namespace ml-mesh >manifests.yaml

Nothing is printed unless both went well and there is an object: a pipe would have lost Helm's failure, and hosts that
prune take empty manifests for an order to delete everything. Hooks are post-rendered, too. The post-renderer's own
options are variables: MLMESH_POLICY, MLMESH_REPORT, ... (`mlmesh-post --help`). Its release namespace is Helm's.

\b
Exit codes:
  0    the manifests were printed (warnings are on standard error)
  1    an invariant is broken
  2    Helm refused, or rendered nothing; or the manifests, the policy or the call is wrong
  3    a defect of mlmesh
"""
POST = ("-c", "from mlmesh.post_main import main; main()")


def render(arguments: "Sequence[str]", environment: "Mapping[str, str] | None" = None) -> int:
    """Print what `helm template` makes of the arguments, post-rendered; an exit code, with nothing printed if not 0.

    ``environment`` is laid over the process's own. Raises InputError where Helm fails or nothing is rendered. What
    Helm and the post-renderer say is on standard error as they say it; the arguments, which may hold secrets, are not.
    """
    environ = {**os.environ, **(environment or {})}
    if any(each.partition("=")[0] == "--output-dir" for each in arguments):
        raise InputError(
            "--output-dir has Helm write files before they are post-rendered", remedy="send the output to a file"
        )
    stream = helm(["template", *arguments], environ)
    namespace = _namespace(arguments) or environ.get("HELM_NAMESPACE", "")
    if namespace:
        environ[NAMESPACE.variable] = namespace
    done = subprocess.run([sys.executable, *POST], input=stream, stdout=subprocess.PIPE, env=environ, check=False)  # noqa: S603
    if done.returncode:
        return done.returncode
    if not any(True for document in read(done.stdout).documents for _ in objects(document, document.data)):
        raise InputError(
            "the chart renders no object, and what applies the output could delete all that is there",
            remedy="look at the chart and its values: helm template says what is rendered",
        )
    sys.stdout.buffer.write(done.stdout)
    sys.stdout.buffer.flush()
    return 0


def helm(arguments: "Sequence[str]", environ: "Mapping[str, str]") -> bytes:
    """What the Helm on PATH prints; its standard error is ours. Raises InputError where it fails or is missing."""
    try:
        done = subprocess.run(["helm", *arguments], stdout=subprocess.PIPE, env=environ, check=False)  # noqa: S603, S607
    except OSError as problem:
        raise InputError(
            f"helm cannot be run: {problem.strerror}", remedy="put Helm 3 or Helm 4 on PATH, under the name helm"
        ) from None
    if done.returncode:
        raise InputError(f"helm {arguments[0]} failed, as it says above", remedy="mend the chart or its values")
    return done.stdout


def _namespace(arguments: "Sequence[str]") -> str:
    """The namespace that Helm's arguments name last; empty where they name none."""
    found = ""
    for index, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag in ("--namespace", "-n"):
            found = value if equals else "".join(arguments[index + 1 : index + 2])
        elif argument.startswith("-n") and not argument.startswith("--"):
            found = argument[2:].removeprefix("=")
    return found


def _command(arguments: "tuple[str, ...]") -> None:
    context = click.get_current_context()
    if not {*arguments}.isdisjoint(HELP_FLAGS):  # Helm's own would be taken for manifests
        click.echo(context.get_help())
        return
    context.exit(render(arguments))


COMMAND = click.Command(
    "render",
    callback=_command,
    params=[click.Argument(["arguments"], metavar="[NAME] CHART [HELM OPTIONS]...", nargs=-1, type=click.UNPROCESSED)],
    help=HELP,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
