"""The registry of rules, and each rule on the releases that it is held to, by the command line."""

import re
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlmesh.graph.release import Release
from mlmesh.invariants import registry
from mlmesh.invariants.registry import ALLOWANCE_CODES, CODES, rules
from mlmesh.invariants.rule import PODS, Rule
from mlmesh.invariants.topics import ANY, MARKED, ON_DEMAND, TOPICS
from mlmesh.manifests.objects import KubeObject
from tests.support.rule_cases import CASES, bad_cases, check, findings, good_cases
from tests.support.streams import policy, rendered

RULES = {rule.code: rule for rule in rules()}


def test_every_rule_tells_its_code_name_and_reach() -> None:
    """The registry is well-formed: codes sorted and unique, names in kebab-case, words that the docs know."""
    codes = [rule.code for rule in rules()]
    assert codes == sorted(set(codes))
    assert set(codes) == CODES
    for rule in rules():
        assert re.fullmatch(r"MLM\d{3}", rule.code)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.name)
        assert rule.severity in ("error", "warning", "info")
        assert rule.confidence in ("object", "contradiction", "absence", "version", "guess")
        assert rule.scope in ("object", "set")
        assert rule.fix in ("safe", "unsafe", "none")
        assert rule.judges
        assert not set(rule.judges) & set(rule.reads)


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_rules_docstring_is_its_documentation(code: str) -> None:
    """A summary of one sentence, then why it matters, what breaks it, what keeps it, and where that is known from."""
    doc = RULES[code].doc
    assert RULES[code].summary.endswith(".")
    assert len(RULES[code].summary) <= 170
    heads = re.findall(r"^(Why|Bad|Good|Source):", doc, re.MULTILINE)
    assert heads == ["Why", "Bad", "Good"] + (["Source"] if code not in ALLOWANCE_CODES else [])


def test_codes_are_never_used_again() -> None:
    """Every code that was ever given is in the committed list, with its first name; none is renamed or taken away."""
    given = yaml.safe_load((Path(__file__).parent / "rule_codes.yaml").read_text())
    assert {rule.code: rule.name for rule in rules()} == given


def test_a_topic_says_what_its_rules_judge() -> None:
    """A topic is imported by the codes and kinds of the table: they are those of its rules."""
    for topic, codes, kinds in TOPICS:
        topics_rules: tuple[Rule, ...] = import_module(f"mlmesh.invariants.{topic}").RULES
        assert tuple(rule.code for rule in topics_rules) == codes
        judged = {kind for rule in topics_rules for kind in rule.judges}
        assert set(kinds) <= judged
        assert judged - set(kinds) <= {PODS, ANY}  # what a stage notes imports its topic by the code
    assert {topic for topic, _ in MARKED} <= {topic for topic, _, _ in TOPICS}


def test_no_gate_hides_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells from kinds and words alone that a topic has nothing to say is right, over all cases of all rules."""
    files = sorted(CASES.glob("*/*.yaml"))
    with_gates = [rendered(file.read_text()).findings for file in files]
    monkeypatch.setattr(registry, "_is_spoken_of", lambda *_: True)
    without = [rendered(file.read_text()).findings for file in files]
    for file, some, all_ in zip(files, with_gates, without, strict=True):
        assert [each.fingerprint for each in some] == [each.fingerprint for each in all_], file


class Recorded:
    """What a rule asks a release for, by kind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: dict[str, set[str]] = defaultdict(set)
        self.judged: dict[str, set[str]] = defaultdict(set)
        self._code = ""
        of, needed = Release.of, registry._needed

        def asked(release: Release, group: str, kind: str) -> list[KubeObject]:
            if self._code:
                self.read[self._code].add(kind)
            return of(release, group, kind)

        monkeypatch.setattr(Release, "of", asked)
        monkeypatch.setattr(registry, "_needed", lambda release: map(self._watched, needed(release)))

    def _watched(self, rule: Rule) -> Rule:
        def watched(release: Release) -> Iterator[Any]:
            found = []
            self._code = rule.code
            try:
                found = list(rule.check(release))
            finally:
                self._code = ""
            self.judged[rule.code] |= {violation.item.kind for violation in found}
            yield from found

        copy = Rule.__new__(Rule)
        for name in Rule.__slots__:
            setattr(copy, name, getattr(rule, name))
        copy.check = watched
        return copy


def test_the_kinds_that_a_rule_declares_are_those_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all cases of all rules no rule asks for, or judges, a kind that it does not declare."""
    recorded = Recorded(monkeypatch)
    for file in sorted(CASES.glob("*/*.yaml")):
        rendered(file.read_text())
    assert recorded.judged
    for code, rule in RULES.items():
        assert recorded.read[code] <= {*rule.judges, *rule.reads, *SHARED}, code
        if PODS not in rule.judges and "any" not in rule.judges:
            assert recorded.judged[code] <= set(rule.judges), code


# What the graph itself reads to resolve names, whichever rule asks.
SHARED = ("Namespace", "Service", "ServiceAccount", PODS)


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_rule_finds_its_bad_case_and_passes_its_good_one(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mlmesh check` says of the bad release what is expected, in full, and nothing else; of the good one nothing."""
    monkeypatch.chdir(CASES / code)
    bad = list(bad_cases(code))
    assert bad
    for file, told in bad:
        exit_code, output = check(file)
        assert output == told.read_text(), f"read it, then: python -m tests.support.rule_cases {code}"
        found = findings(file)
        assert {each["code"] for each in found if each["severity"] != "info"} <= {code}
        assert code in {each["code"] for each in found}
        assert exit_code == int(any(each["severity"] == "error" for each in found))
    assert good_cases(code)
    for file in good_cases(code):
        assert [each for each in findings(file) if each["severity"] != "info" or each["code"] == code] == [], file


@pytest.mark.parametrize("code", sorted(CODES - {*ALLOWANCE_CODES, *ON_DEMAND}))
def test_a_finding_is_excused_by_its_annotation_and_by_the_policy(code: str) -> None:
    """Either needs a reason; and either, on an object without such a finding, is told itself."""
    file = CASES / code / "bad.yaml"
    text = file.read_text()
    allow = [{"code": code, "name": "*", "reason": "tested"}]
    assert code not in {found.code for found in rendered(text, policy(invariants={"allow": allow})).findings}
    targets = {(found.kind, found.namespace, found.name) for found in rendered(text).findings if found.code == code}
    for reason, kept in (("tested", False), (" ", True)):
        items = [item for item in yaml.safe_load_all(text) if item]
        for item in items:
            metadata = item["metadata"]
            if (item["kind"], metadata.get("namespace", ""), metadata["name"]) in targets:
                metadata.setdefault("annotations", {})[f"allow.mlmesh.dev/{code}"] = reason
        after = {found.code for found in rendered("---\n".join(map(yaml.safe_dump, items))).findings}
        assert (code in after) == kept
        assert ("MLM002" in after) == kept
        assert "MLM001" not in after
