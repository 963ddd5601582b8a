"""What fixes add, and what they leave of an object, is taken by an API server."""

import pytest
import yaml

from mlmesh.commands.fixes import mend
from mlmesh.commands.inputs import Inputs
from mlmesh.model.findings import Finding
from mlmesh.post_renderer import post_render
from tests.cluster.test_derived_routes import refusal
from tests.support.clusters import TestCluster
from tests.support.rule_cases import CASES, bad_cases

ADDING = ("MLM101", "MLM103", "MLM302", "MLM305", "MLM602", "MLM610", "MLM704")
CHANGING = (
    "MLM204",
    "MLM212",
    "MLM213",
    "MLM307",
    "MLM309",
    "MLM504",
    "MLM506",
    "MLM507",
    "MLM603",
    "MLM609",
    "MLM702",
)


@pytest.mark.parametrize("code", [*ADDING, *CHANGING])
def test_what_a_fix_leaves_is_taken(cluster: TestCluster, code: str) -> None:
    """Every object that all fixes of a rule's cases have made or changed."""
    seen = 0
    for case, _ in bad_cases(code):
        text = case.read_bytes()
        inputs = Inputs.of([case.name], [text])

        def judged(inputs: Inputs = inputs) -> list[Finding]:
            return post_render(inputs.stream, as_it_is=True).findings

        mend(inputs, judged(), judged, unsafe=True)
        before = list(yaml.safe_load_all(text))
        for item in yaml.safe_load_all(inputs.texts[0]):
            if item not in before:
                seen += 1
                assert refusal(cluster, yaml.safe_dump(item)) == "", (case.name, item["kind"])
    assert seen, CASES / code
