"""What mends a finding about access, injection or egress, and whom a trust domain's old name means."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.rule_cases import CASES, bad_cases, check
from tests.support.streams import policy, rendered

MENDED = ("MLM401", "MLM408", "MLM409", "MLM501", "MLM502", "MLM508", "MLM509", "MLM511", "MLM802", "MLM803")
OPEN = [(code, file) for code in MENDED for file, _ in bad_cases(code)]


@pytest.mark.parametrize(("code", "file"), OPEN, ids=lambda value: value.stem if isinstance(value, Path) else value)
def test_what_a_finding_offers_mends_it(code: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --unsafe-fixes a release has no finding left of those that offer something, and none besides."""
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / file.name
    copy.write_text(file.read_text())
    before = [finding for finding in rendered(file.read_text()).findings if finding.code == code]
    check(copy, "--fix", "--unsafe-fixes")
    after = [finding for finding in rendered(copy.read_text()).findings if finding.code == code]
    assert before
    assert {finding.fingerprint for finding in after} == {
        finding.fingerprint for finding in before if not finding.operations
    }


def test_each_rule_that_can_be_mended_is() -> None:
    """Each rule that says that it has a fix offers one in a case of its own."""
    offered = {
        code
        for code, file in OPEN
        for finding in rendered(file.read_text()).findings
        if finding.code == code and finding.operations
    }
    assert offered == set(MENDED)


@pytest.mark.parametrize("domain", ["cluster.local", "td.example.com"])
@pytest.mark.parametrize("written", ["cluster.local", "td.example.com"])
def test_cluster_local_is_the_meshs_own_trust_domain(domain: str, written: str) -> None:
    """A gateway named with `cluster.local`, or with the mesh's trust domain, is let in; by a foreign one it is not."""
    text = (CASES / "MLM402" / "good.yaml").read_text().replace("cluster.local/", f"{written}/")
    said = {finding.code for finding in rendered(text, policy(mesh={"trustDomain": domain})).findings}
    assert ("MLM402" in said) == (domain == "cluster.local" and written != domain)


def test_a_destination_of_an_imported_route_needs_no_egress_entry() -> None:
    """Istio takes in where an imported VirtualService leads: without that route the same Sidecar cuts the call."""
    documents = list(yaml.safe_load_all((CASES / "MLM803" / "good-led.yaml").read_text()))
    assert "MLM803" not in {finding.code for finding in rendered(_stream(documents)).findings}
    cut = [document for document in documents if document["kind"] != "VirtualService"]
    assert "MLM803" in {finding.code for finding in rendered(_stream(cut)).findings}


def test_a_namespace_that_is_not_the_releases_own_gets_warnings() -> None:
    """Who lets a gateway in can stand in another release: without the Namespace the same refusal is a warning."""
    context = (CASES / "MLM402" / "bad.yaml").read_text().split("---\n")
    assert _severities("---\n".join(context), "MLM402") == ["error"]
    labelled = "---\n".join(context[1:]).replace(
        "labels: {app: llm}", 'labels: {app: llm, sidecar.istio.io/inject: "true"}'
    )
    assert _severities(labelled, "MLM402") == ["warning"]


def _severities(text: str, code: str) -> list[str]:
    return [finding.severity for finding in rendered(text).findings if finding.code == code]


def _stream(documents: list[Any]) -> str:
    return "---\n".join(map(yaml.safe_dump, documents))
