"""``mlmesh``: what a person asks of the post-renderer, by click."""

import click
import jsonpatch

from mlmesh import __version__
from mlmesh.files import read_input, read_policies
from mlmesh.manifests import stream as manifests
from mlmesh.model.errors import DefectError, MlmeshError, defect
from mlmesh.options import NAMESPACE, POLICY
from mlmesh.post_help import click_option
from mlmesh.post_renderer import Result, post_render
from mlmesh.reports import machine, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.model.patches import Operation


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlmesh")
def mlmesh() -> None:
    """Ask what mlmesh-post does to a release, and why.

    \b
      helm template ml-mesh chart/ | mlmesh plan
    """


def _plan(source: str, policy: tuple[str, ...], namespace: str | None, form: str) -> None:
    result = post_render(read_input(source), read_policies(policy), namespace=namespace or "")
    _replay(result)
    if form == "json":
        click.echo(machine.plan_json(result.pods, result.patches), nl=False)
    else:
        click.echo(text.plan_text(result.pods, result.patches), nl=False)


def _replay(result: Result) -> None:
    """Hold the plan to its word: jsonpatch, on what came in, must give what would go out."""
    after = manifests.read(b"".join(result.output))
    operations: dict[int, list[Operation]] = {}
    for patch in result.patches:
        operations.setdefault(patch.document, []).extend(patch.operations)
    for index, changes in operations.items():
        before = result.stream.documents[index]
        if jsonpatch.apply_patch(before.data, changes) != after.documents[index].data:
            raise DefectError("the plan, replayed by jsonpatch, does not give the output", place=before.place)


mlmesh.add_command(
    click.Command(
        "plan",
        callback=_plan,
        params=[
            click.Argument(["source"], metavar="[FILE|-]", default="-"),
            click_option(POLICY),
            click_option(NAMESPACE),
            click.Option(["--format", "form"], type=click.Choice(["text", "json"]), default="text", show_default=True),
        ],
        help="Show every pod with its role, and every change that the post-renderer would make, with its reason and "
        "its RFC 6902 operations. Exit code 0 whatever the findings are.",
    )
)


def main() -> None:
    """The console script; errors leave as one message and an exit code."""
    try:
        mlmesh.main(prog_name="mlmesh")
    except Exception as error:  # the last boundary: without it Python would print a traceback
        ours = error if isinstance(error, MlmeshError) else defect(error)
        click.echo(text.error_text(ours), err=True, nl=False)
        raise SystemExit(ours.exit_code) from None
