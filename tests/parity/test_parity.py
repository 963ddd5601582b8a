"""The same manifests through `istioctl analyze`: each of its messages is ours too, or the verdicts say why not."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from mlmesh.invariants.registry import CODES
from tests.parity.analysis import Message, analyze, analyze_each, apply, objects
from tests.parity.judged import Judged
from tests.parity.page import CLUSTER, FILES, PAGE, Seen, page
from tests.parity.verdicts import CASES, VERDICTS
from tests.support.clusters import TestCluster
from tests.support.rule_cases import CASES as RULE_CASES

FILES_OF_CASES = sorted(CASES.glob("*.yaml"))


class Said(NamedTuple):
    """What istioctl said of each case, of what it said each message, and how that was judged."""

    of: dict[str, set[Message]]
    source: dict[str, str]
    judged: dict[str, Judged]


def _code(file: Path) -> str:
    return file.stem.partition("-")[0]


def _place(file: Path) -> str:
    return f"cases/{file.stem}"


def _about(file: Path, messages: set[Message]) -> set[Message]:
    """The messages about a file's objects."""
    return {each for each in messages if (each.kind, each.namespace, each.name) in objects(file)}


@pytest.fixture(scope="module")
def istioctl(tool: Callable[[str], str]) -> str:
    """The program."""
    return tool("istioctl")


@pytest.fixture(scope="module")
def said(istioctl: str, cluster: TestCluster) -> Said:
    """All cases at once, each in namespaces of its own: of files, and of a cluster what files do not bring about."""
    messages = analyze(istioctl, CASES)
    of = {file.stem: _about(file, messages) for file in FILES_OF_CASES}
    source = {
        message.code: FILES for stem, found in of.items() for message in found if stem.partition("-")[0] == message.code
    }
    more = [file for file in FILES_OF_CASES if not any(message.code == _code(file) for message in of[file.stem])]
    try:
        apply(cluster, more)
        messages = analyze(istioctl, kubeconfig=cluster.kubeconfig)
    finally:
        cluster.empty()
    for file in more:
        of[file.stem] |= _about(file, messages)
        source.setdefault(_code(file), CLUSTER)
    judged = {}
    for file in FILES_OF_CASES:
        judged[file.stem] = Judged()
        judged[file.stem].take(file, _place(file), of[file.stem])
    return Said(of, source, judged)


@pytest.fixture(scope="module")
def rules_cases(istioctl: str) -> Judged:
    """What istioctl says of the files that each rule is held to, of those that have an object of Istio's."""
    judged = Judged()
    files = [file for file in sorted(RULE_CASES.glob("*/*.yaml")) if "istio.io/v" in file.read_text()]
    for file, messages in analyze_each(istioctl, files):
        judged.take(file, f"{file.parent.name}/{file.stem}", messages)
    return judged


def test_every_message_of_istioctl_has_a_verdict(tool: Callable[[str], str]) -> None:
    """The list is that of this very istioctl, by code, name and level; each is ours with a case, or has a reason."""
    listed = yaml.safe_load((Path(tool("istio-messages")) / "messages.yaml").read_text())["messages"]
    assert len(listed) > 60
    assert {each["code"]: (each["name"], each["level"]) for each in listed} == {
        verdict.code: (verdict.name, verdict.level) for verdict in VERDICTS.values()
    }
    cases = set(map(_code, FILES_OF_CASES))
    for verdict in VERDICTS.values():
        assert bool(verdict.ours) != bool(verdict.why), verdict.code
        assert not verdict.ours or verdict.code in cases, verdict.code
        assert set(verdict.ours) <= CODES, verdict.code


@pytest.mark.parametrize("file", FILES_OF_CASES, ids=lambda file: file.stem)
def test_a_case_is_told_by_istioctl_and_by_us(file: Path, said: Said) -> None:
    """istioctl says its message, and each that it says is a finding about the same object or has a reason not to be."""
    assert _code(file) in {message.code for message in said.of[file.stem]}
    assert said.judged[file.stem].open == []


@pytest.mark.parametrize("code", sorted(code for code, verdict in VERDICTS.items() if verdict.ours))
def test_the_codes_of_a_verdict_are_those_that_its_cases_show(code: str, said: Said) -> None:
    """None that a verdict names is without a case in which it says what istioctl says."""
    shown = {found for each in said.judged.values() for found in each.codes[code]}
    assert shown == set(VERDICTS[code].ours)


def test_what_istioctl_says_of_the_rules_cases_is_ours_too(rules_cases: Judged) -> None:
    """Over the good and bad releases of all rules: the same object is judged, or a line says why not."""
    assert len(rules_cases.codes) > 10
    assert rules_cases.open == [], "\n".join(rules_cases.open)


def test_what_istioctl_says_of_other_projects_streams_is_ours_too(istioctl: str, corpus: Path) -> None:
    """Charts that nobody here wrote, as they are."""
    judged = Judged()
    for file, messages in analyze_each(istioctl, sorted(corpus.glob("*.yaml"))):
        judged.take(file, f"corpus/{file.stem}", messages)
    assert len(judged.codes) > 5
    assert {each for verdict in VERDICTS.values() for each in verdict.omissions if each.needs_corpus} <= judged.used
    assert judged.open == [], "\n".join(judged.open)


def test_no_reason_is_left_over(said: Said, rules_cases: Judged) -> None:
    """Each omission is needed by a case, but for those that are about other projects' streams alone."""
    used = {omission for judged in (*said.judged.values(), rules_cases) for omission in judged.used}
    there = {each for verdict in VERDICTS.values() for each in verdict.omissions if not each.needs_corpus}
    assert there - used == set()


def test_the_page_is_what_was_found(said: Said, pytestconfig: pytest.Config) -> None:
    """docs/parity.md is what this run makes of it: `make test ARGS="tests/parity --write-parity"` writes it."""
    codes: dict[str, set[str]] = defaultdict(set)
    for judged in said.judged.values():
        for code, found in judged.codes.items():
            codes[code] |= found
    seen = {code: Seen(source, frozenset(codes[code])) for code, source in said.source.items()}
    if pytestconfig.getoption("--write-parity", default=False):
        PAGE.write_text(page(seen))
    assert PAGE.read_text() == page(seen)
