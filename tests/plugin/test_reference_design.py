"""What the invariants say of the reference design as it was first written."""

from pathlib import Path

from tests.support.rule_cases import check, findings
from tests.support.streams import policy

WRITTEN = Path(__file__).parent / "reference_design.yaml"
HOSTS = ("inference-service", "inference-v1", "inference-v2", "kserve-predictor", "llm-service")


def test_what_does_not_work_of_it_is_told_and_nothing_else(tmp_path: Path) -> None:
    """Its hosts being elsewhere: a dead circuit breaker, an identity that nobody has, a listener that Istio leaves out.

    And that four of its tries do not fit, in each of its blocks, and that a generation may run three times.
    """
    file = tmp_path / "policy.yaml"
    hosts = [f"{name}.ml-serving.svc.cluster.local" for name in HOSTS]
    principals = ["cluster.local/ns/ml-frontend/sa/frontend-sa"]
    file.write_text(policy(external={"hosts": hosts, "principals": principals}, owns=["ml-serving", "ml-training"]))
    code, _ = check(WRITTEN, "--policy", str(file))
    assert code == 1
    said = [(each["severity"], each["code"], each["name"]) for each in findings(WRITTEN, "--policy", str(file))]
    assert sorted(said) == [
        ("error", "MLM101", "inference-destination"),
        ("error", "MLM401", "inference-access"),
        ("error", "MLM701", "ml-gateway"),
        ("warning", "MLM202", "inference-routing"),
        ("warning", "MLM202", "llm-timeouts"),
        ("warning", "MLM202", "llm-timeouts"),
        ("warning", "MLM203", "llm-timeouts"),
    ]
