"""Rules on InferencePools, Gateway API and objects that are there twice: what mends a finding, and what they ask."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlmesh.graph.pickers import option, serves_tls
from mlmesh.manifests.objects import alike
from mlmesh.manifests.stream import read
from mlmesh.post_renderer import post_render
from tests.support.rule_cases import CASES, bad_cases, check, findings
from tests.support.streams import codes, policy, rendered

MENDED = ("MLM608", "MLM611", "MLM613", "MLM701", "MLM705")
FILES = [file for code in MENDED for file, _ in bad_cases(code)]


@pytest.mark.parametrize("file", FILES, ids=[f"{file.parent.name}-{file.stem}" for file in FILES])
def test_a_fix_mends_what_is_found(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `mlmesh check --unsafe-fixes` writes has no finding of the rule any more, nor another one instead."""
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / file.name
    copy.write_bytes(file.read_bytes())
    before = findings(copy)
    fixes = {each["fix"] for each in before if each["code"] == file.parent.name}
    check(copy, "--unsafe-fixes")
    if fixes == {"none"}:
        assert file.parent.name in {each["code"] for each in findings(copy)}
        offered = any(each["fix"] != "none" for each in before)  # by another rule
        assert offered or copy.read_bytes() == file.read_bytes()
    else:
        assert {each["code"] for each in findings(copy) if each["severity"] != "info"} == set()
        assert file.parent.name not in {each["code"] for each in findings(copy)}


def test_each_rule_that_has_fixes_has_a_case_that_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule drops out of the test above unseen."""
    for code in MENDED:
        monkeypatch.chdir(CASES / code)
        found = [each for file, _ in bad_cases(code) for each in findings(file) if each["code"] == code]
        assert {each["fix"] for each in found} - {"none"}, code


@pytest.mark.parametrize("code", ["MLM602", "MLM704"])
def test_the_manifest_of_a_remedy_mends_the_release(code: str) -> None:
    """Where a remedy says `add: {...}`, that object beside the others ends the finding."""
    text = (CASES / code / "bad.yaml").read_text()
    (found,) = [each for each in rendered(text).findings if each.code == code]
    manifest = found.remedy.partition("add: ")[2].rpartition("}")[0] + "}"
    assert code not in {each.code for each in rendered(f"{text}---\n{manifest}\n").findings}


@pytest.mark.parametrize(
    ("words", "tls"),
    [
        ([], True),
        (["--secure-serving"], True),
        (["--secure-serving=true"], True),
        (["--secure-serving=false"], False),
        (["-secure-serving=0"], False),
        (["--secure-serving", "false"], True),  # a boolean takes its value behind an equals sign only
        (["--secure-serving=false", "--secure-serving=t"], True),
    ],
)
def test_a_picker_serves_tls_unless_its_option_is_false(words: list[str], tls: bool) -> None:
    """As Go's pflag and strconv.ParseBool read it."""
    assert serves_tls(words) is tls


def test_an_options_value_stands_behind_it_or_behind_an_equals_sign() -> None:
    """The last one counts; an option of which this is the beginning is another."""
    assert option(["--port", "9", "--metrics-port=8", "--port=7"], "port") == "7"
    assert option(["--port", "9"], "port") == "9"
    assert option(["--port", "--other"], "port") == "true"
    assert option(["--portable=1", "port=3"], "port") == ""


def test_a_grant_that_the_context_holds_counts() -> None:
    """What the cluster has already need not be in the release."""
    text = (CASES / "MLM704" / "bad.yaml").read_text()
    good = [item for item in yaml.safe_load_all((CASES / "MLM704" / "good.yaml").read_text()) if item]
    grant = yaml.safe_dump(next(item for item in good if item["kind"] == "ReferenceGrant"))
    found = post_render(text.encode(), context=[("cluster.yaml", grant.encode())], as_it_is=True).findings
    assert "MLM704" not in {each.code for each in found}


def test_a_picker_that_the_context_holds_is_found() -> None:
    """A pool whose picker another release installed has it."""
    text = (CASES / "MLM601" / "bad.yaml").read_text()
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: picker, namespace: ml}\nspec: {ports: [{port: 9002}]}\n"
    found = post_render(text.encode(), context=[("cluster.yaml", service.encode())], as_it_is=True).findings
    assert "MLM601" not in {each.code for each in found}


