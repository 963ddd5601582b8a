"""What Istio's own injector makes of the settings: istioctl kube-inject with istiod's own template, no cluster."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.helm import Helm
from mlmesh.model.errors import InputError
from tests.support.streams import documents, pod, rendered, route

Inject = Callable[..., dict[str, Any]]
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: llm, namespace: ml}\nspec: {selector: {app: llm}}\n"


@pytest.fixture(scope="module")
def inject(tool: Callable[[str], str], helm: Callable[[str], Helm], tmp_path_factory: pytest.TempPathFactory) -> Inject:
    """`inject(template)`: a Pod of this template as the injector leaves it; `native`: what the mesh's sidecars are."""
    folder = tmp_path_factory.mktemp("injector")
    chart = str(Path(tool("istio-charts")) / "istiod")
    done = helm("helm3").run("template", "istiod", chart, "--namespace", "istio-system")
    assert done.returncode == 0, done.stderr
    objects = [item for item in yaml.safe_load_all(done.stdout) if item]
    maps = {item["metadata"]["name"]: item["data"] for item in objects if item["kind"] == "ConfigMap"}
    files = {"injectConfigFile": "config", "valuesFile": "values"}
    for name in files.values():
        (folder / name).write_text(maps["istio-sidecar-injector"][name])
    istioctl = tool("istioctl")

    def run(template: dict[str, Any], *, native: bool = False, **mesh: Any) -> dict[str, Any]:
        metadata = {**template["metadata"], "name": "x", "namespace": "ml"}
        item = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        (folder / "pod").write_text(json.dumps(item))
        (folder / "mesh").write_text(yaml.safe_dump({**yaml.safe_load(maps["istio"]["mesh"]), **mesh}))
        options = [f"--{flag}={folder / name}" for flag, name in {**files, "meshConfigFile": "mesh"}.items()]
        done = subprocess.run(
            [istioctl, "kube-inject", "--revision=default", f"--filename={folder / 'pod'}", *options],
            env={"KUBECONFIG": "/dev/null", "HOME": str(folder), "ENABLE_NATIVE_SIDECARS": str(native).lower()},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        after: dict[str, Any] = next(item for item in yaml.safe_load_all(done.stdout) if item)
        return after

    return run


def template(stream: str, kind: str = "Deployment") -> dict[str, Any]:
    """The pod template of the first object of a kind, post-rendered."""
    item = next(item for item in documents(rendered(stream)) if item["kind"] == kind)
    spec = item["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else item["spec"]
    found: dict[str, Any] = spec["template"]
    return found


def named(name: str, containers: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = (item for item in containers if item["name"] == name)
    return found


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item.get("value") for item in container["env"]}


def arguments(container: dict[str, Any]) -> dict[str, str]:
    """The flags of istio-iptables with their values."""
    return dict(zip(container["args"][1::2], container["args"][2::2], strict=False))


SIZES = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}


def test_an_inference_pod_with_a_classic_sidecar(inject: Inject) -> None:
    """Four sizes, of the init container too; the proxy first and waited for; it exits with the last connection."""
    after = inject(template(f"{pod()}---\n{SERVICE}---\n{route()}"))["spec"]
    assert [item["name"] for item in after["containers"]] == ["istio-proxy", "c"]
    proxy = after["containers"][0]
    assert proxy["resources"] == named("istio-init", after["initContainers"])["resources"] == SIZES
    assert proxy["lifecycle"]["postStart"]["exec"]["command"] == ["pilot-agent", "wait"]
    assert variables(proxy)["EXIT_ON_ZERO_ACTIVE_CONNECTIONS"] == "true"
    assert after["terminationGracePeriodSeconds"] == 130
    plain = inject(yaml.safe_load(pod())["spec"]["template"])["spec"]
    assert [item["name"] for item in plain["containers"]] == ["c", "istio-proxy"]
    assert "EXIT_ON_ZERO_ACTIVE_CONNECTIONS" not in variables(named("istio-proxy", plain["containers"]))


def test_an_inference_pod_with_a_native_sidecar(inject: Inject) -> None:
    """The same template on a mesh of native sidecars: the sizes hold, and the settings of classic ones do no harm."""
    after = inject(template(pod()), native=True)["spec"]
    proxy = named("istio-proxy", after["initContainers"])
    assert proxy["restartPolicy"] == "Always"
    assert proxy["resources"] == SIZES
    assert "postStart" not in proxy["lifecycle"]


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_a_job_has_a_native_sidecar_on_a_mesh_of_classic_ones(inject: Inject, kind: str) -> None:
    """The kubelet ends a native sidecar when the work is done, so the Job completes."""
    after = inject(template(pod(kind, role="training"), kind))["spec"]
    assert [item["name"] for item in after["containers"]] == ["c"]
    assert named("istio-proxy", after["initContainers"])["restartPolicy"] == "Always"


def test_excluded_ports_are_left_out_of_the_redirection_at_both_ends(inject: Inject) -> None:
    """istio-iptables is told them for inbound (-d) and outbound (-o) connections."""
    item = yaml.safe_load(pod("Job", role="training"))
    item["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 3000}, {"containerPort": 3001}]
    after = inject(template(yaml.safe_dump(item), "Job"))["spec"]
    flags = arguments(named("istio-init", after["initContainers"]))
    assert {"3000", "3001"} <= set(flags["-d"].split(","))
    assert flags["-o"] == "3000,3001"


def test_settings_that_were_added_to_a_user_s_are_all_in_force(inject: Inject) -> None:
    """The injector reads the merged text: the user's drain and variable, and the hold that was added."""
    text = "# ours\nconcurrency: 3\nproxy_metadata:\n  MINE: x\n"
    after = inject(template(pod(**{"proxy.istio.io/config": text})))["spec"]
    proxy = named("istio-proxy", after["containers"])
    config = json.loads(variables(proxy)["PROXY_CONFIG"])
    assert config["concurrency"] == 3
    assert config["holdApplicationUntilProxyStarts"] is True
    assert config["proxyMetadata"] == {"MINE": "x", "EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true"}


def test_metrics_of_what_monitors_are_merged_though_the_mesh_does_not(inject: Inject) -> None:
    """Who scrapes the pod by its annotations is sent to the agent's port, which answers plain text under STRICT."""
    text = pod(role="monitoring", **{"prometheus.io/scrape": "true", "prometheus.io/port": "9100"})
    annotations = inject(template(text), enablePrometheusMerge=False)["metadata"]["annotations"]
    assert (annotations["prometheus.io/port"], annotations["prometheus.io/path"]) == ("15020", "/stats/prometheus")
    plain = inject(yaml.safe_load(text)["spec"]["template"], enablePrometheusMerge=False)["metadata"]["annotations"]
    assert plain["prometheus.io/port"] == "9100"


@pytest.mark.parametrize("role", ["inference", "feature-store", "model-registry", "training", "pipeline", "monitoring"])
def test_the_injector_takes_what_every_role_gets(inject: Inject, role: str) -> None:
    """It checks annotations, and refuses the pod for one that it cannot read."""
    after = inject(template(pod(role=role)))
    assert [item["name"] for item in after["spec"]["containers"]].count("istio-proxy") == 1


@pytest.mark.parametrize(
    ("annotation", "equipped"), [({"sidecar.istio.io/inject": "false"}, False), ({"inject": "false"}, True)]
)
def test_a_pod_that_is_left_alone_is_one_that_the_injector_leaves(
    inject: Inject, annotation: dict[str, str], equipped: bool
) -> None:
    """What counts as opting out is the injector's word."""
    text = pod(**annotation)
    assert bool(rendered(text).patches) is equipped
    after = inject(yaml.safe_load(text)["spec"]["template"])
    assert ("istio-proxy" in [item["name"] for item in after["spec"]["containers"]]) is equipped


@pytest.mark.parametrize("label", ["false", "False", "true"])
def test_the_label_is_read_as_the_injector_reads_it(inject: Inject, label: str) -> None:
    """Beside an annotation that says the opposite."""
    item = yaml.safe_load(pod(**{"sidecar.istio.io/inject": "false" if label != "false" else "true"}))
    item["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] = label
    after = inject(item["spec"]["template"])
    injected = "istio-proxy" in [container["name"] for container in after["spec"]["containers"]]
    assert bool(rendered(yaml.safe_dump(item)).patches) is injected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sidecar.istio.io/proxyCPU", "1gb"),
        ("sidecar.istio.io/proxyMemory", ""),
        ("traffic.sidecar.istio.io/excludeInboundPorts", "ssh"),
        ("traffic.sidecar.istio.io/excludeInboundPorts", "3000-3010"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", "3000,,3001"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", "70000"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", "3000, 3001"),
        ("proxy.istio.io/config", "- a"),
        ("proxy.istio.io/config", "proxyMetadata: [a]"),
        ("proxy.istio.io/config", "concurrency: 2"),
        ("proxy.istio.io/config", ""),
    ],
)
def test_the_injector_refuses_what_is_refused_here_and_takes_what_is_taken(
    inject: Inject, key: str, value: str
) -> None:
    """A bad value is told before anything is installed, and nothing is refused that would have worked."""
    text = pod(role="training", **{key: value})
    try:
        inject(yaml.safe_load(text)["spec"]["template"])
    except AssertionError:
        with pytest.raises(InputError):
            rendered(text)
    else:
        rendered(text)
