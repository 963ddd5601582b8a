"""`mlmesh policy`: settings that travel from one release to another, and the form that they have."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dev.helm import Helm

MLMESH = Path(sys.executable).parent / "mlmesh"
# An object of another chart that names no namespace, and a host of its own namespace.
THEIRS = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: theirs}
spec:
  hosts: [theirs]
  http:
    - route: [{destination: {host: theirs}}]
"""


def mlmesh(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(MLMESH), *arguments], input=stdin, capture_output=True, text=True, check=False)


def exported(*arguments: str, stdin: str = "") -> str:
    done = mlmesh("policy", "export", *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["", "values/demo.yaml", "tests/chart/full.yaml"])
def stream(request: pytest.FixtureRequest, helm: Callable[[str], Helm]) -> str:
    """A rendered chart, before the post-renderer."""
    values = ["--values", request.param] if request.param else []
    done = helm("helm4").run("template", "ml-mesh", "chart/", "--namespace", "ml-mesh", *values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_export_is_a_policy_that_exports_itself(stream: str, tmp_path: Path) -> None:
    """From the stream, from the ConfigMap that it becomes, and from its own file: the same, and by the schema."""
    first = exported(stdin=stream)
    after = subprocess.run(
        [str(MLMESH.parent / "mlmesh-post")], input=stream, capture_output=True, text=True, check=True
    )
    (held,) = [
        each
        for each in yaml.safe_load_all(after.stdout)
        if each and (each["metadata"].get("labels") or {}).get("mlmesh.dev/policy")
    ]
    again = exported(stdin=yaml.safe_dump(held))
    assert yaml.safe_load(again)["spec"] == yaml.safe_load(first)["spec"]
    file = tmp_path / "platform.yaml"
    file.write_text(again)
    assert exported(str(file)) == again
    schema = json.loads(mlmesh("policy", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(first), schema)
    assert "release" not in yaml.safe_load(first)["spec"]


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    """A field that is none, where it is none."""
    schema = json.loads(mlmesh("policy", "schema").stdout)
    wrong = {
        "apiVersion": "mlmesh.dev/v1alpha1",
        "kind": "MeshPolicy",
        "spec": {"sidecars": {"inference": {"cpu": "1"}}},
    }
    with pytest.raises(jsonschema.ValidationError, match="'cpu' was unexpected"):
        jsonschema.validate(wrong, schema)


def test_files_lie_over_the_stream_s_policy(tmp_path: Path, stream: str) -> None:
    """As in a run of the post-renderer; a text that YAML would take for a number stays a text."""
    file = tmp_path / "over.yaml"
    spec: dict[str, Any] = {
        "invariants": {"allow": [{"code": "MLM101", "kind": "Service", "name": "1e3", "reason": "no"}]}
    }
    file.write_text(json.dumps({"apiVersion": "mlmesh.dev/v1alpha1", "kind": "MeshPolicy", "spec": spec}))
    found = exported("--policy", str(file), stdin=stream)
    assert yaml.safe_load(found)["spec"]["invariants"]["allow"] == spec["invariants"]["allow"]
    assert '"1e3"' in found


def test_a_platform_s_policy_does_not_take_the_other_chart_s_objects_for_its_own(tmp_path: Path, stream: str) -> None:
    """Neither its export nor its ConfigMap puts objects without a namespace into the platform's."""
    after = subprocess.run(
        [str(MLMESH.parent / "mlmesh-post")], input=stream, capture_output=True, text=True, check=True
    )
    (configmap,) = [document for document in after.stdout.split("\n---\n") if 'mlmesh.dev/policy: "true"' in document]
    for text in (exported(stdin=stream), configmap):
        file = tmp_path / "platform.yaml"
        file.write_text(text)
        done = mlmesh("check", "--policy", str(file), "--format", "json", "-", stdin=THEIRS)
        assert done.returncode == 0, done.stdout
        assert {each["namespace"] for each in json.loads(done.stdout)["findings"]} <= {""}


def test_no_policy_is_an_error() -> None:
    """Exit 2, and what would have one."""
    done = mlmesh("policy", "export", stdin=THEIRS)
    assert done.returncode == 2
    assert "there is no policy in it" in done.stderr
    assert "RELEASE-mesh-policy" in done.stderr


def test_the_help_teaches() -> None:
    """With examples, by both commands."""
    assert "mlmesh policy export > platform.yaml" in mlmesh("policy", "export", "--help").stdout
    assert "mlmesh policy schema" in mlmesh("policy", "schema", "--help").stdout
