"""Whatever stands in the values, Helm renders something or is refused with a message of the chart's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.helm import Helm
from tests.chart.charts import documents
from tests.chart.random_values import drawn, in_file, rendered_or_refused, replaced

CASES = 60


@pytest.mark.parametrize("name", ["helm3", "helm4"])
def test_no_values_break_a_template(
    helm: Callable[[str], Helm], full_values: dict[str, Any], tmp_path: Path, name: str
) -> None:
    """No stack trace of a template is a user's answer, and what is rendered is YAML. tests/long has many more."""
    program = helm(name)
    outcomes = []
    for seed in range(CASES):
        text, wrong = rendered_or_refused(program, in_file(drawn(full_values, seed), tmp_path / "values.json"))
        assert not wrong, f"seed {seed}: {wrong}"
        assert not text or len(documents(text)) > 1
        outcomes.append(bool(text))
    # Some are refused, and some are not.
    assert 0 < sum(outcomes) < CASES


POLICY = ("models", "inference-service", "circuitBreaker", "trafficPolicy")
LISTENER = ("gateways", "ml-gateway", "listeners", "https")
TEMPLATE = ("components", "training-jobs", "workload", "spec", "template")


@pytest.mark.parametrize(
    ("path", "value", "taken"),
    [
        ((*POLICY, "loadBalancer"), None, True),
        ((*POLICY, "loadBalancer"), "LEAST_REQUEST", False),
        ((*POLICY, "loadBalancer"), {"consistentHash": "x"}, False),
        ((*LISTENER, "tls"), None, False),
        ((*LISTENER, "tls"), {"certificateRefs": "x"}, False),
        ((*LISTENER, "tls"), {"certificateRefs": None}, False),
        ((*LISTENER, "tls", "mode"), {"x": {}}, False),
        (("egress",), None, True),
        (("egress", "outboundTrafficPolicy"), None, True),
        ((*LISTENER, "allowedRoutes"), {"namespaces": None}, True),
        ((*LISTENER, "allowedRoutes"), {"namespaces": "Same"}, False),
        (("gateways", "ml-gateway", "infrastructure"), {"annotations": None}, True),
        (("gateways", "ml-gateway", "infrastructure"), {"annotations": "x"}, False),
        ((*TEMPLATE, "spec"), {"containers": None}, False),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None,
)
def test_blocks_that_are_passed_on_are_read_with_care(
    helm: Callable[[str], Helm],
    full_values: dict[str, Any],
    tmp_path: Path,
    path: tuple[str, ...],
    value: object,
    *,
    taken: bool,
) -> None:
    """A null in a block of Istio's or Kubernetes' own is as nothing; another kind of value than it has is refused."""
    text, wrong = rendered_or_refused(
        helm("helm4"), in_file(replaced(full_values, path, value), tmp_path / "values.json")
    )
    assert (wrong, bool(text)) == ("", taken)
