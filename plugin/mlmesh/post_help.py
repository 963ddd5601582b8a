"""Help and usage errors of ``mlmesh-post``, by click: loaded only when one of them is needed."""

import click

from mlmesh import __version__
from mlmesh.model.errors import InputError
from mlmesh.options import POST_OPTIONS, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT = """\
Post-render Kubernetes manifests for an Istio mesh: standard input to standard output.

Gives every pod the sidecar size of its role, derives timeout and retries of LLM routes from their endpoint type, and
passes nothing on if an invariant is broken.

\b
  helm install ml-mesh chart/ --post-renderer mlmesh-post
  helm template ml-mesh chart/ | mlmesh-post --report-format json --report findings.json >out.yaml

With Helm 4 install the plugin once: helm plugin install plugin/mlmesh-post.
"""
EPILOG = """\
\b
Exit codes:
  0    the manifests were passed on (warnings go to standard error and the report)
  1    an invariant is broken: nothing was written
  2    the manifests, the policy or the call is wrong: nothing was written
  3    a defect of mlmesh: nothing was written
  130  interrupted, as by Ctrl-C: nothing was written
  141  the reader of standard output went away

Hosts that pass no arguments set the variables. `mlmesh plan` shows what would change, and why.
"""


HELP = ["-h", "--help"]


def click_option(option: Option, *, name: str = "", default: str | None = None) -> click.Option:
    """The option as click has it; ``name`` is the parameter's, where that is not the flag's."""
    names = [option.flag, name] if name else [option.flag]
    if not option.metavar:
        return click.Option(names, is_flag=True, help=option.help, envvar=option.variable, show_envvar=True)
    return click.Option(
        names,
        metavar=option.metavar if not option.choices else None,
        multiple=option.multiple,
        type=click.Choice(option.choices) if option.choices else click.Path() if option.multiple else None,
        default=default,
        show_default=default is not None,
        help=option.help,
        envvar=option.variable,
        show_envvar=True,
    )


def answer(arguments: "Sequence[str]") -> str:
    """The text of ``--help`` or ``--version``. Raises InputError, in click's words, for a call that is wrong."""
    version = click.Option(["--version"], is_flag=True, help="Show the version and exit.")
    command = click.Command(
        "mlmesh-post",
        params=[*map(click_option, POST_OPTIONS), version],
        help=TEXT,
        epilog=EPILOG,
        context_settings={"help_option_names": HELP},
    )
    if "--version" in arguments:
        return f"mlmesh-post {__version__}\n"
    asked = any(item in HELP for item in arguments)  # then nothing is wrong, in a variable either
    rest = [item for item in arguments if item not in HELP]
    try:
        context = command.make_context("mlmesh-post", rest, resilient_parsing=asked)
    except click.UsageError as error:
        raise InputError(error.format_message(), remedy="see mlmesh-post --help") from None
    if not asked:
        raise InputError("the call cannot be read", remedy="see mlmesh-post --help")
    return command.get_help(context) + "\n"
