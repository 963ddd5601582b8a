"""The mesh-wide settings say the same to istioctl and to Istio's own charts, and what the reference design asks for."""

import json
import subprocess
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.chart_values import defaults
from dev.helm import Helm
from dev.toolchain import ROOT
from tests.chart.charts import documents, kinds

MESH = ROOT / "values" / "mesh"


class Settings:
    """What an installation of Istio comes to: its mesh configuration, the injector's values, istiod's environment."""

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        maps = {document["metadata"]["name"]: document["data"] for document in kinds(objects, "ConfigMap")}
        self.mesh: dict[str, Any] = yaml.safe_load(maps["istio"]["mesh"])
        self.injector: dict[str, Any] = json.loads(maps["istio-sidecar-injector"]["values"])
        (istiod,) = kinds(objects, "Deployment")
        environment = istiod["spec"]["template"]["spec"]["containers"][0]["env"]
        self.environment = {variable["name"]: variable.get("value") for variable in environment}
        self.keys = {(document["kind"], document["metadata"]["name"]) for document in objects}


@pytest.fixture(scope="module")
def by_istioctl(tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """What istioctl makes of istiooperator.yaml."""
    home = tmp_path_factory.mktemp("istioctl")
    done = subprocess.run(
        [tool("istioctl"), "manifest", "generate", "-f", str(MESH / "istiooperator.yaml")],
        env={"HOME": str(home), "KUBECONFIG": str(home / "none")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Settings(documents(done.stdout))


@pytest.fixture(scope="module", params=["helm3", "helm4"])
def by_helm(request: pytest.FixtureRequest, helm: Callable[[str], Helm], tool: Callable[[str], str]) -> Settings:
    """What Istio's own charts make of base.yaml and istiod.yaml, by each Helm in turn."""

    @cache
    def rendered(chart: str) -> list[dict[str, Any]]:
        arguments = ("template", chart, str(Path(tool("istio-charts")) / chart), "-f", str(MESH / f"{chart}.yaml"))
        done = helm(request.param).run(*arguments, "--namespace", "istio-system")
        assert done.returncode == 0, done.stderr
        return documents(done.stdout)

    return Settings([*rendered("base"), *rendered("istiod")])


def test_both_ways_come_to_the_same(by_istioctl: Settings, by_helm: Settings) -> None:
    """Mesh configuration, injector values and istiod's environment are equal."""
    assert by_istioctl.mesh == by_helm.mesh
    assert by_istioctl.injector == by_helm.injector
    assert by_istioctl.environment == by_helm.environment
    # Only Istio's chart `base` adds a second validating webhook, for istiod without a revision.
    assert by_helm.keys - by_istioctl.keys == {("ValidatingWebhookConfiguration", "istiod-default-validator")}
    assert by_istioctl.keys <= by_helm.keys


def test_the_reference_designs_settings(by_istioctl: Settings) -> None:
    """Access logs, tracing at 10 percent with somewhere to go, HTTP/1.0, two workers, and the proxies' resources."""
    assert by_istioctl.mesh["accessLogFile"] == "/dev/stdout"
    assert by_istioctl.mesh["enableTracing"] is True
    assert by_istioctl.environment["PILOT_TRACE_SAMPLING"] == "10"
    assert by_istioctl.mesh["defaultConfig"]["concurrency"] == 2
    assert by_istioctl.mesh["defaultConfig"]["proxyMetadata"] == {"ISTIO_META_HTTP10": "1"}
    assert by_istioctl.environment["PILOT_HTTP10"] == "true"
    assert by_istioctl.injector["global"]["proxy"]["resources"] == {
        "requests": {"cpu": "100m", "memory": "256Mi"},
        "limits": {"cpu": "500m", "memory": "512Mi"},
    }


def test_telemetry_names_a_provider_of_the_mesh(by_istioctl: Settings) -> None:
    """The providers that the chart's Telemetry names, and that of values/adopt.yaml, are the mesh configuration's."""
    providers = {provider.pop("name"): provider for provider in deepcopy(by_istioctl.mesh["extensionProviders"])}
    assert {name: list(provider) for name, provider in providers.items()} == {
        "otel-tracing": ["opentelemetry"],
        "ml-audit": ["envoyFileAccessLog"],
    }
    (tracing,) = defaults()["telemetry"]["ml-telemetry"]["tracing"]
    assert tracing["providers"] == [{"name": "otel-tracing"}]
    adopt = yaml.safe_load((ROOT / "values" / "adopt.yaml").read_text())
    _, audit = adopt["telemetry"]["ml-telemetry"]["accessLogging"]
    assert audit["providers"] == [{"name": "ml-audit"}]
