"""Two teams in one API server, each with a ServiceAccount that has rights in its own namespace alone."""

from collections.abc import Callable

import pytest
import yaml

from dev.toolchain import ROOT
from tests.chart.charts import documents, kinds
from tests.cluster.releases import Releases

TEAMS = ("search", "ads")
INSTALL = "install {0} chart/ -n {0} --set scope=team,profile=demo --post-renderer mlmesh-post"
UPGRADE = "upgrade {0} chart/ -n {0} --set scope=team,profile=demo --post-renderer mlmesh-post"


@pytest.fixture
def teams(releases: Releases) -> Releases:
    """The namespaces of both teams, with the Role of docs/teams.md for a ServiceAccount `deployer` in each."""
    role = (ROOT / "docs" / "teams.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    for team in TEAMS:
        for command, stdin in (
            (f"create namespace {team}", ""),
            (f"apply -n {team} -f -", role),
            (f"create serviceaccount -n {team} deployer", ""),
            (f"create rolebinding -n {team} deployer --role ml-mesh-team --serviceaccount {team}:deployer", ""),
        ):
            done = releases.cluster.kubectl(*command.split(), stdin=stdin)
            assert done.returncode == 0, done.stderr
    return releases


def _as(team: str) -> str:
    return f" --kube-as-user system:serviceaccount:{team}:deployer"


def _of(teams: Releases, team: str) -> Callable[[], dict[str, int]]:
    return lambda: {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"].get("generation", 0)
        for item in teams.objects()
        if item["metadata"].get("namespace") == team
    }


@pytest.mark.parametrize(("one", "other"), [("helm3", "helm4"), ("helm4", "helm3")])
def test_teams_live_beside_each_other(teams: Releases, one: str, other: str) -> None:
    """Both install, upgrade, roll back and uninstall with rights in their own namespace, and touch nothing else."""
    ours, theirs = _of(teams, "search"), _of(teams, "ads")
    teams.ok(one, INSTALL.format("search") + _as("search"))
    teams.ok(other, INSTALL.format("ads") + _as("ads"))
    first, kept = ours(), theirs()
    assert len(first) == len(kept) > 20
    # Nothing of the cluster, and nothing in a third namespace.
    assert {item["metadata"].get("namespace") for item in teams.objects()} == set(TEAMS)

    teams.ok(one, UPGRADE.format("search") + " --set scopes.enabled=true" + _as("search"))
    assert ours().keys() - first.keys() >= {"Sidecar/search-inference-service"}
    teams.ok(one, "rollback search 1 -n search" + _as("search"))
    assert ours().keys() == first.keys()
    assert theirs() == kept

    # `helm test` makes a Role and a RoleBinding, which nobody may who has not the rights in it.
    hooks = documents(teams.ok(one, "get hooks search -n search" + _as("search")))
    rights = [each for kind in ("ServiceAccount", "Role", "RoleBinding") for each in kinds(hooks, kind)]
    user = "--as=system:serviceaccount:search:deployer"
    for verb, objects in (("create", rights), ("create --dry-run=server", kinds(hooks, "Pod")), ("delete", rights)):
        assert objects
        done = teams.cluster.kubectl(*verb.split(), user, "-f", "-", stdin=yaml.safe_dump_all(objects))
        assert done.returncode == 0, done.stderr

    for command in (
        INSTALL.replace("-n {0}", "-n ads").format("intruder"),
        UPGRADE.format("ads"),
        "uninstall ads -n ads",
        "rollback ads 1 -n ads",
        "get manifest ads -n ads",
        # The platform's release needs the rights of the platform's owner.
        "install platform chart/ -n search --post-renderer mlmesh-post",
    ):
        assert "forbidden" in teams.refused(one, command + _as("search"))
    assert theirs() == kept
    assert {item["metadata"].get("namespace") for item in teams.objects()} == set(TEAMS)

    teams.ok(one, "uninstall search -n search" + _as("search"))
    assert ours() == {}
    assert theirs() == kept
    teams.ok(other, "uninstall ads -n ads" + _as("ads"))
