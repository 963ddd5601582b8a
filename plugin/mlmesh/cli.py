"""``mlmesh``: what a person asks of the post-renderer, by click."""

from contextlib import suppress

import click
import jsonpatch

from mlmesh import __version__
from mlmesh.commands import argocd, check, diff, render, rules, values
from mlmesh.commands import policy as policies
from mlmesh.commands.group import Commands
from mlmesh.files import read_files, read_input
from mlmesh.manifests import stream as manifests
from mlmesh.model.errors import INPUT, INTERRUPTED, DefectError, InputError, MlmeshError, defect
from mlmesh.options import CONTEXT, NAMESPACE, POLICY
from mlmesh.post_help import click_option
from mlmesh.post_renderer import Result, post_render
from mlmesh.reports import machine, text
from mlmesh.reports.plan import plan_text
from mlmesh.sidecars.cost import cost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.model.patches import Operation


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlmesh")
def mlmesh() -> None:
    """Ask what mlmesh-post does to a release, and why, and hold manifests against its invariants.

    \b
      helm template ml-mesh chart/ | mlmesh plan
      helm template ml-mesh chart/ | mlmesh routes
      mlmesh endpoints --match /v1/chat/completions
      helm template ml-mesh chart/ | mlmesh check --post-render
      mlmesh render ml-mesh chart/ >manifests.yaml
      mlmesh rules MLM101
      mlmesh values explain chart/ -f values/prod.yaml policy
      mlmesh diff values/staging.yaml values/prod.yaml
    """


def _format(*more: str) -> click.Parameter:
    return click.Option(
        ["--format", "form"], type=click.Choice(["text", "json", *more]), default="text", show_default=True
    )


def _of_a_release(*formats: str) -> list[click.Parameter]:
    """What a command that post-renders a release takes."""
    source = click.Argument(["source"], metavar="[FILE|-]", default="-")
    return [source, click_option(POLICY), click_option(CONTEXT), click_option(NAMESPACE), _format(*formats)]


def _post_rendered(source: str, policy: tuple[str, ...], context: tuple[str, ...], namespace: str | None) -> Result:
    return post_render(
        read_input(source),
        read_files(policy, POLICY),
        context=read_files(context, CONTEXT),
        namespace=namespace or "",
    )


PLAN_HELP = """\
Show every pod with its role, and every change that the post-renderer would make, with its reason and its RFC 6902
operations.

\b
  helm template ml-mesh chart/ | mlmesh plan
  mlmesh plan manifests.yaml --format json
  mlmesh plan manifests.yaml --format kustomize > kustomization.yaml

The last one is for hosts that build with kustomize and run no program, such as Flux, Fleet and Sveltos: kustomize then
gives what mlmesh-post gives. The patches fit the manifests that they were made of, so make them anew with each change.
Exit code 0 whatever the findings are: ask `mlmesh check --post-render` first.
"""


def _plan(source: str, policy: tuple[str, ...], context: tuple[str, ...], namespace: str | None, form: str) -> None:
    result = _post_rendered(source, policy, context, namespace)
    after = manifests.read(b"".join(result.output))
    _replay(result, after)
    if form == "kustomize":
        from mlmesh.commands.kustomize import kustomization

        file = "" if source == "-" else source
        click.echo(kustomization(result.stream.documents, result.patches, file), nl=False)
        return
    write = machine.plan_json if form == "json" else plan_text
    click.echo(write(result.pods, result.patches, cost(result.pods, after)), nl=False)


def _replay(result: Result, after: manifests.Stream) -> None:
    """Hold the plan to its word: jsonpatch, on what came in, must give what would go out."""
    operations: dict[int, list[Operation]] = {}
    for patch in result.patches:
        operations.setdefault(patch.document, []).extend(patch.operations)
    for index, changes in operations.items():
        before = result.stream.documents[index]
        if jsonpatch.apply_patch(before.data, changes) != after.documents[index].data:
            raise DefectError("the plan, replayed by jsonpatch, does not give the output", place=before.place)


mlmesh.add_command(click.Command("plan", callback=_plan, params=_of_a_release("kustomize"), help=PLAN_HELP))


