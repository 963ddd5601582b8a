"""`mlmesh diff`: two environments beside each other, rendered by a real Helm, or as streams that were rendered."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dev.helm import Helm
from dev.toolchain import ROOT
from mlmesh.model.differences import Differences, FieldChange, ObjectChange, ObjectName
from mlmesh.reports.markdown import MOST, markdown
from mlmesh.values.comparison import compare_values
from mlmesh.values.reading import read_values
from tests.support.streams import run

mlmesh = partial(run, command="mlmesh")

SCHEMA = json.loads((ROOT / "docs" / "schemas" / "differences.schema.json").read_text())
CHART = str(ROOT / "chart")
MLMESH = Path(sys.executable).parent / "mlmesh"
CANARY = "models: {inference-service: {canary: {weight: %d}}}\n"
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: ml, labels: {helm.sh/chart: %s}}
spec: {ports: [%s]}
"""
HTTP, GRPC = "{name: http, port: %d}", "{name: grpc, port: 9000}"
GUARDED = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: %s}\n"


@pytest.fixture(params=["helm3", "helm4"])
def diff(request: pytest.FixtureRequest, helm: Callable[[str], Helm], tmp_path: Path) -> Callable[..., Any]:
    """`diff(*arguments)`: the command in a folder of its own, with each Helm in turn."""
    program = helm(request.param)
    homes = {name: value for name, value in program.environment.items() if name.startswith(("HELM_", "KUBE"))}

    def call(*arguments: str, stdin: str = "", code: int = 0) -> str:
        done = mlmesh("diff", "--helm", str(program.program), *arguments, stdin=stdin, **homes)
        assert done.returncode == code, done.stderr
        return (done.stdout or done.stderr).decode().replace(f"{tmp_path}/", "")

    return call


def test_a_name_is_its_overlay(helm: Callable[[str], Helm]) -> None:
    """`dev` is values/dev.yaml where there is no file `dev` (a folder is none), alone and among others."""
    program = helm("helm4")
    homes = {name: value for name, value in program.environment.items() if name.startswith(("HELM_", "KUBE"))}
    names = subprocess.run(
        [str(MLMESH), "diff", "--helm", str(program.program), "dev", "values/dev.yaml,recommended", "--format", "json"],
        cwd=ROOT,
        env={**os.environ, **homes},
        capture_output=True,
        text=True,
        check=False,
    )
    assert names.returncode == 0, names.stderr
    changed = {each["path"].split(".")[0] for each in json.loads(names.stdout)["values"]}
    assert changed == {"policy", "models"}
    missing = mlmesh("diff", "nowhere", "dev")
    assert missing.returncode == 2
    assert b"where:  nowhere" in missing.stderr


def file(folder: Path, name: str, text: str) -> str:
    """The path of a new file."""
    (folder / name).write_text(text)
    return str(folder / name)


