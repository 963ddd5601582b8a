"""One file of values for each feature: alone and two by two they render, break no rule, and fit their schemas."""

import json
import subprocess
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.helm import Helm
from dev.toolchain import ROOT, tool
from tests.chart.charts import Render, documents, kinds
from tests.support.streams import rendered

FEATURES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "chart" / "ci").glob("*-values.yaml"))
OVERLAYS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "values").glob("*.yaml"))
# Their schemas are Kubernetes' own; tests/cluster asks the API server itself about them. PodMonitor is Prometheus'.
BUILT_IN = (
    "Namespace,Service,ServiceAccount,ConfigMap,Deployment,StatefulSet,DaemonSet,Job,CronJob,NetworkPolicy,Pod,Role,"
    "RoleBinding,PodMonitor,MeshPolicy"
)


def _stream(program: Helm, *files: str) -> str:
    arguments = [word for file in files for word in ("--values", file)]
    done = program.run("template", "ml-mesh", "chart", "--namespace", "ml-mesh", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _errors(text: str) -> list[str]:
    return [f"{each.code} {each.kind} {each.name}" for each in rendered(text).findings if each.severity == "error"]


@pytest.mark.parametrize("file", FEATURES)
def test_a_feature_renders_and_breaks_no_rule(stream: Callable[..., str], file: str) -> None:
    """With each Helm; the file begins with what it is for, and changes what is rendered."""
    assert (ROOT / file).read_text().startswith("# Purpose: ")
    text = stream("--values", file)
    assert _errors(text) == []
    assert text != stream()


def test_all_pairs_of_features(helm: Callable[[str], Helm]) -> None:
    """Any two together render, no object comes twice, and no rule is broken."""
    program = helm("helm3")
    broken = {}
    for pair in combinations(FEATURES, 2):
        text = _stream(program, *pair)
        keys = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in documents(text)]
        twice = [str(key) for key in keys if keys.count(key) > 1]
        if found := [*_errors(text), *twice]:
            broken[pair] = found
    assert len(FEATURES) > 10
    assert broken == {}


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSON Schemas of Istio's and Gateway API's CRDs, in which a field that is not known is wrong."""
    folder = tmp_path_factory.mktemp("schemas")
    for file in tool("crds").rglob("*.yaml"):
        for crd in yaml.load_all(file.read_text(), yaml.CSafeLoader):
            for version in crd["spec"]["versions"] if crd and crd["kind"] == "CustomResourceDefinition" else ():
                name = f"{crd['spec']['group']}_{crd['spec']['names']['kind'].lower()}_{version['name']}.json"
                (folder / name).write_text(json.dumps(_closed(version["schema"]["openAPIV3Schema"], root=True)))
    return folder


def _closed(schema: Any, *, root: bool = False) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if root:
        closed["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {}}
    open_ones = ("additionalProperties", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string")
    named = isinstance(closed.get("properties"), dict) and schema.get("type") == "object"
    if named and not any(key in closed for key in open_ones):
        closed["additionalProperties"] = False
    return closed


def _conforms(schemas: Path, folder: Path) -> Iterator[tuple[str, str, str]]:
    command = [str(tool("kubeconform")), "-output", "json", "-skip", BUILT_IN]
    command += [
        "-schema-location",
        f"{schemas}/{{{{.Group}}}}_{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for each in json.loads(done.stdout)["resources"] or ():
        yield each["filename"], f"{each['kind']} {each['name']}", each["msg"]


def test_everything_fits_the_schemas(render_once: Render, schemas: Path, tmp_path: Path) -> None:
    """kubeconform finds each object of the defaults, of every option, overlay and feature to be as its CRD wants it."""
    cases = {"default": (), **{file: ("--values", file) for file in (*FEATURES, *OVERLAYS, "tests/chart/full.yaml")}}
    for name, arguments in cases.items():
        stream = yaml.safe_dump_all(render_once(*arguments))
        (tmp_path / f"{name.replace('/', '_')}.yaml").write_text(stream)
    assert list(_conforms(schemas, tmp_path)) == []
    routes = kinds(render_once(), "VirtualService")
    wrong = [{**each, "spec": {**each["spec"], "hostz": ["x"]}} for each in routes]
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump_all(wrong))
    assert {Path(file).name for file, _, _ in _conforms(schemas, tmp_path)} == {"wrong.yaml"}
