"""What `helm test` asks of stamps: exactly the workloads that the post-renderer stamps."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from dev.toolchain import ROOT
from tests.chart.charts import documents
from tests.support.streams import rendered

FILES = sorted(
    str(path.relative_to(ROOT))
    for folder, pattern in (("values", "*.yaml"), ("chart/ci", "*-values.yaml"), ("tests/chart", "full.yaml"))
    for path in (ROOT / folder).glob(pattern)
)
STAMPED = re.compile(r"^ *stamped (\S+) (\S+) (\S+)( --ignore-not-found)?$", re.MULTILINE)
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


def asked(objects: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """(resource, name, namespace) of each workload whose stamp the test's pod asks for."""
    (pod,) = [item for item in objects if item["kind"] == "Pod" and "helm.sh/hook" in item["metadata"]["annotations"]]
    script = pod["spec"]["containers"][0]["command"][2]
    assert len(STAMPED.findall(script)) == script.count("\nstamped ")
    return sorted(found[:3] for found in STAMPED.findall(script))


def resource(item: dict[str, Any]) -> tuple[str, str, str]:
    """The same of an object."""
    group = item["apiVersion"].partition("/")[0]
    return f"{item['kind'].lower()}s.{group}", item["metadata"]["name"], item["metadata"]["namespace"]


@pytest.mark.parametrize("file", FILES)
def test_it_asks_for_every_stamp_and_no_other(stream: Callable[..., str], file: str) -> None:
    """For each file of values: what the post-renderer stamps is asked for, and its pod may get that by name."""
    text = stream("-f", file)
    objects = documents(text)
    after = documents(b"".join(rendered(text).output).decode())
    stamped = sorted(
        resource(item)
        for item in after
        if item["kind"] in WORKLOADS and "mlmesh.dev/rendered-by" in item["metadata"].get("annotations", {})
    )
    required = any(item["kind"] == "MeshPolicy" for item in objects)
    assert asked(objects) == (stamped if required else [])
    granted = [
        (f"{rule['resources'][0]}.{rule['apiGroups'][0]}", name, role["metadata"]["namespace"])
        for role in objects
        if role["kind"] == "Role" and "helm.sh/hook" in role["metadata"].get("annotations", {})
        for rule in role["rules"]
        if rule["apiGroups"][0] in ("apps", "batch")
        for name in rule["resourceNames"]
    ]
    assert sorted(granted) == asked(objects)


def test_it_asks_for_routes_of_every_kind(stream: Callable[..., str]) -> None:
    """Each route is asked for as the kind of object that it is, and the pod may read that kind there."""
    grpc = '{"kind": "GRPCRoute", "timeouts": false, "namespace": "serving", "gateway": "ml-gateway", "rules": RULES}'
    grpc = grpc.replace("RULES", '{"all": {"backends": {"triton": {"port": 8001}}}}')
    objects = documents(stream("-f", "tests/chart/full.yaml", "--set-json", f"routes.plain={grpc}"))
    (pod,) = [item for item in objects if item["kind"] == "Pod"]
    script = pod["spec"]["containers"][0]["command"][2]
    routes = [item for item in objects if item["kind"] in ("HTTPRoute", "GRPCRoute", "TLSRoute")]
    assert {item["kind"] for item in routes} == {"HTTPRoute", "GRPCRoute", "TLSRoute"}
    for item in routes:
        plural, metadata = f"{item['kind'].lower()}s", item["metadata"]
        for condition in ("Accepted", "ResolvedRefs"):
            assert f"holds {plural} {metadata['name']} {metadata['namespace']} {condition} " in script
        assert ("gateway.networking.k8s.io", plural, metadata["namespace"]) in _readable(objects)


def _readable(objects: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """(group, resource, namespace) that Roles of the stream let somebody get."""
    return {
        (group, resource, role["metadata"]["namespace"])
        for role in objects
        if role["kind"] == "Role"
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if "get" in rule["verbs"]
    }


def test_some_file_has_workloads_of_every_kind_of_group(stream: Callable[..., str]) -> None:
    """The counter-proof: there is something to ask for, in `apps` and in `batch`."""
    found = {each[0].partition(".")[2] for file in FILES for each in asked(documents(stream("-f", file)))}
    assert found == {"apps", "batch"}


@pytest.mark.parametrize(
    ("metadata", "more"),
    [
        ({"labels": {"sidecar.istio.io/inject": "false"}}, {}),
        ({"annotations": {"sidecar.istio.io/inject": "false"}}, {}),
        ({}, {"hostNetwork": True}),
        ({"annotations": {"sidecar.istio.io/proxyCPU": "1", "sidecar.istio.io/proxyMemory": "1Gi"}}, {}),
    ],
)
def test_a_workload_that_may_need_nothing_is_not_asked(
    stream: Callable[..., str],
    written: Callable[[dict[str, Any]], tuple[str, str]],
    metadata: dict[str, Any],
    more: Any,
) -> None:
    """Without a sidecar, or with sizes of its user's, a workload may carry no stamp: then its lack says nothing."""
    template = {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "i"}], **more}}
    component = {"workload": {"kind": "Deployment", "spec": {"template": template}}}
    values = {"components": {"feature-store": component}}
    resources = [each[1] for each in asked(documents(stream(*written(values))))]
    assert "feature-store" not in resources
    template["metadata"], template["spec"] = {}, {"containers": [{"name": "c", "image": "i"}]}
    assert "feature-store" in [each[1] for each in asked(documents(stream(*written(values))))]


def test_without_the_post_renderer_no_stamp_is_asked(stream: Callable[..., str]) -> None:
    """The stated way out: nothing is stamped there."""
    text = stream("-f", "values/demo.yaml", "--set", "postRenderer.required=false")
    assert asked(documents(text)) == []
    assert asked(documents(stream("-f", "values/demo.yaml"))) != []
