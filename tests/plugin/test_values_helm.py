"""Helm is the judge: what `mlmesh values` merges is what templates see, on Helm 3 and on Helm 4."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dev.helm import Helm
from dev.toolchain import ROOT
from tests.support.probes import REFUSED, ours, seen, write_chart

HELMS = ("helm3", "helm4")
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SCALARS = st.sampled_from([None, None, True, False, 0, 7, 1.5, "", "x", "yes", "null", 2**53, -1])
LISTS = st.lists(st.one_of(SCALARS, st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=2)), max_size=2)
KEYS = st.sampled_from(["a", "b", "c", "sub", "global", "deep"])
VALUES = st.dictionaries(
    KEYS,
    st.recursive(st.one_of(SCALARS, LISTS), lambda below: st.dictionaries(KEYS, below, max_size=3), max_leaves=8),
    max_size=4,
)
WORDS = st.sampled_from(
    ["", "x", "7", "007", "null", "true", "False", "1.5", "{x,1}", "{}", "{a", r"x\,y", "a=b", "0", "-3"]
)
STEPS = st.lists(
    st.sampled_from(["a", "b", "sub", "global", "c[0]", "c[2]", "a[0][1]", r"a\.b", ""]), min_size=1, max_size=3
)
SET = st.builds(lambda steps, word: f"{'.'.join(steps)}={word}", STEPS, WORDS)
SETS = st.one_of(st.lists(SET, min_size=1, max_size=2).map(",".join), st.text(r"ab.[]0=,{}\ n", max_size=9))
JSONS = st.one_of(
    st.builds(lambda steps, value: f"{'.'.join(steps)}={json.dumps(value)}", STEPS, st.one_of(SCALARS, LISTS, VALUES)),
    VALUES.map(json.dumps),
    st.sampled_from(
        ["a=", "a=NaN", '{"a": Infinity}', "a=1 , b=2", "a={", "a= null", "{", 'a=[1],b[1]={"x":null}', "a"]
    ),
)


@pytest.fixture(params=HELMS)
def judge(request: pytest.FixtureRequest, helm: Callable[[str], Helm]) -> Helm:
    """Each Helm in turn."""
    return helm(request.param)


def _files(folder: Path, *layers: dict[str, Any]) -> list[Path]:
    found = [folder / f"{index}.yaml" for index in range(len(layers))]
    for file, layer in zip(found, layers, strict=True):
        file.write_text(json.dumps(layer))
    return found


def _named(files: list[Path]) -> list[str]:
    return [word for file in files for word in ("-f", str(file))]


@SLOW
@given(own=VALUES, sub=VALUES, deep=VALUES, layers=st.lists(VALUES, max_size=3))
def test_layers_of_any_shape(
    judge: Helm, tmp_path: Path, *, own: Any, sub: Any, deep: Any, layers: list[dict[str, Any]]
) -> None:
    """Maps, lists, nulls at every depth and scalars, in files over a chart, its subchart and that one's."""
    chart = write_chart(tmp_path / "probe", own)
    write_chart(chart / "charts" / "sub", sub)
    write_chart(chart / "charts" / "sub" / "charts" / "deep", deep)
    files = _files(tmp_path, *layers)
    assert ours(judge, chart, files) == seen(judge, chart, *_named(files))


@SLOW
@given(
    own=VALUES,
    sub=VALUES,
    layer=VALUES,
    sets=st.lists(SETS, max_size=2),
    strings=st.lists(SETS, max_size=1),
    jsons=st.lists(JSONS, max_size=1),
)
@example(own={}, sub={}, layer={}, sets=[], strings=["a.a.a=,a="], jsons=[])
@example(own={"l": [1, [2]]}, sub={}, layer={}, sets=["a[", "l[1][0"], strings=["["], jsons=[])
@example(own={}, sub={}, layer={}, sets=["a.\\"], jsons=[], strings=["a=1,\\"])
def test_what_is_set_besides(
    judge: Helm,
    tmp_path: Path,
    *,
    own: Any,
    sub: Any,
    layer: Any,
    sets: list[str],
    strings: list[str],
    jsons: list[str],
) -> None:
    """--set, --set-string and --set-json, whole and broken: the same values, or refused alike."""
    chart = write_chart(tmp_path / "probe", own)
    write_chart(chart / "charts" / "sub", sub)
    files = _files(tmp_path, layer)
    told = [*(("--set-json", text) for text in jsons), *(("--set", text) for text in sets)]
    told += [("--set-string", text) for text in strings]
    expected = seen(judge, chart, *_named(files), *(f"{option}={text}" for option, text in told))
    assert ours(judge, chart, files, tuple(told)) == expected


@SLOW
@given(
    own=VALUES,
    sub=VALUES,
    layer=VALUES,
    kind=st.sampled_from(["on", "off", "alias", "tags", "import"]),
    told=st.booleans(),
)
def test_dependencies(judge: Helm, tmp_path: Path, *, own: Any, sub: Any, layer: Any, kind: str, told: bool) -> None:
    """Conditions, tags, aliases and imported values of Chart.yaml count as they do in Helm."""
    listed: dict[str, Any] = {"name": "sub", "version": "*", "repository": ""}
    ways: dict[str, dict[str, Any]] = {
        "on": {"condition": "c.on,a"},
        "off": {"condition": "sub.enabled"},
        "alias": {"alias": "b"},
        "tags": {"tags": ["x", "y"]},
        "import": {"import-values": ["data", {"child": "a", "parent": "c"}, {"child": "b", "parent": "a.b"}]},
    }
    listed |= ways[kind]
    sub = {**sub, "exports": {"data": {"a": {"b": 1}, "z": None}}}
    own = {**own, "tags": {"x": told, "y": False}}
    chart = write_chart(tmp_path / "probe", own, {"dependencies": [listed]})
    write_chart(chart / "charts" / "sub", sub)
    files = _files(tmp_path, layer)
    assert ours(judge, chart, files) == seen(judge, chart, *_named(files))


