"""``mlmesh argocd``: what deploy/argocd/plugin.yaml has Argo CD's plugin server run, in an application's folder."""

import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from mlmesh.commands.app_source import AppSource, chart_dependencies
from mlmesh.commands.render import helm, render
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

HELP = """\
The commands of a Config Management Plugin, for Argo CD, which takes no post-renderer. deploy/argocd/plugin.yaml calls
them; docs/hosts/argocd.md says how it is installed. They read what Argo CD tells a plugin (ARGOCD_APP_NAME, ...).
"""
INIT_HELP = """\
Fetch the chart's dependencies, if one is missing in charts/. Repositories that Helm does not know yet are made known.
"""
GENERATE_HELP = """\
Print the application's manifests: the chart of the folder, rendered as Argo CD would, and post-rendered. Nothing is
printed if anything fails, or if there is no object. The post-renderer's settings are in the sidecar's environment, or
in the Application's spec.source.plugin.env: MLMESH_POLICY, MLMESH_CONTEXT, MLMESH_BASELINE, MLMESH_WARN_ONLY.
"""


def _init() -> None:
    _heed_the_limit()
    wanted = chart_dependencies(Path())
    if all(_is_there(each) for each in wanted):
        return
    known = _known_repositories()
    for url in sorted({str(each.get("repository") or "") for each in wanted} - known):
        if url.startswith(("https://", "http://")):
            name = "mlmesh-" + hashlib.sha256(url.encode()).hexdigest()[:12]
            helm(["repo", "add", name, url], os.environ)
    helm(["dependency", "build", "."], os.environ)


def _is_there(dependency: "dict[str, object]") -> bool:
    """Whether charts/ has it, as a folder or an archive. Which version, Helm holds against Chart.yaml."""
    charts = Path("charts")
    name = str(dependency.get("name"))
    return (charts / name / "Chart.yaml").is_file() or any(charts.glob(f"{name}-[0-9v]*.tgz"))


def _known_repositories() -> set[str]:
    listed = subprocess.run(["helm", "repo", "list", "--output=json"], capture_output=True, check=False)  # noqa: S607
    try:
        return {each["url"] for each in json.loads(listed.stdout or b"[]")}
    except (ValueError, TypeError, KeyError):
        return set()


def _generate() -> None:
    _heed_the_limit()
    source = AppSource(os.environ, Path())
    with TemporaryDirectory() as folder:
        arguments = source.arguments(Path(folder) / "values.yaml")
        click.get_current_context().exit(render(arguments, source.settings()))


def _heed_the_limit() -> None:
    """Say what a termination means: Argo CD shows no more than the signal's name."""

    def stop(_signal: int, _frame: "FrameType | None") -> None:
        raise InputError(
            "it was stopped before it was done: the time limit of Argo CD",
            remedy="raise ARGOCD_EXEC_TIMEOUT of the sidecar, and server.repo.server.timeout.seconds and "
            "controller.repo.server.timeout.seconds in argocd-cmd-params-cm",
        )

    signal.signal(signal.SIGTERM, stop)


COMMAND = click.Group(
    "argocd",
    help=HELP,
    commands=[
        click.Command("init", callback=_init, help=INIT_HELP),
        click.Command("generate", callback=_generate, help=GENERATE_HELP),
    ],
)
