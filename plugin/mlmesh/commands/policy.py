"""``mlmesh policy``: the settings of a release as a file for other releases, and the form that such files have."""

import json

import click

from mlmesh.files import read_files, read_input
from mlmesh.manifests import quoting
from mlmesh.model.errors import InputError
from mlmesh.options import POLICY
from mlmesh.policy.fields import SCHEMA
from mlmesh.policy.names import API_VERSION, KIND
from mlmesh.post_help import click_option
from mlmesh.post_renderer import post_render

EXPORT = """\
Write the settings that are in force for a release as a MeshPolicy, for other charts of the same platform: those of its
stream, or of the ConfigMap that it left in the cluster, with --policy files laid over them.

\b
  helm template ml-mesh chart/ | mlmesh policy export > platform.yaml
  kubectl get configmap -n ml-mesh ml-mesh-mesh-policy -o yaml | mlmesh policy export > platform.yaml
  helm install theirs ./their-chart --post-renderer mlmesh-post --post-renderer-args --policy=platform.yaml

Built-in defaults are left out: each version of mlmesh brings its own. So are the release's name and namespace, which
are not those of the others. What is written, exported again, is the same.

Exit codes: 0, or 2 where there is no policy, or a wrong one.
"""

SCHEMA_HELP = """\
Print the JSON Schema (2020-12) of a MeshPolicy, for editors and for pipelines.

\b
  mlmesh policy schema > meshpolicy.schema.json

Four formats in it are mlmesh's own: duration, positive-duration, quantity and retry-on; a validator that does not know
them takes any text there.
"""


def _export(source: str, policy: tuple[str, ...]) -> None:
    found = post_render(read_input(source), read_files(policy)).graph.policy
    if found.carrier is None and not policy:
        raise InputError(
            "there is no policy in it",
            place="standard input" if source == "-" else source,
            remedy="give a rendered stream of the chart ml-mesh, or the ConfigMap RELEASE-mesh-policy of its namespace",
        )
    spec = {key: value for key, value in found.carried.items() if key != "release"}
    name = found.carrier.name if found.carrier else "mesh-policy"
    exported = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
    click.echo(quoting.block(exported, 0, "\n"))


def _schema() -> None:
    click.echo(json.dumps(SCHEMA, indent=2, ensure_ascii=False))


COMMAND = click.Group(
    "policy",
    help="The settings of a release as a file for other releases, and the form that such files have.",
    commands=[
        click.Command(
            "export",
            callback=_export,
            params=[click.Argument(["source"], metavar="[FILE|-]", default="-"), click_option(POLICY)],
            help=EXPORT,
        ),
        click.Command("schema", callback=_schema, help=SCHEMA_HELP),
    ],
)