YAML = {
    "Go's scalars": "a: 1e3\nb: 0o17\nc: 017\nd: 1_000\ne: yes\nf: off\ng: ~\nh: 2020-01-01\ni: .5\nj: 12:30:45",
    "keys that are no strings": "1: a\ntrue: b\nyes: c",
    "a key twice": "a: {x: 1}\na: {y: 2}",
    "anchors and merges": "x: &x {a: 1, b: {c: 2}}\ny: {<<: *x, a: 3}\nz: {a: 4, <<: *x}\nw: *x",
    "merges of several": "x: &x {a: 1}\ny: &y {a: 2, b: 2}\nz: {<<: [*x, *y], c: 3}",
    "two documents": "a: 1\nb: {c: 1}\n---\na: 2\nb: {d: 2}",
    "comments alone": "# nothing\n",
    "nothing": "",
    "null": "null\n",
    "a first document that is empty": "---\na: 1\n",
    "a tag": "a: !!str 5\nb: !!int '7'",
    "text of many lines": "a: |\n  x\n  y\nb: >-\n  x\n  y",
    "a list": "[1]",
    "a scalar": "abc",
    "broken": "a: [1\nb: 2",
    "tabs": "a:\n\tb: 1",
    "an empty key": "~: 1",
    "no number": "a: .inf",
    "an alias without an anchor": "a: *b",
    "a byte order mark": "\ufeffa: 1",
    "Windows' line ends": "a: 1\r\nb:\r\n  c: 2\r\n",
}


@pytest.mark.parametrize("text", YAML.values(), ids=YAML)
def test_yaml(judge: Helm, tmp_path: Path, text: str) -> None:
    """Files are read by Go's rules; what Helm does not take is refused."""
    chart = write_chart(tmp_path / "probe", {"a": {"x": 0, "z": 0}})
    file = tmp_path / "values.yaml"
    file.write_text(text, newline="")
    assert ours(judge, chart, [file]) == seen(judge, chart, "-f", str(file))


def test_an_archive_and_archives_in_it(judge: Helm, tmp_path: Path) -> None:
    """A packaged chart, whose subchart is packaged too, has the same values as their folders."""
    chart = write_chart(tmp_path / "probe", {"sub": {"a": 1}})
    sub = write_chart(tmp_path / "charts" / "sub", {"a": 2, "b": 3})
    (chart / "charts").mkdir()
    assert judge.run("package", str(sub), "-d", str(chart / "charts")).returncode == 0
    assert judge.run("package", str(chart), "-d", str(tmp_path)).returncode == 0
    archive = tmp_path / "probe-1.0.0.tgz"
    assert ours(judge, archive, []) == seen(judge, archive) != REFUSED
    assert '"b": 3.0' in ours(judge, archive, [])


def test_requirements_of_a_newer_chart(judge: Helm, tmp_path: Path) -> None:
    """Helm reads requirements.yaml of a chart of version 2 as well, and warns."""
    chart = write_chart(tmp_path / "probe", {"b": {"z": 2}})
    write_chart(chart / "charts" / "sub", {"a": 1})
    listed = [{"name": "sub", "alias": "b", "version": "*", "repository": ""}]
    (chart / "requirements.yaml").write_text(json.dumps({"dependencies": listed}))
    assert ours(judge, chart, []) == seen(judge, chart) != REFUSED


@pytest.fixture(scope="module")
def own_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This chart with one template, which shows what the other templates would see."""
    chart = tmp_path_factory.mktemp("own") / "ml-mesh"
    shutil.copytree(ROOT / "chart", chart, ignore=shutil.ignore_patterns("templates"))
    (chart / "templates" / "zzz").mkdir(parents=True)
    for name in ("_profiles.tpl", "zzz/profile.yaml"):
        shutil.copy(ROOT / "chart" / "templates" / name, chart / "templates" / name)
    (chart / "templates" / "checks.yaml").write_text("")
    (chart / "templates" / "others.tpl").write_text('{{ define "ml-mesh.complete" }}{{ end }}')
    (chart / "templates" / "probe.yaml").write_text("values: {{ toJson .Values }}\n")
    return chart


@pytest.mark.parametrize("profile", ["", "prod", "dev+recommended", "staging+large", "adopt", "demo", "none+dev"])
@pytest.mark.parametrize(
    "user",
    [
        {},
        {"mtls": {"ml-mtls": None}, "gateways": {"ml-gateway": {"bodyRouting": None}}, "authorization": None},
        {"scopes": {"enabled": None}, "models": None, "telemetry": {"ml-telemetry": {"accessLogging": []}}},
        {"policy": {"sidecars": {"gateway": {"proxyCPU": "1"}}}, "monitors": None, "callers": {"x": None}},
    ],
)
def test_profiles(judge: Helm, tmp_path: Path, own_chart: Path, profile: str, user: dict[str, Any]) -> None:
    """Of this chart, the profiles and the defaults behind a mark count too; maps that are empty aside."""
    files = _files(tmp_path, {**user, "profile": profile})
    assert _full(ours(judge, own_chart, files)) == _full(seen(judge, own_chart, *_named(files)))


def _full(text: str) -> Any:
    return text if text == REFUSED else _without_empty(json.loads(text))


def _without_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    below = {key: _without_empty(item) for key, item in value.items()}
    return {key: item for key, item in below.items() if item != {}}
