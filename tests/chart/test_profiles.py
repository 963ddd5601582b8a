"""A profile lies between the chart's defaults and the user's values: whatever the user writes holds."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.chart_values import defaults, given
from dev.helm import Helm
from dev.toolchain import ROOT
from tests.chart.charts import Render, documents, find
from tests.chart.conftest import laid_over

PROFILES = sorted(path.stem for path in (ROOT / "values").glob("*.yaml"))
HELMS = ("helm3", "helm3-min", "helm4", "helm4-min")
Place = tuple[str, ...]
Values = dict[str, Any]


def _profile(name: str) -> Values:
    loaded: Values = yaml.safe_load((ROOT / "values" / f"{name}.yaml").read_text())
    return loaded


def _leaves(node: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    if isinstance(node, dict) and node:
        for key, below in node.items():
            yield from _leaves(below, (*path, key))
    else:
        yield path, node


def _at(values: Any, path: Place, absent: Any = None) -> Any:
    for part in path:
        if not isinstance(values, dict) or part not in values:
            return absent
        values = values[part]
    return values


def _nested(leaves: dict[Place, Any]) -> Values:
    values: Values = {}
    for path, value in leaves.items():
        place = values
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = value
    return values


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with one template, which shows the values that the other templates would see."""
    chart = tmp_path_factory.mktemp("probe") / "ml-mesh"
    shutil.copytree(ROOT / "chart", chart, ignore=shutil.ignore_patterns("templates"))
    for name in ("_profiles.tpl", "zzz/profile.yaml"):
        (chart / "templates" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "chart" / "templates" / name, chart / "templates" / name)
    (chart / "templates" / "checks.yaml").write_text("")
    (chart / "templates" / "others.tpl").write_text('{{ define "ml-mesh.complete" }}{{ end }}')
    (chart / "templates" / "probe.yaml").write_text("values: {{ toJson .Values }}\n")
    return chart


@pytest.fixture(params=HELMS)
def seen(
    request: pytest.FixtureRequest, helm: Callable[[str], Helm], chart: Path, tmp_path: Path
) -> Callable[..., Values]:
    """`seen(profile, values)`: the values that templates see, with each Helm in turn."""

    def see(profile: str, values: Values | None = None, *, parent: bool = False) -> Values:
        folder, own = chart, {**(values or {}), "profile": profile}
        if parent:
            folder, own = tmp_path / "parent", {"ml-mesh": own, "global": {"region": "eu"}}
            shutil.copytree(chart, folder / "charts" / "ml-mesh")
            (folder / "Chart.yaml").write_text("{apiVersion: v2, name: parent, version: 1.0.0}")
            (folder / "values.yaml").write_text(json.dumps(own))
        file = tmp_path / "values.json"
        file.write_text(json.dumps({} if parent else own))
        # The schema would not take some of what stands in for a user's values here.
        done = helm(request.param).run("template", "x", str(folder), "--skip-schema-validation", "-f", str(file))
        assert done.returncode == 0, done.stderr
        (told,) = documents(done.stdout)
        shown: Values = told["values"]
        return shown

    return see


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_profile_changes_is_behind_a_mark(profile: str) -> None:
    """Helm sees no default of a field that a profile changes: a user who writes the same could not be told from it."""
    hidden = object()
    changed = [path for path, _ in _leaves(_profile(profile)) if _at(given(), path, hidden) not in (hidden, {})]
    assert changed == []


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_its_overlay(render: Render, profile: str) -> None:
    """Each Helm renders the same of `profile: x` as of `-f values/x.yaml`."""
    assert render("--set", f"profile={profile}") == render("-f", f"values/{profile}.yaml")


def test_two_profiles(render: Render) -> None:
    """Of two joined by +, the second is laid over the first."""
    files = ("-f", "values/staging.yaml", "-f", "values/recommended.yaml")
    assert render("--set", "profile=staging+recommended") == render(*files)
    files = ("-f", "values/dev.yaml", "-f", "values/large.yaml")
    assert render("--set", "profile=dev+large") == render(*files)
    assert render("--set", "profile=large+dev") != render(*files)


@pytest.mark.parametrize("profile", ["", *PROFILES])
def test_without_values_the_defaults_lie_under_the_profile(seen: Callable[..., Values], profile: str) -> None:
    """What no profile says is the default, those behind a mark included."""
    own = _profile(profile) if profile else {}
    assert seen(profile) == {**laid_over(defaults(), own), "profile": profile}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("written", ["default", False, 0, "", [], "own"], ids=repr)
def test_the_user_wins(seen: Callable[..., Values], profile: str, written: Any) -> None:
    """Whatever the user writes in a field of the profile holds: the default's own value, an empty one, any other."""
    paths = [path for path, _ in _leaves(_profile(profile))]
    user = {path: _at(defaults(), path, "none") if written == "default" else written for path in paths}
    shown = seen(profile, _nested(user))
    assert {path: _at(shown, path) for path in paths} == user


@pytest.mark.parametrize("profile", PROFILES)
def test_the_user_wins_in_an_umbrella(seen: Callable[..., Values], profile: str) -> None:
    """The same where the profile and the values come from a parent chart's values.yaml."""
    user = {path: _at(defaults(), path, "none") for path, _ in _leaves(_profile(profile))}
    shown = seen(profile, _nested(user), parent=True)
    assert {path: _at(shown, path) for path in user} == user


@pytest.mark.parametrize("profile", PROFILES)
def test_a_null_takes_away(seen: Callable[..., Values], profile: str) -> None:
    """A null of the user's, at any height, leaves nothing of the profile there."""
    heights = {path[:height] for path, _ in _leaves(_profile(profile)) for height in range(1, len(path) + 1)}
    for height in sorted({len(path) for path in heights}):
        paths = [path for path in heights if len(path) == height]
        shown = seen(profile, _nested(dict.fromkeys(paths)))
        left = {path: [leaf for _, leaf in _leaves(_at(shown, path)) if leaf not in (None, {})] for path in paths}
        assert not any(left.values()), left


def test_an_unknown_profile_is_refused(refusal: Callable[..., str]) -> None:
    """The message names the field, the name and the names that are known."""
    told = refusal("--set", "profile=dev+productoin")
    assert f"ERROR: profile: there is no productoin; there are {', '.join(PROFILES)}\n" in told


def test_values_yaml_names_every_profile() -> None:
    """The comment above `profile` lists the overlays."""
    text = (ROOT / "chart" / "values.yaml").read_text()
    comment = re.search(r"^# What the defaults below(?s:.*?)\nprofile: ", text, re.MULTILINE)
    assert comment
    assert set(re.findall(r"[a-z]+(?:-[a-z]+)*", comment[0])) >= set(PROFILES)


@pytest.mark.parametrize("name", ["helm3", "helm4"])
@pytest.mark.parametrize("profile", PROFILES)
def test_helm_lints_a_profile(helm: Callable[[str], Helm], name: str, profile: str) -> None:
    """helm lint --strict has nothing to say about it."""
    done = helm(name).run("lint", "--strict", "chart", "--set", f"profile={profile}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_default_taken_away(render: Render) -> None:
    """A null removes a default behind a mark like any other: the rule for a pinned version is gone."""
    rules = find(
        render("--set", "models.inference-service.versions.v2.pinned=null"), "VirtualService", "inference-routing"
    )
    assert [rule["name"] for rule in rules["spec"]["http"]] == ["split"]