ROUTES_HELP = """\
Show what every route of a release serves, which timeouts and retries it has and where each number is from, and the
worst that can happen to a request.

\b
  helm template ml-mesh chart/ | mlmesh routes
  mlmesh routes manifests.yaml --policy policy.yaml        with the objectives of a policy
  mlmesh routes manifests.yaml --context cluster.yaml      with the pods and Services of other releases
  mlmesh routes manifests.yaml --format json

The routes are shown as the post-renderer leaves them. What a rule serves is told by the annotation mlmesh.dev/endpoint
on the route, by its paths, or by its backends: their annotation, a component of the policy, their pods' image and
command. A worst case counts the proxies on the way, and the tries of OpenAI's and Anthropic's SDKs, which ask 3 times.
Exit code 0 whatever the findings are.
"""


def _routes(source: str, policy: tuple[str, ...], context: tuple[str, ...], namespace: str | None, form: str) -> None:
    from mlmesh.endpoints.account import accounts
    from mlmesh.reports.routes import routes_json, routes_text

    result = _post_rendered(source, policy, context, namespace)
    found = list(accounts(result.graph, result.patches))
    if form == "json":
        click.echo(routes_json(found), nl=False)
    else:
        click.echo(routes_text(found) if found else "no route that has requests\n", nl=False)


mlmesh.add_command(
    click.Command(
        "routes",
        callback=_routes,
        params=_of_a_release(),
        help=ROUTES_HELP,
    )
)


ENDPOINTS_HELP = """\
List the types of endpoint that routes are known by, each with the timeout and retries that a route of it gets, or say
which types one request's path has.

\b
  mlmesh endpoints                                                    all types
  mlmesh endpoints --match /openai/v1/chat/completions                the longest known end of the path decides
  mlmesh endpoints --match /v1/batches --method GET                   reading a job is not making one
  mlmesh endpoints --grpc --match inference.GRPCInferenceService/ModelInfer

A path that no type is known of is no error: nothing is derived for it. A request's path is the input here; how a
route's prefix or regular expression is read is in docs/endpoints.md. A policy changes a type's block under
endpoints.types.TYPE.
"""


def _endpoints(match: str | None, *, grpc: bool, method: str | None, form: str) -> None:
    from mlmesh.endpoints import listing

    if match is None:
        if grpc or method:
            raise InputError("--grpc and --method say how a path is asked for", remedy="name the path with --match")
        click.echo(listing.types_json() if form == "json" else listing.types_text(), nl=False)
        return
    told = listing.look_up(match, grpc=grpc, method=(method or "").upper())
    write = listing.match_json if form == "json" else listing.match_text
    click.echo(write(match, told), nl=False)


mlmesh.add_command(
    click.Command(
        "endpoints",
        callback=_endpoints,
        params=[
            click.Option(["--match"], metavar="PATH", help="A request's path, or with --grpc a method or a service."),
            click.Option(["--grpc"], is_flag=True, help="PATH is package.Service/Method, or package.Service for all."),
            click.Option(["--method"], metavar="METHOD", help="The request's HTTP method; any where it is left out."),
            _format(),
        ],
        help=ENDPOINTS_HELP,
    )
)


mlmesh.add_command(check.COMMAND)
mlmesh.add_command(render.COMMAND)
mlmesh.add_command(argocd.COMMAND)
mlmesh.add_command(policies.COMMAND)
mlmesh.add_command(rules.COMMAND)
mlmesh.add_command(values.COMMAND)
mlmesh.add_command(diff.COMMAND)


def main() -> None:
    """The console script; errors leave as one message and an exit code."""
    try:
        code = mlmesh.main(prog_name="mlmesh", standalone_mode=False)
    except click.ClickException as error:  # a call that is wrong, in click's words
        with suppress(OSError):
            error.show()
        code = INPUT
    except click.Abort:
        code = INTERRUPTED
    except Exception as error:  # the last boundary: without it Python would print a traceback
        ours = error if isinstance(error, MlmeshError) else defect(error)
        with suppress(OSError):  # where standard error is full, too, the exit code tells
            click.echo(text.error_text(ours, refused=False), err=True, nl=False)
        code = ours.exit_code
    raise SystemExit(code or 0)
