"""Which chart in charts/ a dependency is: Helm is the judge of ranges of versions."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dev.helm import Helm
from tests.support.probes import REFUSED, ours, seen, write_chart

RANGES = (
    *("1.2.3", "v1.2.3", "=1.2", "1", "1.x", "*", "^1.2", "^0.1.2", "^0.0", "~1.2", "~>1", ">1.2", ">=1.0.0 <2", "<=1"),
    *("!=1.2", "1.0 - 1.2", "1 || 2", "^1.0.0-0", "<1.2.3-rc.2", "= 1.2.3, <2", "1.2.3.4", "1 || latest"),
)


VERSIONS = ("0.0.3", "0.1.4", "1.0.0", "1.2.0", "1.2.3-rc.1", "1.2.3", "1.3.0+x", "2.0.0")


@pytest.mark.parametrize("wanted", RANGES)
def test_a_range_allows_the_versions_that_helm_says(helm: Callable[[str], Helm], tmp_path: Path, wanted: str) -> None:
    """A chart of a version that it does not allow keeps its own name: the alias is for another."""
    listed = [
        {"name": f"sub{at}", "alias": f"other{at}", "version": wanted, "repository": ""} for at in range(len(VERSIONS))
    ]
    chart = write_chart(tmp_path / "probe", {}, {"dependencies": listed})
    for at, version in enumerate(VERSIONS):
        write_chart(chart / "charts" / f"sub{at}", {}, {"version": version})
    assert ours(helm("helm4"), chart, []) == seen(helm("helm4"), chart) != REFUSED


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_of_two_versions_of_a_chart_each_alias_has_its_own(
    helm: Callable[[str], Helm], tmp_path: Path, name: str
) -> None:
    """As one platform has an old database and a new one."""
    listed = [
        {"name": "db", "alias": alias, "version": version, "repository": ""}
        for alias, version in (("old", "~1.2"), ("new", ">=2"))
    ]
    chart = write_chart(tmp_path / "probe", {}, {"dependencies": listed})
    for version in ("1.2.3", "2.0.0"):
        write_chart(chart / "charts" / f"db-{version}", {"is": version}, {"name": "db", "version": version})
    assert ours(helm(name), chart, []) == seen(helm(name), chart) != REFUSED