def test_what_is_absent_is_an_error_only_where_the_release_owns_the_namespace() -> None:
    """Without the Namespace object it is a warning, and an error again where the policy says that it owns it."""
    for code in ("MLM601", "MLM602", "MLM603", "MLM610", "MLM704"):
        items = [item for item in yaml.safe_load_all((CASES / code / "bad.yaml").read_text()) if item]
        labels = next(item["metadata"].get("labels", {}) for item in items if item["kind"] == "Namespace")
        others = [item for item in items if item["kind"] != "Namespace"]
        injected = bool(labels)  # without the namespace's label only the pods' own tells of a sidecar
        for item in others:
            if injected and item["kind"] == "Deployment" and item["metadata"]["name"] == "llm":
                item["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] = "true"
        text = "---\n".join(map(yaml.safe_dump, others))
        severities = dict(codes(rendered(text, policy(owns=["ml", "models"]))))
        assert dict(codes(rendered(text)))[code] == "warning", code
        assert severities[code] == "error", code


def test_hooks_alone_are_no_release() -> None:
    """Helm 4 may send hooks apart: then nothing is said to be absent."""
    items: list[Any] = [item for item in yaml.safe_load_all((CASES / "MLM601" / "bad.yaml").read_text()) if item]
    for item in items:
        item["metadata"]["annotations"] = {"helm.sh/hook": "pre-install"}
    assert "MLM601" not in dict(codes(rendered("---\n".join(map(yaml.safe_dump, items)))))


def document(kind: str, metadata: str) -> str:
    """A document of a kind that nobody reads."""
    return f"apiVersion: example.com/v1\nkind: {kind}\n{metadata}spec:\n  name: same\n  namespace: same\n"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("metadata:\n  name: a\n", "metadata:\n  name: a\n", True),
        ("metadata:\n  name: a\n", 'metadata:\n  labels: {a: b}\n  name: "a"  # the same\n', True),
        ("metadata:\n  name: a\n  namespace: ml\n", "metadata:\n  name: a\n", True),
        ("metadata:\n  name: a\n  namespace: ml\n", "metadata:\n  name: a\n  namespace: other\n", False),
        ("metadata:\n  name: a\n", "metadata:\n  name: b\n", False),
        ("metadata: {name: a}\n", "metadata: {name: a}\n", True),
        ("metadata: {name: a}\n", "metadata: {name: b}\n", False),
        ("metadata:\n    name: a\n", "metadata:\n  name: a\n", True),
        ("metadata:\n    name: a\n", "metadata:\n    name: b\n", False),
    ],
)
def test_documents_that_seem_to_be_one_object_are_told_by_their_text(one: str, other: str, same: bool) -> None:
    """Kind, namespace and name are seen without parsing."""
    text = document("Thing", one).replace("  namespace: same\n", "") + "---\n"
    stream = read((text + document("Thing", other).replace("  namespace: same\n", "")).encode())
    assert bool(alike(stream.documents, (), "ml")) is same
    assert all(each._data is None for each in stream.documents)


def test_documents_that_are_no_copies_are_not_parsed_for_that() -> None:
    """A kind that nobody reads costs its text alone, even where that could not be parsed."""
    broken = document("Thing", "metadata:\n  name: a\n") + "x: [\n"
    result = rendered(broken + "---\n" + document("Thing", "metadata:\n  name: b\n  namespace: ml\n"))
    assert codes(result) == []


@pytest.mark.parametrize("form", ["{}", "'{}'", '"{}"', "{} "])
def test_an_object_is_told_twice_however_it_is_written(form: str) -> None:
    """JSON on one line or on several, and quoted keys, are compared too, with each other and with plain YAML."""
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ml"}}
    plain = yaml.safe_dump(item)
    written = re.sub(r"(?m)^( *)(\w+):", lambda found: f"{found[1]}{form.format(found[2])}:", plain)
    texts = [plain, written, json.dumps(item), json.dumps(item, indent=2)]
    for one, other in itertools.product(texts, repeat=2):
        assert codes(rendered(f"{one}\n---\n{other}\n")) == [("MLM903", "error")], (one, other)


@pytest.mark.parametrize("copies", [1, 2])
def test_an_allowance_on_either_copy_is_for_the_object(copies: int) -> None:
    """Two templates seldom carry the same annotation."""
    plain = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: ml\n"
    spoken = plain + '  annotations:\n    allow.mlmesh.dev/MLM903: "the second is meant"\n'
    assert codes(rendered(f"{plain}---\n{plain}")) == [("MLM903", "error")]
    assert codes(rendered(f"{spoken}---\n{plain if copies == 1 else spoken}")) == []
    assert codes(rendered(f"{plain}---\n{spoken}")) == []