def streams(folder: Path, left: str, right: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Two rendered streams beside each other; no Helm is asked."""
    return mlmesh("diff", file(folder, "l", left), file(folder, "r", right), "--helm", "/no/helm", *arguments)


def told(done: subprocess.CompletedProcess[bytes]) -> Any:
    """The JSON of a call, which must be as its schema says."""
    assert done.returncode == 0, done.stderr
    shape = json.loads(done.stdout)
    jsonschema.validate(shape, SCHEMA)
    return shape


def test_values_and_objects_of_two_overlays(diff: Callable[..., str], tmp_path: Path) -> None:
    """One number of the values, where it stands on both sides, and what becomes of it in the mesh."""
    base = file(tmp_path, "base.yaml", "profile: prod\n" + CANARY % 10)
    more = file(tmp_path, "more.yaml", "# more\n" + CANARY % 25)
    shape = json.loads(diff("--chart", CHART, base, f"{base},{more}", "--format", "json"))
    jsonschema.validate(shape, SCHEMA)
    (value,) = shape["values"]
    assert value == {
        "path": "models.inference-service.canary.weight",
        "left": {"value": "10", "file": "base.yaml", "line": 2},
        "right": {"value": "25", "file": "more.yaml", "line": 2},
    }
    (changed,) = shape["objects"]["changed"]
    assert (changed["kind"], changed["namespace"]) == ("VirtualService", "ml-serving")
    weights = {(field["left"], field["right"]) for field in changed["fields"]}
    assert weights == {("90", "75"), ("10", "25")}
    assert shape["objects"]["same"] >= 20


def test_the_defaults_and_a_profile(diff: Callable[..., str]) -> None:
    """An empty name is the chart's defaults; what the post-renderer makes of a policy is seen."""
    text = diff("--chart", CHART, "", str(ROOT / "values" / "dev.yaml"))
    assert text.startswith("the defaults -> ")
    assert re.search(r"values: [1-9]\d* differ", text)
    assert re.search(r"objects: \d+ added, \d+ removed, [1-9]\d* changed, \d+ the same", text)


def test_an_environment_is_like_itself(diff: Callable[..., str]) -> None:
    """Nothing differs, and --exit-code has nothing to tell."""
    prod = str(ROOT / "values" / "prod.yaml")
    text = diff("--chart", CHART, prod, prod, "--exit-code")
    assert "values: none differ" in text
    assert "objects: 0 added, 0 removed, 0 changed" in text


def test_what_runs_beside_what_is_to_run(diff: Callable[..., str], helm: Callable[[str], Helm], tmp_path: Path) -> None:
    """A rendered stream on standard input, as `helm get manifest` gives it after a post-renderer, beside values."""
    prod = str(ROOT / "values" / "prod.yaml")
    done = helm("helm3").run("template", "ml-mesh", CHART, "-f", prod, "--post-renderer", "mlmesh-post")
    assert done.returncode == 0, done.stderr
    text = diff("--chart", CHART, "-", prod, stdin=done.stdout)
    assert "objects: 0 added, 0 removed, 0 changed" in text
    assert "values:" not in text


def test_what_helm_refuses_is_told(diff: Callable[..., str], tmp_path: Path) -> None:
    """In Helm's words, with exit code 2."""
    bad = file(tmp_path, "bad.yaml", "profile: nope\n")
    assert "there is no nope" in diff("--chart", CHART, "", bad, code=2)


def test_objects_by_name_and_fields_by_path(tmp_path: Path) -> None:
    """Added, removed and changed; a list's items are known by their names, wherever they stand."""
    left = "---\n".join([SERVICE % ("a", "c-1", HTTP % 80), SERVICE % ("gone", "c-1", GRPC)])
    right = "---\n".join([SERVICE % ("new", "c-1", GRPC), SERVICE % ("a", "c-1", f"{GRPC}, {HTTP % 81}")])
    objects = told(streams(tmp_path, left, right, "--format", "json"))["objects"]
    assert [each["name"] for each in objects["added"]] == ["new"]
    assert [each["name"] for each in objects["removed"]] == ["gone"]
    assert objects["changed"][0]["fields"] == [
        {"path": "spec.ports[name=http].port", "left": "80", "right": "81"},
        {"path": "spec.ports[name=grpc]", "left": "none", "right": '{"name": "grpc", "port": 9000}'},
    ]


def test_noise_is_told_once(tmp_path: Path) -> None:
    """A label that is new everywhere takes two lines, not two for each object; what only one has is still seen."""
    names = ("a", "b", "c", "d")
    left = "---\n".join(SERVICE % (name, "c-1", HTTP % 80) for name in names)
    right = "---\n".join(SERVICE % (name, "c-2", HTTP % (81 if name == "d" else 80)) for name in names)
    for form in ("text", "markdown"):
        text = streams(tmp_path, left, right, "--format", form).stdout.decode()
        assert text.count("c-2") == 1
        assert "4 objects alike" in text
        assert "80 -> 81" in text


def test_checksums_are_told_once(tmp_path: Path) -> None:
    """Each has another, and all say the same: that something else changed."""
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s, annotations: {checksum/config: %s}}\nspec: {}\n"
    left = "---\n".join(pod % (name, f"{name}1") for name in ("a", "b", "c"))
    right = "---\n".join(pod % (name, f"{name}2") for name in ("a", "b", "c"))
    text = streams(tmp_path, left, right).stdout.decode()
    assert text.count("checksum/config") == 1


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_no_secret_is_shown(tmp_path: Path, form: str) -> None:
    """A Secret's data, and what looks like a secret elsewhere; that it changed is told."""
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{env: [{name: DB_TOKEN, value: %s}]}]}\n"
    left, right = GUARDED % "hunter1" + "---\n" + pod % "hunter2", GUARDED % "hunter3" + "---\n" + pod % "hunter4"
    shown = streams(tmp_path, left, right, "--format", form).stdout.decode()
    assert "hunter" not in shown
    assert shown.count("*** ") + shown.count('"***"') + shown.count("-> ***") >= 2


