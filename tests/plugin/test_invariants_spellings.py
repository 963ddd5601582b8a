"""Every case of every rule in other spellings of the same objects: what is said of them is the same."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.rule_cases import CASES, findings

FILES = sorted(CASES.glob("*/*.yaml"))
Items = list[dict[str, Any]]


def as_list(items: Items) -> str:
    """All objects in one List, as kubectl writes them."""
    inner = [each for item in items for each in (item["items"] if item["kind"] == "List" else [item])]
    return yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": inner})


def as_json(items: Items) -> str:
    """Each object on a line of JSON."""
    return "\n---\n".join(map(json.dumps, items))


def with_quoted_keys(items: Items) -> str:
    """Keys in single quotes, and a blank before the colon."""
    return re.sub(r"(?m)^(\s*(?:- )*)([A-Za-z][\w./-]*):(?=\s)", r"\1'\2' :", yaml.safe_dump_all(items, width=1000))


# What charts write though their values say nothing of it: `{{ .Values.timeout }}`.
LEFT_OUT: dict[str, dict[str, list[str]]] = {
    "VirtualService": {
        "spec": ["exportTo", "gateways"],
        "spec.http[]": ["match", "timeout", "retries", "mirror", "delegate", "rewrite", "redirect"],
        "spec.http[].route[]": ["weight"],
        "spec.http[].route[].destination": ["port", "subset"],
        "spec.http[].retries": ["retryOn", "perTryTimeout"],
    },
    "HTTPRoute": {
        "spec": ["hostnames"],
        "spec.parentRefs[]": ["group", "kind", "namespace", "sectionName", "port"],
        "spec.rules[]": ["matches", "filters", "timeouts", "retry"],
        "spec.rules[].timeouts": ["request", "backendRequest"],
        "spec.rules[].backendRefs[]": ["group", "kind", "namespace", "weight"],
    },
    "GRPCRoute": {"spec.parentRefs[]": ["group", "kind"], "spec.rules[].backendRefs[]": ["kind"]},
    "DestinationRule": {"spec": ["exportTo", "subsets", "trafficPolicy"], "spec.trafficPolicy": ["tls"]},
    "Service": {"spec": ["selector", "type"], "spec.ports[]": ["name", "appProtocol", "targetPort", "protocol"]},
    "Gateway": {"spec.listeners[]": ["hostname", "tls", "allowedRoutes"]},
    "InferencePool": {"spec.endpointPickerRef": ["failureMode", "kind"]},
    "AuthorizationPolicy": {
        "spec.rules[]": ["from", "to", "when"],
        "spec.rules[].from[].source": ["principals", "ipBlocks", "namespaces"],
    },
    "Deployment": {
        "spec": ["replicas"],
        "spec.template.spec": ["terminationGracePeriodSeconds", "hostNetwork", "initContainers"],
        "spec.template.spec.containers[]": ["command", "args", "ports", "resources"],
    },
}


def with_nulls(items: Items) -> str:
    """Each field that is left out, as a key without a value."""
    for item in items:
        for path, keys in LEFT_OUT.get(item["kind"], {}).items():
            for holder in holders(item, path):
                for key in keys:
                    holder.setdefault(key, None)
    return yaml.safe_dump_all(items)


def holders(item: Any, path: str) -> Items:
    """The maps at a path whose lists are marked ``[]``."""
    found = [item]
    for step in path.split("."):
        values = [each.get(step.removesuffix("[]")) for each in found]
        if step.endswith("[]"):
            values = [inner for value in values if isinstance(value, list) for inner in value]
        found = [value for value in values if isinstance(value, dict)]
    return found


FORMS = (as_list, as_json, with_quoted_keys, with_nulls)


@pytest.mark.parametrize("spelt", FORMS)
@pytest.mark.parametrize("code", sorted({file.parent.name for file in FILES}))
def test_a_case_is_judged_alike_however_it_is_written(code: str, spelt: Callable[[Items], str], tmp_path: Path) -> None:
    """The same codes and severities for the same objects as one List, as JSON, with keys in quotes and with nulls."""
    for file in (each for each in FILES if each.parent.name == code):
        items = [item for item in yaml.safe_load_all(file.read_text()) if item]
        (tmp_path / code).mkdir(exist_ok=True)
        other = tmp_path / code / "other.yaml"
        other.write_text(spelt(items))
        assert said(other) == said(file), file


def said(file: Path) -> list[tuple[str, str, str, str]]:
    """What is found in a file, in no order."""
    return sorted((each["code"], each["severity"], each["kind"], each["name"]) for each in findings(file))


@pytest.mark.parametrize("spelt", [as_list, as_json])
def test_a_kind_that_nobody_knows_may_make_pods(spelt: Callable[[Items], str], tmp_path: Path) -> None:
    """Where an operator may add pods, or labels, nobody can tell that a selector misses: MLM953 is an information."""
    made = {"apiVersion": "example.com/v1", "kind": "Fleet", "metadata": {"name": "llm", "namespace": "ml"}}
    items = [item for item in yaml.safe_load_all((CASES / "MLM953" / "bad.yaml").read_text()) if item]
    (tmp_path / "MLM953").mkdir()
    file = tmp_path / "MLM953" / "other.yaml"
    for more, severity in (([], "warning"), ([made], "info")):
        file.write_text(spelt([*items, *more]))
        assert {each["severity"] for each in findings(file) if each["code"] == "MLM953"} == {severity}
