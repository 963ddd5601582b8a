"""Fixes that add an object, or change another one than the finding's: `mlmesh check --unsafe-fixes`."""

import shutil
from pathlib import Path

import pytest
import yaml

from mlmesh.commands.fixes import mend
from mlmesh.commands.inputs import Inputs
from mlmesh.commands.newcomers import followed
from mlmesh.manifests.stream import read
from mlmesh.model.findings import Finding
from tests.support.checks import check, finding
from tests.support.rule_cases import CASES, findings

PICKER = CASES / "MLM602" / "bad.yaml"
RULE = """\
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: "epp"
  namespace: "ml"
spec:
  host: "epp.ml.svc.cluster.local"
  trafficPolicy:
    portLevelSettings:
      - port:
          number: 9002
        tls:
          mode: "SIMPLE"
          insecureSkipVerify: true
"""


def test_a_new_object_stands_behind_the_one_that_lacks_it(tmp_path: Path) -> None:
    """A document of its own, in the same file; every other byte stays, comments too; a second run adds nothing."""
    file = tmp_path / "a.yaml"
    before = PICKER.read_text().replace("kind: InferencePool\nmetadata", "kind: InferencePool  # kept\nmetadata")
    file.write_text(before)
    pool = before.index("  endpointPickerRef")
    end = before.index("---\n", pool)
    done = check(str(file), "--fix")
    assert b"mended: MLM602 InferencePool ml/llm /spec/endpointPickerRef/name" in done.stderr
    assert file.read_text() == before[:end] + RULE + before[end:]
    after = file.read_bytes()
    assert check(str(file), "--fix").stderr == b""
    assert file.read_bytes() == after


def test_a_diff_shows_what_would_be_added(tmp_path: Path) -> None:
    """The lines of the new document, and nothing is written."""
    file = tmp_path / "a.yaml"
    shutil.copy(PICKER, file)
    done = check(str(file), "--diff")
    assert "".join(f"+{line}\n" for line in RULE.splitlines()) in done.stdout.decode()
    assert b"\n-" not in done.stdout.replace(b"\n--- ", b"")
    assert b"would mend: MLM602" in done.stderr
    assert file.read_bytes() == PICKER.read_bytes()


def test_the_object_goes_into_the_file_of_its_finding(tmp_path: Path) -> None:
    """Of several files only that one is changed."""
    pieces = PICKER.read_text().split("---\n")
    for index, piece in enumerate(pieces):
        (tmp_path / f"{index}.yaml").write_text(piece.rstrip("\n"))
    assert b"mended: MLM602" in check(str(tmp_path), "--fix").stderr
    for index, piece in enumerate(pieces):
        added = RULE if "kind: InferencePool\n" in piece and "endpointPickerRef" in piece else ""
        assert (tmp_path / f"{index}.yaml").read_text() == piece.rstrip("\n") + ("\n" + added if added else "")


@pytest.mark.parametrize("text", [b"kind: A\r\nspec: {}\r\n", b"kind: A\nspec: {}", b"{}\n"])
def test_line_ends_are_those_of_the_text(text: bytes) -> None:
    """What is added reads back, whatever the text before it ends with."""
    new = {"apiVersion": "v1", "kind": "B", "metadata": {"name": "on"}, "spec": {"a": "1e3", "b": ["no", 1]}}
    out = followed(text, [new, new])
    assert out.startswith(text)
    assert (b"\n" in out.replace(b"\r\n", b"")) == (b"\r\n" not in text)
    assert list(yaml.safe_load_all(out))[1:] == [new, new]
    assert [document.data for document in read(out).documents][1:] == [new, new]


@pytest.mark.parametrize(("name", "kind"), [("a.json", "v1 List"), ("a.yaml", "config.kubernetes.io/v1 ResourceList")])
def test_what_must_be_one_document_gets_no_second_one(name: str, kind: str, tmp_path: Path) -> None:
    """A file of JSON, and a ResourceList, which is what a function reads: the finding stays."""
    items = [item for item in yaml.safe_load_all(PICKER.read_text()) if item]
    version, _, word = kind.partition(" ")
    file = tmp_path / name
    file.write_text(yaml.safe_dump({"apiVersion": version, "kind": word, "items": items}, default_flow_style=True))
    before = file.read_text()
    assert "MLM602" in {each["code"] for each in findings(file)}
    assert b"mended" not in check(str(file), "--fix").stderr
    assert file.read_text() == before


def test_what_weighs_less_now_is_told(tmp_path: Path) -> None:
    """Of MLM101 an information stays: the error was mended all the same, and a second run has nothing to say."""
    file = tmp_path / "a.yaml"
    shutil.copy(CASES / "MLM101" / "bad.yaml", file)
    done = check(str(file), "--unsafe-fixes")
    assert done.returncode == 0
    assert b"mended: MLM101 DestinationRule ml/llm /spec/host" in done.stderr
    assert check(str(file), "--unsafe-fixes").stderr == b""