BESIDE = {
    "behind an option": "kind: Pod\nspec: {containers: [{args: [--api-key, %s]}]}",
    "beside a name that is there twice": "kind: Pod\nspec: {x: [{env: [{name: A_PASS, value: %s}, {name: A_PASS}]}]}",
    "in an address": 'kind: Pod\nspec: {containers: [{env: [{name: DB, value: "pg://u:%s@h/db"}]}]}',
    "as kubectl keeps it": """kind: Secret\ntype: '{"data": {"a": "%s"}}'""",
}


@pytest.mark.parametrize("text", BESIDE.values(), ids=BESIDE)
def test_no_secret_is_shown_that_only_what_is_beside_it_tells(tmp_path: Path, text: str) -> None:
    """An argument behind its option, a variable's value, a Secret in its own annotation."""
    text = "apiVersion: v1\nmetadata: {name: p}\n" + text
    shown = streams(tmp_path, text % "hunter1", text % "hunter2").stdout.decode()
    assert "*** -> ***" in shown
    assert "hunter" not in shown


def test_an_empty_file_beside_manifests_is_a_release_that_is_not_there_yet(tmp_path: Path) -> None:
    """`helm get manifest` before the first install leaves one: no Helm is asked to render it, and all is added."""
    service = SERVICE % ("a", "c", HTTP % 80)
    for left, right, key in (("", service, "added"), (service, "# nothing\n", "removed")):
        shown = told(streams(tmp_path, left, right, "--format", "json"))
        assert [each["name"] for each in shown["objects"][key]] == ["a"]


def test_another_order_is_a_difference(tmp_path: Path) -> None:
    """Of a route's rules the first that matches counts, so items that only changed places are told by their names."""
    rules = ["{name: a-token, match: [{uri: {prefix: /a}}]}", "{name: b, match: [{uri: {prefix: /a/b}}]}", "{name: c}"]
    text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec: {http: [%s]}"
    left, right = (text % ", ".join(each) for each in (rules, [rules[1], rules[0], "{name: d}", rules[2]]))
    (changed,) = told(streams(tmp_path, left, right, "--format", "json"))["objects"]["changed"]
    _, order = changed["fields"]
    assert order == {"path": "spec.http[order]", "left": '["a-token", "b", "c"]', "right": '["b", "a-token", "c"]'}


