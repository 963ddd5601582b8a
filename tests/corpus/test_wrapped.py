"""Other projects' streams as charts, through both Helms: what mlmesh-post changes is its plan, the rest is Helm's own.

Each stream becomes a chart, which each Helm renders three times: alone, with a renderer that copies, and with
mlmesh-post under a policy that gives every labelled pod a role. Between the last two every difference must be a patch
of the plan, each patch once; between the first two every difference is Helm's own and listed in helms_own.yaml. Objects
are compared in Go's reading.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml

from dev.helm import Helm
from mlmesh.manifests import stream as manifests
from mlmesh.post_renderer import post_render
from tests.corpus.wrapping import NORMAL, chart_of, comparable, key, policy_for, rendered, with_annotations
from tests.plugin.manifests.oracle import GoError, Oracle

LISTED: dict[str, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "helms_own.yaml").read_text())


class Case:
    """One stream through one Helm: the three outputs as Go reads them, and the plan for what Helm hands over."""

    def __init__(self, helm: Helm, text: str, folder: Path, oracle: Oracle) -> None:
        chart = chart_of(text, folder)
        policy = folder / "policy.json"
        policy.write_text(policy_for(text))
        self.outputs = {}
        for renderer in ("", "copy", "mlmesh-post"):
            printed, error = rendered(helm, chart, renderer, policy)
            self.error = error
            if error:
                return
            documents = manifests.read(printed.encode()).documents
            self.outputs[renderer] = [oracle.read(document.text) for document in documents]
        taken = (chart / f"taken-{helm.name}.yaml").read_bytes()
        result = post_render(taken, [("p", policy.read_bytes())])
        operations: dict[int, list[dict[str, Any]]] = {}
        for patch in result.patches:
            operations.setdefault(patch.document, []).extend(map(dict, patch.operations))
        self.plan = [
            (key(oracle.read(result.stream.documents[index].text)), changes) for index, changes in operations.items()
        ]


def unexplained(case: Case) -> list[str]:
    """What mlmesh-post changed and the plan does not say, or the plan says and it did not change."""
    wrong = []
    plan = list(case.plan)
    copied, ours = case.outputs["copy"], case.outputs["mlmesh-post"]
    if len(copied) != len(ours):
        return [f"{len(copied)} documents became {len(ours)}"]
    for before, after in zip(copied, ours, strict=True):
        if isinstance(before, GoError) or before == after:
            continue
        for entry in plan:
            named, operations = entry
            if named == key(before) and after in replayed(before, operations):
                plan.remove(entry)
                break
        else:
            wrong.append(f"{' '.join(key(before))} changed otherwise than planned")
    return wrong + [f"{' '.join(named)} was to change and did not" for named, _ in plan]


def replayed(before: dict[str, Any], operations: list[dict[str, Any]]) -> list[object]:
    """The object with the operations applied; none where they do not fit, since two objects can have one name.

    Helm 4 makes a map for its file name annotation, which the plan then finds, and takes it away again.
    """
    results = []
    for start in (before, with_annotations(before)):
        try:
            results.append(jsonpatch.apply_patch(start, operations))
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
            continue
    return results


def causes(case: Case) -> list[str]:
    """Why Helm's output with a renderer that only copies differs from its output without one."""
    found: list[str] = []
    outputs = [case.outputs[""], case.outputs["copy"]]
    for cause, normal in NORMAL.items():
        if comparable(outputs[0]) == comparable(outputs[1]):
            return found
        before = comparable(outputs[1])
        outputs = [[part for item in items for part in normal(item)] for items in outputs]
        if comparable(outputs[1]) != before or comparable(outputs[0]) == comparable(outputs[1]):
            found.append(cause)
    return found if comparable(outputs[0]) == comparable(outputs[1]) else [*found, "unknown"]


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_differences_are_the_plan_s_or_helm_s_own(
    corpus: Path,
    tmp_path: Path,
    helm: Callable[[str], Helm],
    tool: Callable[[str], str],
    name: str,
) -> None:
    """Every stream of the corpus, with counts; a stream that a Helm refuses or changes itself is listed, with why."""
    program, oracle_program = helm(name), tool("go-oracle")
    streams = sorted(corpus.glob("*.yaml"))

    def run(path: Path) -> tuple[str, int, list[str], list[str]]:
        oracle = Oracle(oracle_program)
        try:
            case = Case(program, path.read_bytes().decode(), tmp_path / path.stem, oracle)
        finally:
            oracle.close()
        if case.error:
            return path.stem, 0, [], [f"refused: {case.error.strip().splitlines()[-1]}"]
        return path.stem, len(case.plan), unexplained(case), causes(case)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(run, streams))
    assert {stem: lines for stem, _, lines, _ in done if lines} == {}
    own = {stem: named for stem, _, _, named in done if named}
    assert {cause for named in own.values() for cause in named} == set(LISTED[name]), own
    assert sum(count for _, count, _, _ in done) > 400
