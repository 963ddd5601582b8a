"""Who installed the first version of the chart keeps values and objects: none is made anew under another name."""

import pytest

from tests.cluster.releases import Releases

FIRST = "install ml-mesh tests/cluster/first_chart --namespace ml-mesh --create-namespace"
VALUES = "tests/cluster/first_chart/values-of-then.yaml"
UPGRADE = f"upgrade ml-mesh chart/ -f {VALUES} --post-renderer mlmesh-post --namespace ml-mesh"


def _uids(releases: Releases) -> dict[str, str]:
    """The unique id of every object of the chart: it changes where one is deleted and made again."""
    return {
        f"{each['kind']} {each['metadata'].get('namespace', '')}/{each['metadata']['name']}": each["metadata"]["uid"]
        for each in releases.objects()
    }


@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_an_upgrade_from_the_first_chart_keeps_every_object(releases: Releases, helm: str) -> None:
    """With the values of then each object is the same by name and id; only a Job, which cannot change, is new."""
    releases.ok(helm, FIRST)
    before = _uids(releases)
    assert len(before) == 29
    releases.ok(helm, UPGRADE)
    after = _uids(releases)
    gone = {name for name, uid in before.items() if after.get(name) != uid}
    assert {name.partition(" ")[0] for name in gone} <= {"Job"}, gone