def test_a_policy_in_a_configmap_is_compared_field_by_field(tmp_path: Path) -> None:
    """What is JSON in a string is read."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {policy.json: '%s'}\n"
    done = streams(tmp_path, text % '{"a": {"b": 1}}', text % '{"a": {"b": 2}}', "--format", "json")
    (changed,) = told(done)["objects"]["changed"]
    assert changed["fields"] == [{"path": 'data."policy.json".a.b', "left": "1", "right": "2"}]


def test_exit_code(tmp_path: Path) -> None:
    """0 whatever differs, 1 with --exit-code, as git diff has it."""
    left, right = SERVICE % ("a", "c", HTTP % 80), SERVICE % ("a", "c", HTTP % 81)
    assert streams(tmp_path, left, right).returncode == 0
    assert streams(tmp_path, left, right, "--exit-code").returncode == 1
    assert streams(tmp_path, left, left, "--exit-code").returncode == 0


def test_colour_is_for_terminals(tmp_path: Path) -> None:
    """Or where it is asked for; NO_COLOR has the last word."""
    left, right = SERVICE % ("a", "c", ""), SERVICE % ("b", "c", "")
    names = [file(tmp_path, "l", left), file(tmp_path, "r", right)]
    assert b"\x1b[" not in mlmesh("diff", *names).stdout
    assert b"\x1b[32m" in mlmesh("diff", *names, FORCE_COLOR="1").stdout
    assert b"\x1b[" not in mlmesh("diff", *names, FORCE_COLOR="1", NO_COLOR="1").stdout


def _many(count: int, text: str) -> Differences:
    found = Differences("a", "b")
    for index in range(count):
        name = ObjectName("v1", "Service", "ml", f"s{index}")
        found.changed.append(ObjectChange(name, [FieldChange(("spec", f"f{index}"), text, f"{text}{index}")]))
    return found


@pytest.mark.parametrize("count", [1, 100, 3000])
@pytest.mark.parametrize("text", ["x", "``` |<details>", "@team #1 _a_"])
def test_markdown_is_below_the_limit_and_says_what_is_missing(count: int, text: str) -> None:
    """Its fold and its fence are closed, whatever is in the values; lines that have no room are counted."""
    shown = markdown(_many(count, text))
    assert len(shown) <= MOST
    assert shown.count("<details><summary>") == shown.count("\n</details>\n") == 1
    (fence,) = re.findall(r"^(`{3,})diff$", shown, re.MULTILINE)
    assert len(re.findall(rf"^{fence}$", shown, re.MULTILINE)) == 1
    inside = shown.partition(f"{fence}diff\n")[2].partition(f"\n{fence}\n")[0].split("\n")
    missing = re.search(r"\*\*(\d+) more lines are not shown\*\*", shown)
    assert len(inside) + (int(missing[1]) if missing else 0) == 2 * count
    assert bool(missing) == (count == 3000)


def test_only_what_json_tells_apart_differs() -> None:
    """Keys in another order in an item of a list are the same values; true and 1 are not."""
    sides = [
        read_values("a.yaml", text, layer="user", helm=4)
        for text in (b"a: [{b: 1, c: 2}]\nd: 1", b"a: [{c: 2, b: 1}]\nd: true")
    ]
    assert [change.path for change in compare_values(*sides)] == [("d",)]


def test_markdown_of_values_is_a_table(diff: Callable[..., str], tmp_path: Path) -> None:
    """With both sides and their places; a bar in a value does not break its row."""
    chart = tmp_path / "app"
    (chart / "templates").mkdir(parents=True)
    file(chart, "Chart.yaml", "{apiVersion: v2, name: app, version: 1.0.0}")
    file(chart, "values.yaml", "a: 1\n")
    template = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: {{ .Values.a | quote }}}}"
    file(chart / "templates", "configmap.yaml", template)
    left = file(tmp_path, "left_side.yaml", "a: 'b|`c`'\n")
    text = diff("--chart", str(chart), left, "", "--format", "markdown")
    (row,) = (line for line in text.split("\n") if line.startswith("| `a` |"))
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)]
    assert len(cells) == 5
    assert cells[2].startswith("`` " + r'"b\|`c`"' + " `` ")
    assert cells[2].endswith(r"left\_side.yaml:1")
    assert cells[3].startswith("`1` ")


CALLS = {
    "both are standard input": (("-", "-"), "standard input"),
    "no file": (("none.yaml", ""), "none.yaml"),
    "no chart": (("", "", "--chart", "/none"), "no chart is there"),
    "no Helm": (("", "", "--chart", CHART, "--helm", "/no/helm"), "Helm cannot be run"),
    "no Helm but a program": (("", "", "--chart", CHART, "--helm", "/bin/true"), "no Helm 3 or 4"),
    "no Helm but one that fails": (("", "", "--chart", CHART, "--helm", "/bin/false"), "no Helm 3 or 4"),
    "no environment": (("prd", ""), "no file prd, nor values/prd.yaml"),
}


@pytest.mark.parametrize(("call", "said"), CALLS.values(), ids=CALLS)
def test_a_wrong_call_is_told(call: tuple[str, ...], said: str) -> None:
    """Exit code 2, with what to do."""
    done = mlmesh("diff", *call)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()
    assert "remedy:" in done.stderr.decode()