def test_one_object_is_added_once_whoever_asks(tmp_path: Path) -> None:
    """Two findings that ask for the same, or for two by one name: the second is judged again."""
    file = tmp_path / "a.yaml"
    file.write_text("kind: ConfigMap\napiVersion: v1\nmetadata: {name: c}\n")
    inputs = Inputs([str(file)])

    def asking(name: str, spec: int) -> Finding:
        new = {"apiVersion": "v1", "kind": "New", "metadata": {"name": name}, "spec": {"a": spec}}
        return finding(document=0, line=1, fingerprint=f"{name}{spec}", fix="unsafe", documents=lambda: (new,))

    asked = [asking("one", 1), asking("one", 2), asking("two", 1), asking("three", 3)]
    assert mend(inputs, asked, list, unsafe=True) == []
    added = [item for item in yaml.safe_load_all(inputs.texts[0]) if item["kind"] == "New"]
    assert [(item["metadata"]["name"], item["spec"]["a"]) for item in added] == [("one", 1), ("three", 3)]


def test_a_name_that_is_taken_is_not_taken_again(tmp_path: Path) -> None:
    """The pool's namespace has a rule by the picker's name for another host: the new one is called otherwise."""
    file = tmp_path / "a.yaml"
    other = RULE.replace("epp.ml", "other.ml")
    service = (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: ml}\nspec: {ports: [{port: 80}]}\n"
    )
    file.write_text(PICKER.read_text() + other + service)
    assert b"mended: MLM602" in check(str(file), "--fix").stderr
    assert 'name: "epp-2"' in file.read_text()
    assert {"MLM602", "MLM903"}.isdisjoint(each["code"] for each in findings(file))


def test_another_object_is_changed_in_its_own_file(tmp_path: Path) -> None:
    """A subset that a route names goes into the DestinationRule, once for two routes that name it."""
    text = (CASES / "MLM103" / "bad-with-pods.yaml").read_text()
    start = text.index("---\napiVersion: networking.istio.io/v1\nkind: DestinationRule")
    end = text.index("---\n", start + 4)
    route = text[text.index("apiVersion: networking.istio.io/v1\nkind: VirtualService") : start]
    rule = tmp_path / "rule.yaml"
    rule.write_text(text[start:end])
    (tmp_path / "rest.yaml").write_text(text[:start] + text[end:])
    (tmp_path / "more.yaml").write_text(
        route.replace("name: llm,", "name: more,").replace("[llm]", "[more.example.com]")
    )
    before = {file: file.read_text() for file in tmp_path.iterdir()}
    assert check(str(tmp_path), "--unsafe-fixes").stderr.count(b"mended: MLM103") == 2
    changed = [file for file, old in before.items() if file.read_text() != old]
    assert changed == [rule]
    assert yaml.safe_load(rule.read_text())["spec"]["subsets"][1:] == [{"name": "v2", "labels": {"version": "v2"}}]


def test_what_only_the_context_holds_is_left_alone(tmp_path: Path) -> None:
    """The rule is another release's: nothing is offered."""
    text = (CASES / "MLM103" / "bad-with-pods.yaml").read_text()
    start = text.index("---\napiVersion: networking.istio.io/v1\nkind: DestinationRule")
    end = text.index("---\n", start + 4)
    context, file = tmp_path / "context.yaml", tmp_path / "a.yaml"
    context.write_text(text[start:end])
    file.write_text(text[:start] + text[end:])
    before = file.read_text()
    assert b"MLM103" in check(str(file), "--unsafe-fixes", "--context", str(context)).stdout
    assert (file.read_text(), context.read_text()) == (before, text[start:end])


def test_comments_inside_a_proxys_settings_are_kept(tmp_path: Path) -> None:
    """The annotation is a text of its own, whose words and comments stay; what is added stands behind them."""
    text = (CASES / "MLM213" / "bad.yaml").read_text()
    file = tmp_path / "a.yaml"
    file.write_text(text.replace("terminationDrainDuration: 5s\n", "terminationDrainDuration: 5s  # short\n"))
    assert b"mended: MLM213" in check(str(file), "--fix").stderr
    pods = list(yaml.safe_load_all(file.read_text()))[-1]["spec"]["template"]
    settings = pods["metadata"]["annotations"]["proxy.istio.io/config"]
    assert settings.startswith("terminationDrainDuration: 5s  # short\n")
    assert yaml.safe_load(settings)["proxyMetadata"] == {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true"}


def test_a_listener_takes_the_routes_of_every_namespace_that_asks(tmp_path: Path) -> None:
    """The first makes a list of names, its own among them, and the others go into it; who is not there is refused."""
    text = (CASES / "MLM702" / "bad.yaml").read_text()
    start = text.index("---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute")
    file = tmp_path / "a.yaml"
    file.write_text(text + "".join(text[start:].replace("team-a", f"team-{name}") for name in "bbc"))
    assert [each["code"] for each in findings(file)].count("MLM702") == 4
    assert check(str(file), "--unsafe-fixes").stderr.count(b"mended: MLM702") >= 3
    assert "MLM702" not in {each["code"] for each in findings(file)}
    gateway = next(item for item in yaml.safe_load_all(file.read_text()) if item["kind"] == "Gateway")
    allowed = gateway["spec"]["listeners"][0]["allowedRoutes"]["namespaces"]
    assert allowed["from"] == "Selector"
    (asked,) = allowed["selector"]["matchExpressions"]
    assert sorted(asked["values"]) == ["ml", "team-a", "team-b", "team-c"]
    file.write_text(file.read_text().replace('"team-c"', '"team-d"'))
    assert "MLM702" in {each["code"] for each in findings(file)}
