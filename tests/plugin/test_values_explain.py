"""`mlmesh values explain`: each value, where it is from, and what it lies over."""

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dev.toolchain import ROOT
from tests.support.probes import write_chart
from tests.support.streams import run

mlmesh = partial(run, command="mlmesh")

SCHEMA = json.loads((ROOT / "docs" / "schemas" / "values.schema.json").read_text())
BASE = "replicas: 1\nimage:\n  tag: v1\nlist: [a, b]\nonly: 1\n"
PROD = "# production\nimage:\n  tag: v2\nlist:\n  - c\nonly: null\ngone: null\n"
DEFAULTS = "image:\n  tag: v0\n  pullPolicy: Always\ngone: 5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A chart and two files."""
    write_chart(tmp_path / "app", {})
    (tmp_path / "app" / "values.yaml").write_text(DEFAULTS)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "prod.yaml").write_text(PROD)
    return tmp_path


def explain(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
    """The command in a folder, by names from there."""
    there = {path.name for path in folder.iterdir()}
    words = [",".join(str(folder / part) if part in there else part for part in word.split(",")) for word in arguments]
    return mlmesh("values", "explain", *words, stdin=stdin)


def told(folder: Path, *arguments: str) -> dict[str, Any]:
    """Its JSON, by path, which must be as its schema says; places without the folder."""
    done = explain(folder, *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    shape = json.loads(done.stdout.decode().replace(f"{folder}/", ""))
    jsonschema.validate(shape, SCHEMA)
    return {"removed": shape["removed"], "notes": shape["notes"], **{each["path"]: each for each in shape["values"]}}


def place(each: dict[str, Any]) -> tuple[str, int]:
    """File and line."""
    return each["file"], each["line"]


def test_a_value_has_its_line_and_those_that_it_overrides(folder: Path) -> None:
    """The nearest first, with their values."""
    tag = told(folder, "app", "-f", "base.yaml", "-f", "prod.yaml")["image.tag"]
    assert (tag["value"], *place(tag)) == ("v2", "prod.yaml", 3)
    over = [(each["value"], *place(each), each["layer"]) for each in tag["overrides"]]
    assert over == [("v1", "base.yaml", 3, "user"), ("v0", "app/values.yaml", 2, "chart")]


def test_a_null_removes_a_default_and_nothing_else(folder: Path) -> None:
    """Where the chart has no such default, the null stays, and says so."""
    shown = told(folder, "app", "-f", "base.yaml", "-f", "prod.yaml")
    (gone,) = shown["removed"]
    assert (gone["path"], gone["value"], *place(gone), gone["by"]["line"]) == ("gone", 5, "app/values.yaml", 4, 7)
    assert "gone" not in shown
    assert (shown["only"]["value"], *place(shown["only"])) == (None, "prod.yaml", 6)
    text = explain(folder, "app", "-f", "base.yaml", "-f", "prod.yaml", "only").stdout.decode()
    assert "stays as null" in text


def test_what_comes_by_twice_is_told_once(folder: Path) -> None:
    """Helm merges a subchart's defaults into its parent's, and lays its own below again: no value lies over itself."""
    (folder / "app" / "Chart.yaml").write_text(
        "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies: [{name: sub, version: 1.0.0}]\n"
    )
    (folder / "app" / "values.yaml").write_text("sub: {port: 80, gone: 2}\n")
    write_chart(folder / "app" / "charts" / "sub", {"port": 8080, "name": "sub", "gone": 1})
    (folder / "prod.yaml").write_text("sub: {gone: null}\n")
    shown = told(folder, "app", "-f", "prod.yaml")
    assert [each["value"] for each in shown["sub.port"]["overrides"]] == [8080]
    assert shown["sub.name"]["overrides"] == []
    (gone,) = shown["removed"]
    assert (gone["path"], gone["value"], *place(gone)) == ("sub.gone", 2, "app/values.yaml", 1)


def test_a_dependency_that_is_not_there_is_told(folder: Path) -> None:
    """Before `helm dependency build` a checkout has none of its values, which are then not taken for all there are."""
    (folder / "app" / "Chart.yaml").write_text(
        "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies: [{name: sub, version: 1.0.0, condition: sub.on}]\n"
    )
    (note,) = told(folder, "app")["notes"]
    assert note.startswith("app/Chart.yaml: the dependency sub is not in charts/")
    write_chart(folder / "app" / "charts" / "sub", {"port": 8080})
    assert told(folder, "app")["notes"] == []


def test_a_variable_sets_what_the_option_does() -> None:
    """Blanks are part of a value, and commas part several, as Helm has it."""
    done = mlmesh("values", "explain", MLMESH_SET="a=b c,d=1", MLMESH_SET_JSON='e={"f": [1, 2]}')
    assert done.stdout.decode().split("\n")[:3] == [
        'a = "b c"  (--set a)',
        "d = 1  (--set d)",
        "e.f = [1, 2]  (--set-json e)",
    ]


def test_no_values_are_said_so(folder: Path) -> None:
    """An empty file is one."""
    (folder / "empty.yaml").write_text("# nothing\n")
    assert explain(folder, "-f", "empty.yaml").stdout == b"no values\n"


def test_a_list_is_replaced_and_marked(folder: Path) -> None:
    """Lists do not merge."""
    found = told(folder, "-f", "base.yaml,prod.yaml")["list"]
    assert (found["value"], found["replacesList"], found["overrides"][0]["value"]) == (["c"], True, ["a", "b"])
    assert "replaces the list" in explain(folder, "-f", "base.yaml,prod.yaml", "list").stdout.decode()


def test_a_key_that_is_there_twice_is_told(folder: Path) -> None:
    """The last counts, as in Helm."""
    (folder / "twice.yaml").write_text("a: 1\nb: 2\na: 3\n")
    shown = told(folder, "-f", "twice.yaml")
    assert (shown["a"]["value"], shown["a"]["line"]) == (3, 3)
    assert any("a is there more than once: line 3 counts, not 1" in note for note in shown["notes"])


def test_a_value_of_a_merge_is_where_its_anchor_is(folder: Path) -> None:
    """What `<<` brings is told by its own line."""
    (folder / "anchors.yaml").write_text("base: &base\n  a: 1\n  b: 2\nmine:\n  <<: *base\n  b: 3\nsame: *base\n")
    shown = told(folder, "-f", "anchors.yaml")
    lines = {path: shown[path]["line"] for path in ("mine.a", "same.a", "base.b")}
    assert lines == {"mine.a": 2, "same.a": 2, "base.b": 3}


def test_where_helm_3_and_4_differ_is_told(folder: Path) -> None:
    """Several documents, and nulls among the defaults."""
    (folder / "two.yaml").write_text("a: 1\n---\na: 2\n")
    assert told(folder, "-f", "two.yaml")["a"]["value"] == 2
    three = told(folder, "-f", "two.yaml", "--helm", "3")
    assert three["a"]["value"] == 1
    assert any("Helm 4 gives other values to a" in note for note in three["notes"])


def test_paths_choose(folder: Path) -> None:
    """A leaf, or all below a key; one that leads nowhere is told with its nearest."""
    assert [path for path in told(folder, "app", "image") if path.startswith(("i", "g"))] == [
        "image.pullPolicy",
        "image.tag",
    ]
    done = explain(folder, "app", "image.tga")
    assert (done.returncode, b"did you mean image.tag?" in done.stderr) == (2, True)


SECRETS = """\
db: {password: hunter2, host: db}
apiKeys: {first: hunter2}
env: [{name: DB_TOKEN, value: hunter2}]
url: https://x/?password=hunter2
pin: {secret: 4711}
llm: {outputTokens: 4000, timeToFirstToken: 8s}
authorization: {mode: enforce}
secretName: cert
"""


def test_no_secret_is_shown(folder: Path) -> None:
    """By its key, a key above, or its own text, in each form and in what is overridden; words like theirs are shown."""
    (folder / "secrets.yaml").write_text(SECRETS)
    (folder / "over.yaml").write_text("db: {password: x}\n")
    call = ("-f", "secrets.yaml", "-f", "over.yaml", "--set", "apiKeys.second=hunter2")
    for form in ("text", "json"):
        text = explain(folder, *call, "--format", form).stdout.decode()
        assert "hunter2" not in text
        assert "4711" not in text
        assert "***" in text
    shown = told(folder, *call)
    plain = {path: shown[path]["value"] for path in ("db.host", "llm.outputTokens", "authorization.mode", "secretName")}
    assert plain == {"db.host": "db", "llm.outputTokens": 4000, "authorization.mode": "enforce", "secretName": "cert"}
    assert shown["llm.timeToFirstToken"]["value"] == "8s"


def test_standard_input_is_a_file(folder: Path) -> None:
    """As Helm has it."""
    done = explain(folder, "-f", "-", stdin="\n\na: 1\n")
    assert done.stdout.decode() == "a = 1  (standard input:3)\n"


def test_a_profile_is_a_layer() -> None:
    """Of this chart, between its defaults and what the user writes."""
    done = mlmesh("values", "explain", str(ROOT / "chart"), "--set", "profile=prod+recommended", "--format", "json")
    shape = json.loads(done.stdout)
    jsonschema.validate(shape, SCHEMA)
    profiles = {each["file"].rpartition("/")[2] for each in shape["values"] if each["layer"] == "profile"}
    assert profiles == {"prod.yaml", "recommended.yaml"}


BAD = {
    "a list": ("- 1\n", "bad.yaml:1"),
    "broken YAML": ("a: 1\nb: [2\n", "bad.yaml:"),
    "a tab": ("a:\n\tb: 1\n", "bad.yaml:2"),
    "an unknown alias": ("a: 1\nb: *c\n", "bad.yaml:2"),
    "broken in a second document": ("a: 1\n---\nb: 2\nc: [\n", "bad.yaml:"),
    "a broken separator": ("a: 1\n--- b: 2\n", "bad.yaml, line 2"),
}


@pytest.mark.parametrize(("text", "where"), BAD.values(), ids=BAD)
def test_a_file_that_helm_does_not_take_is_told_with_its_line(folder: Path, text: str, where: str) -> None:
    """Exit code 2, and nothing on standard output."""
    (folder / "bad.yaml").write_text(text)
    done = explain(folder, "-f", "base.yaml", "-f", "bad.yaml")
    assert (done.returncode, done.stdout) == (2, b"")
    assert where in done.stderr.decode()


CALLS = {
    "no file": (("-f", "missing.yaml"), "missing.yaml"),
    "an address": (("-f", "https://example.com/values.yaml"), "fetch it"),
    "no chart": (("charts/none",), "no chart is there"),
    "nothing": ((), "there are no values"),
    "no chart by a bare name": (("none",), "no chart is there"),
    "a broken --set": (("--set", "a=1,b"), "character 5"),
    "a profile that is not there": ((str(ROOT / "chart"), "--set", "profile=nope"), "there is no nope"),
    "a value for a subchart that is no map": (("app", "--set", "sub=1"), "subchart"),
}


@pytest.mark.parametrize(("call", "said"), CALLS.values(), ids=CALLS)
def test_a_wrong_call_is_told(folder: Path, call: tuple[str, ...], said: str) -> None:
    """Exit code 2, with what to do."""
    write_chart(folder / "app" / "charts" / "sub", {"a": 1})
    done = explain(folder, *call)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()
    assert "remedy:" in done.stderr.decode()


def test_an_error_shows_no_secret(folder: Path) -> None:
    """What --set says may hold one, a comma in it above all."""
    done = explain(folder, "--set", "password=hunter2,hunter3")
    assert done.returncode == 2
    assert b"hunter" not in done.stderr
    for option, text in (("--set-json", '{"password": "hunter2"'), ("--set", "password: hunter2")):
        done = explain(folder, option, text)
        assert done.returncode == 2
        assert b"hunter" not in done.stderr
