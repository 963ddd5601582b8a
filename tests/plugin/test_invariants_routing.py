"""Rules on routing and its times: what mends a finding, and what a rule before another takes."""

import json
import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlmesh.invariants.order import _covers, takes_all
from tests.support.rule_cases import CASES, bad_cases, check, findings
from tests.support.streams import codes, policy, rendered

MENDED = (
    *("MLM102", "MLM105", "MLM106", "MLM109", "MLM110", "MLM111"),
    *("MLM201", "MLM202", "MLM203", "MLM205", "MLM206", "MLM208", "MLM209", "MLM210", "MLM211"),
)
FILES = [file for code in MENDED for file, _ in bad_cases(code)]


@pytest.mark.parametrize("file", FILES, ids=[f"{file.parent.name}-{file.stem}" for file in FILES])
def test_a_fix_mends_what_is_found(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `mlmesh check --unsafe-fixes` writes has no finding of the rule any more, nor another one instead."""
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / file.name
    copy.write_bytes(file.read_bytes())
    fixes = {each["fix"] for each in findings(copy) if each["code"] == file.parent.name}
    check(copy, "--unsafe-fixes")
    if fixes == {"none"}:
        assert copy.read_bytes() == file.read_bytes()
    else:
        assert {each["code"] for each in findings(copy) if each["severity"] != "info"} == set()


def test_each_rule_that_has_fixes_has_a_case_that_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule drops out of the test above unseen."""
    for code in MENDED:
        monkeypatch.chdir(CASES / code)
        found = [each for file, _ in bad_cases(code) for each in findings(file) if each["code"] == code]
        assert {each["fix"] for each in found} - {"none"}, code


# Everything that a match of a VirtualService can ask for, in few values, so that requests can be tried one by one.
PATHS = ("/", "/a", "/a/b", "/A", "/ab", "/c")
METHODS = ("GET", "POST")
HEADERS: tuple[dict[str, str], ...] = ({}, {"x": "1"}, {"x": "12"})
LABELS: tuple[dict[str, str], ...] = ({}, {"app": "w"})
GATEWAYS = ("mesh", "gw")
PORTS = (80, 81)
REQUESTS = list(product(PATHS, METHODS, HEADERS, LABELS, GATEWAYS, PORTS))


def text(match: dict[str, str], value: str) -> bool:
    """Whether a StringMatch fits; an empty one asks for any text."""
    if not match:
        return True
    ((form, wanted),) = match.items()
    return value == wanted if form == "exact" else value.startswith(wanted) if form == "prefix" else True


def fits(match: dict[str, Any], request: Any) -> bool:
    """Whether Istio gives a proxy a route for the match (sourceMatchHTTP), and Envoy takes the request by it."""
    path, method, headers, labels, gateway, port = request
    if "gateways" in match:
        if gateway not in match["gateways"]:
            return False
    elif any(labels.get(key) != value for key, value in match.get("sourceLabels", {}).items()):
        return False
    if match.get("port", port) != port or not text(match.get("method", {}), method):
        return False
    uri = match.get("uri", {})
    if match.get("ignoreUriCase"):
        uri, path = {key: value.lower() for key, value in uri.items()}, path.lower()
    if not text(uri, path):
        return False
    for name, wanted in match.get("headers", {}).items():
        if name.lower() not in headers or not text(wanted, headers[name.lower()]):
            return False
    return all(
        name not in headers or not text(wanted, headers[name])
        for name, wanted in match.get("withoutHeaders", {}).items()
    )


def anything(rng: random.Random) -> dict[str, Any]:
    """A match of some of its fields."""
    fields: dict[str, list[Any]] = {
        "uri": [*({form: path} for form in ("exact", "prefix") for path in PATHS), {"regex": ".*"}],
        "ignoreUriCase": [True],
        "method": [{"exact": "GET"}, {"prefix": "P"}],
        "headers": [{"x": {"exact": "1"}}, {"X": {"prefix": "1"}}, {"x": {}}],
        "withoutHeaders": [{"x": {}}, {"x": {"exact": "1"}}],
        "sourceLabels": [{"app": "w"}],
        "gateways": [["mesh"], ["gw"], ["mesh", "gw"]],
        "port": [80],
        "name": ["n"],
    }
    return {key: rng.choice(values) for key, values in fields.items() if rng.random() < (0.8 if key == "uri" else 0.2)}


def test_a_match_covers_another_only_if_every_request_tells_so() -> None:
    """Of very many pairs: where one is said to cover the other, no request fits the other alone."""
    rng = random.Random(7)  # noqa: S311 - the same every time
    covered = 0
    for _ in range(20_000):
        wide, narrow = anything(rng), anything(rng)
        if _covers(wide, narrow):
            covered += 1
            assert not [each for each in REQUESTS if fits(narrow, each) and not fits(wide, each)], (wide, narrow)
    assert covered > 500


def test_a_rule_takes_all_only_if_every_request_fits() -> None:
    """A rule that is said to take everything leaves nothing to the ones behind it, and most plain ones are seen."""
    rng = random.Random(8)  # noqa: S311 - the same every time
    said = 0
    for _ in range(3000):
        match = anything(rng)
        if takes_all({"match": [match]}):
            said += 1
            assert all(fits(match, each) for each in REQUESTS), match
    assert said > 30
    assert takes_all({})
    assert not takes_all({"delegate": {"name": "n"}})


ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: ml}
spec:
  hosts: [llm]
  http: [{route: [{destination: {host: llm}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: llm, namespace: ml}
spec: {selector: {app: llm}, ports: [{name: http, port: 80}]}
"""


def test_what_the_context_claims_is_a_warning() -> None:
    """A VirtualService of another release may be gone by then; one of the same release is not."""
    other = ROUTE.partition("---")[0].replace("name: a", "name: b")
    assert ("MLM107", "error") in codes(rendered(f"{ROUTE}---\n{other}"))
    from mlmesh.post_renderer import post_render

    found = post_render(ROUTE.encode(), [], context=[("c.yaml", other.encode())], namespace="ml").findings
    assert [(each.code, each.severity, each.name) for each in found if each.code == "MLM107"] == [
        ("MLM107", "warning", "a")
    ]


def test_a_service_of_an_operators_object_is_no_error() -> None:
    """Nobody here knows what the controller of a kind makes: that it makes nothing of that name is not sure."""
    owned = policy(owns=["ml"])
    canary = "---\napiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: llm, namespace: ml}\nspec: {}\n"
    text_ = ROUTE.replace("host: llm}", "host: llm-primary}")
    assert ("MLM102", "error") in codes(rendered(text_, owned))
    assert ("MLM102", "warning") in codes(rendered(text_ + canary, owned))


def test_another_cluster_domain_is_the_meshs() -> None:
    """Full names are of the domain that the policy says."""
    text_ = ROUTE.replace("host: llm}", "host: llm.ml.svc.corp.example}")
    assert codes(rendered(text_, policy(mesh={"clusterDomain": "corp.example"}))) == []
    assert ("MLM102", "info") in codes(rendered(text_))


def test_documents_in_a_list_are_judged_alike() -> None:
    """A List is what kubectl prints: its items are objects like others, and pointers lead to them."""
    items = [*yaml.safe_load_all(ROUTE)]
    items[0]["spec"]["http"][0]["route"][0]["destination"]["port"] = {"number": 8080}
    found = rendered(json.dumps({"apiVersion": "v1", "kind": "List", "items": items})).findings
    assert [(each.code, each.pointer) for each in found if each.code == "MLM105"] == [
        ("MLM105", "/items/0/spec/http/0/route/0/destination/port/number")
    ]


def test_what_is_read_again_is_not_counted_twice() -> None:
    """A stream near the limit of what it may hold is judged as a small one is; a List is read once for all its pods."""
    items = []
    for number in range(400):
        name = f"s{number}"
        items += [
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "ml"}}
            | {"spec": {"selector": {"app": name}, "ports": [{"name": "http2", "port": 8000}]}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "ml"}}
            | {"spec": {"template": {"metadata": {"labels": {"app": name}}, "spec": _vllm()}}},
        ]
    found = rendered(json.dumps({"apiVersion": "v1", "kind": "List", "items": items})).findings
    assert sum(each.code == "MLM211" for each in found) == 400


def _vllm() -> dict[str, Any]:
    env = [{"name": f"E{number}", "value": "1"} for number in range(50)]  # many keys and values for little text
    return {"containers": [{"name": "c", "image": "vllm/vllm-openai:v0.12.0", "env": env}]}
